"""Rounds, ratios and missing peers, on made-up tools."""

import pathlib
import sys

import pytest

from benchmarks import cases, compare, process, run, show
from benchmarks.process import FailedError, Mark, Measured


def one(rate, cpu=1.0, start=1.0):
  return Measured(start=start, rate=rate, cpu=cpu, memory=2**20)


def quiet(text):
  pass


def test_the_order_of_the_tools_turns_round_each_round():
  seen = []

  def run_one(name):
    seen.append(name)
    return one(1.0)

  compare.rounds(["ours", "a", "b"], run_one, 3, quiet)
  assert seen == [*("ours", "a", "b"), *("b", "a", "ours"), *("ours", "a", "b")]


def test_a_tool_that_fails_is_left_out_and_says_why():
  def run_one(name):
    if name == "a":
      raise FailedError("no memory")
    return one(1.0)

  taken, failed = compare.rounds(["ours", "a"], run_one, 3, quiet)
  assert failed == {"a": "no memory"}
  assert list(taken) == ["ours"]
  assert len(taken["ours"]) == 3


def test_ratios_are_within_rounds_and_then_the_median():
  taken = {
    "ours": [one(10.0, cpu=1.0), one(30.0, cpu=2.0), one(20.0, cpu=1.0)],
    "a": [one(5.0, cpu=3.0), one(10.0, cpu=2.0), one(20.0, cpu=2.0)],
  }
  entry = compare.summary(taken, "ours")["a"]
  assert entry["ratio"] == {"median": 2.0, "low": 1.0, "high": 3.0}
  assert entry["cpu_ratio"] == {"median": 2.0, "low": 1.0, "high": 3.0}
  assert entry["rate"] == {"median": 10.0, "low": 5.0, "high": 20.0}


def test_our_own_entry_has_no_ratio():
  assert "ratio" not in compare.summary({"ours": [one(1.0)]}, "ours")["ours"]


def test_without_us_peers_have_no_ratio():
  assert "ratio" not in compare.summary({"a": [one(1.0)]}, "ours")["a"]


def test_unknown_cpu_time_leaves_only_that_measure_out():
  taken = {"ours": [one(2.0, cpu=None)], "a": [one(1.0)]}
  entry = compare.summary(taken, "ours")["a"]
  assert entry["cpu_ratio"] is None
  assert entry["ratio"]["median"] == 2.0


def test_the_rate_is_taken_after_warm_up():
  marks = [Mark(1, 5.0, 9.0), Mark(10, 6.0, 10.0), Mark(30, 8.0, 13.0)]
  rate, cpu = process.steady(marks, 10, batch=4)
  assert rate == 20 * 4 / 2.0
  assert cpu == 3.0 / 80


def test_too_few_lines_after_warm_up_are_an_error():
  with pytest.raises(FailedError, match="step 10"):
    process.steady([Mark(1, 5.0, None), Mark(10, 6.0, None)], 10, batch=4)


def talking(text):
  return [sys.executable, "-c", text]


def watched(tmp_path, text, last):
  return process.watched(talking(text), {}, tmp_path, last, 0, 30)


def test_lines_of_progress_become_marks_until_the_last_step(tmp_path):
  text = (
    "for k in range(9):\n"
    "  print(f'train  {k + 1}/9  loss 0.5  lr 1e-3', flush=True)\n"
    "import time; time.sleep(60)"
  )
  marks, memory = watched(tmp_path, text, 3)
  assert [mark.step for mark in marks] == [1, 2, 3]
  assert memory > 2**20


def test_other_lines_are_passed_over(tmp_path):
  text = "print('1/2 of it'); print('see 3/4'); print('4/4  loss 1')"
  marks, _ = watched(tmp_path, text, 4)
  assert [mark.step for mark in marks] == [4]


def test_a_program_that_ends_early_gives_its_last_error_line(tmp_path):
  text = "print('1/9  loss 1'); raise SystemExit('out of luck')"
  with pytest.raises(FailedError, match="out of luck"):
    watched(tmp_path, text, 9)


def test_a_program_that_takes_too_long_is_stopped(tmp_path):
  text = "import time; time.sleep(60)"
  with pytest.raises(FailedError):
    process.watched(talking(text), {}, tmp_path, 1, 0, 0.2)


def test_every_case_is_led_by_our_own_program():
  for case in cases.CASES.values():
    tools = [cases.TOOLS[name] for name in case.tools]
    assert tools[0].title == "MedFM"
    assert not any(tool.title == "MedFM" for tool in tools[1:])


def test_a_training_case_is_launched_by_the_products_command(tmp_path):
  runner = run.Runner.__new__(run.Runner)
  runner.case, runner.folder, runner._pythons = (
    cases.CASES["cnn_b32"],
    tmp_path,
    {},
  )
  command = runner.command("medfm", tmp_path, 7)
  assert pathlib.Path(command[1]).name == "launch.py"
  assert "--config.batch_size=32" in command
  assert "--config.steps=7" in command


def test_a_package_that_is_absent_has_no_version(monkeypatch):
  absent = cases.Tool("Absent", "no-such-distribution-at-all", "absent")
  monkeypatch.setitem(cases.TOOLS, "absent", absent)
  assert run.version("absent", {}) is None


def test_an_unknown_case_ends_with_the_known_ones(capsys):
  with pytest.raises(SystemExit):
    run.arguments(["--only=cnn"])
  assert "cnn_b32" in capsys.readouterr().err


def report(tools):
  case = {"title": "A case", "unit": "examples", "ours": "ours", "tools": tools}
  return {
    "date": "today",
    "command": "python -m benchmarks.run",
    "rounds": 2,
    "threads": 1,
    "machine": {"processor": "x", "cores": 2, "load": 0.1},
    "versions": {"jax": "1"},
    "matmul": 1e9,
    "cases": {"case": case},
  }


def test_the_table_says_which_peers_are_not_installed():
  taken = {"ours": [one(10.0), one(12.0)], "a": [one(5.0), one(5.0)]}
  tools = {
    name: {"title": name.upper(), **entry}
    for name, entry in compare.summary(taken, "ours").items()
  }
  tools["b"] = {"title": "B", "problem": "not installed"}
  text = show.markdown(report(tools))
  rows = [line for line in text.splitlines() if line.startswith("| ")]
  assert rows[2].startswith("| **OURS** | 11 [10, 12] |")
  assert rows[3].startswith("| A | 5 | 2.20 [2.00, 2.40] |")
  assert rows[4].startswith("| B | not installed |")
  assert len({row.count("|") for row in rows}) == 1
