"""Rounds, ratios and missing peers, on made-up tools."""

import pathlib
import sys
import types

import pytest

from benchmarks import (
  cases,
  compare,
  machine,
  process,
  run,
  runner,
  show,
  tools,
)
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


def test_the_memory_of_who_measures_does_not_count(tmp_path):
  held = bytearray(b"x") * (200 << 20)
  text = "print('1/1  loss 1', flush=True); import time; time.sleep(60)"
  _, memory = watched(tmp_path, text, 1)
  assert 2**20 < memory < len(held) / 2


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


def test_an_accelerators_peak_is_read_from_the_line(tmp_path):
  text = "print('1/2  loss 0.5'); print('2/2  loss 0.25  peak 123')"
  marks, _ = watched(tmp_path, text, 2)
  assert [mark.device for mark in marks] == [None, 123]


def test_every_case_is_led_by_our_own_program():
  for case in cases.CASES.values():
    found = [tools.TOOLS[name] for name in case.tools]
    assert found[0].title == "MedFM"
    assert len(found) > 1
    assert not any(tool.title == "MedFM" for tool in found[1:])


def test_every_last_step_is_told_of():
  for case in cases.CASES.values():
    for span in case.tools.values():
      assert span.scaled(1) == span.last
      assert span.scaled(0.001) == span.first + span.every


def test_a_training_case_is_launched_by_the_products_command(tmp_path):
  own = runner.Runner.__new__(runner.Runner)
  own.case, own.folder, own.pythons = cases.CASES["cnn_b32"], tmp_path, {}
  command = own.command("medfm", tmp_path, 128)
  assert pathlib.Path(command[1]).name == "launch.py"
  assert "--config.batch_size=32" in command
  assert "--config.steps=192" in command


def test_a_package_that_is_absent_has_no_version(monkeypatch):
  absent = tools.Tool("Absent", ("numpy", "no-such-distribution-at-all"))
  monkeypatch.setitem(tools.TOOLS, "absent", absent)
  assert machine.version("absent", {}) is None
  assert machine.version("medfm_scores", {})


def test_peers_share_an_interpreter_and_one_may_have_its_own():
  found = machine.pythons(["peers=/a", "torch=/b"])
  assert found["torch"] == "/b"
  assert found["transformers"] == found["sklearn"] == "/a"
  assert not [name for name in found if name.startswith("medfm")]


def test_a_command_is_shown_without_this_machines_folders():
  words = ["--rounds=3", "--out=/a/b", "--python=torch=/c/bin/python"]
  shown = machine.shown("benchmarks.run", words)
  assert shown == "python -m benchmarks.run --rounds=3 --python=PYTHON"


def test_only_what_was_measured_in_full_on_a_quiet_machine_is_kept(
  monkeypatch, capsys
):
  monkeypatch.setattr(run.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
  assert run.arguments(["--keep"]).keep
  for words in (["--scale=0.5"], ["--rounds=1"]):
    with pytest.raises(SystemExit):
      run.arguments(["--keep", *words])
  monkeypatch.setattr(run.os, "getloadavg", lambda: (99.0, 0.0, 0.0))
  with pytest.raises(SystemExit):
    run.arguments(["--keep"])
  assert "load is 99.0" in capsys.readouterr().err


def test_some_cases_are_kept_by_their_jax_version_beside_the_whole_table():
  assert run.kept(False, "0.12.0.1") == run.KEPT
  assert run.kept(True, "0.12.0.1") == run.KEPT / "jax-0.12"


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


def test_rows_of_tokens_have_a_rate_and_a_padding_of_their_own():
  entry = compare.summary({"ours": [one(10.0)]}, "ours")["ours"]
  entry |= {"title": "OURS", "tokens": compare.times(entry["rate"], 128 * 0.5)}
  result = report({"ours": entry, "b": {"title": "B", "problem": "absent"}})
  result["cases"]["case"]["padding"] = 0.5
  text = show.markdown(result)
  assert "| **OURS** | 10 | 640 |" in text
  assert "Padding of MedFM's rows: 50.0 %." in text
  rows = [line for line in text.splitlines() if line.startswith("| ")]
  assert len({row.count("|") for row in rows}) == 1


class FakeRunner:
  """Answers with a rate for each tool instead of measuring it."""

  case = cases.CASES["lstm"]

  def __init__(self, brief=False, **rates):
    self.given = types.SimpleNamespace(rounds=2, brief=brief)
    self.rates, self.asked = rates, []

  def __call__(self, tool, *, cold=False):
    self.asked.append((tool, cold))
    return one(self.rates[tool])

  def counted(self, what):
    assert what == "padding"
    return 0.5


def test_another_python_is_measured_in_the_same_rounds_beside_the_same_peers():
  peers = {"medfm_scan": 5.0, "torch": 10.0, "torch_kept": 20.0}
  here, there = FakeRunner(medfm=40.0, **peers), FakeRunner(medfm=30.0)
  found = dict.fromkeys(tools.TOOLS) | dict.fromkeys(["medfm", *peers], "1")
  first, second = runner.measured("lstm", here, found, [1e9, None], there)
  assert there.asked == [
    ("medfm", True),
    *[("medfm", True), ("medfm", False)] * 2,
  ]
  assert first["tools"]["torch"]["ratio"]["median"] == 4.0
  assert second["tools"]["torch"]["ratio"]["median"] == 3.0
  assert second["tools"]["torch"]["rate"] == first["tools"]["torch"]["rate"]
  assert first["tools"]["medfm_given_back"]["problem"] == "not installed"
  assert [*second["tools"]] == ["medfm", "torch", "torch_kept"]
  assert "share" in first["tools"]["medfm"]
  assert "share" not in second["tools"]["medfm"]


def test_a_brief_run_has_one_row_of_medfm():
  rates = {"medfm": 40.0, "torch": 10.0, "torch_kept": 20.0}
  found = dict.fromkeys(tools.TOOLS, "1")
  (entry,) = runner.measured("lstm", FakeRunner(True, **rates), found, [1e9])
  assert [*entry["tools"]] == [*rates]


def test_a_python_beside_that_is_not_there_is_refused(tmp_path, capsys):
  with pytest.raises(SystemExit):
    run.arguments([f"--beside={tmp_path}/python"])
  assert "expected a Python" in capsys.readouterr().err
  with pytest.raises(SystemExit):
    run.arguments(["--beside=/bin/false"])
  assert "jax is not installed there" in capsys.readouterr().err
