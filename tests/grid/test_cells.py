"""States follow from files alone."""

import json
import os

import pytest

from medfm.grid import cells
from tests.grid import toy


def test_a_cell_without_a_folder_is_missing(tmp_path):
  assert toy.states([toy.cell(tmp_path, "a")]) == {"a": "missing"}


def test_a_cell_whose_run_ended_is_done(tmp_path):
  assert toy.run([toy.cell(tmp_path, "a")]) == {"a": "done"}


def test_the_key_of_a_done_cell_names_config_code_and_data(tmp_path):
  one = toy.cell(tmp_path, "a", fingerprint="abc")
  toy.run([one])
  key = cells.read(tmp_path / "a/cell.json")["key"]
  assert key == {
    "config": cells.digest(one.request),
    "code": cells.code_version(),
    "data": ["abc"],
  }


def test_a_done_cell_is_done_without_its_cell_json_being_closed(tmp_path):
  """As where the runner was killed while the run came to its end."""
  one = toy.cell(tmp_path, "a")
  toy.run([one])
  noted = cells.read(one.folder / "cell.json")
  (one.folder / "cell.json").unlink()
  cells.workdir.write(one.folder / "cell.json", noted | {"exit": None})
  assert toy.states([one]) == {"a": "done"}


def test_a_result_without_its_report_is_made_again(tmp_path):
  one = toy.cell(tmp_path, "a")
  toy.run([one])
  (one.folder / "report.html").unlink()
  assert toy.states([one]) == {"a": "missing"}
  assert toy.run([one]) == {"a": "done"}


def test_a_run_of_other_code_is_stale_and_is_set_aside(tmp_path):
  one = toy.cell(tmp_path, "a")
  with toy.code("yesterday's code"):
    toy.run([one])
  assert toy.states([one]) == {"a": "stale"}
  assert toy.run([one]) == {"a": "done"}
  aside = cells.read(tmp_path / ".stale/a.1/cell.json")
  assert aside["code"] == "yesterday's code"


def test_an_interrupted_run_of_other_code_is_not_gone_on_with(tmp_path):
  one = toy.cell(tmp_path, "a", steps=2)
  with toy.code("yesterday's code"):
    cells.prepare(one, stale=False)
  (one.folder / "config.json").write_text("{}")
  (one.folder / "metrics.jsonl").write_text("{}\n")
  assert toy.run([one]) == {"a": "done"}
  assert (one.folder / "metrics.jsonl").read_text().count("step") == 2


def test_runs_on_data_that_changed_since_are_stale(tmp_path):
  old = toy.cell(tmp_path, "old", data={"name": "d"}, fingerprint="1")
  new = toy.cell(tmp_path, "new", data={"name": "d"}, fingerprint="2")
  other = toy.cell(tmp_path, "other", data={"name": "e"}, fingerprint="3")
  for one in (old, other, new):
    toy.run([one])
  os.utime(old.folder / "results.json", (1, 1))
  every = [old, new, other]
  assert toy.states(every) == {"old": "stale", "new": "done", "other": "done"}
  toy.run(every, todo=[old], stale=["old"])
  assert (tmp_path / ".stale/old.1").exists()


def test_a_cell_whose_lock_is_held_is_running(tmp_path):
  one = toy.cell(tmp_path, "a")
  cells.prepare(one, stale=False)
  lock = cells.hold(one.folder)
  assert toy.states([one]) == {"a": "running"}
  os.close(lock)
  assert toy.states([one]) == {"a": "missing"}


def test_what_cannot_run_here_is_unavailable_until_it_is_done(tmp_path):
  one = toy.cell(tmp_path, "a")
  lacking = cells.Cell("a", one.folder, {}, one.request, (), "no file")
  assert toy.states([lacking]) == {"a": "unavailable"}
  toy.run([one])
  assert toy.states([lacking]) == {"a": "done"}


def test_the_code_version_is_the_same_twice():
  assert cells.code_version() == cells.code_version()


def test_the_last_error_is_that_of_the_last_attempt(tmp_path):
  log = tmp_path / "log.txt"
  log.write_text("$ run\nerror: the first\n$ run\nTraceback\nValueError: x\n\n")
  assert cells.last_error(log, 1) == "ValueError: x"
  log.write_text("$ run\nerror: told\nsome warning after it\n")
  assert cells.last_error(log, 2) == "told"
  assert "out of memory" in cells.last_error(log, -9)


@pytest.mark.parametrize(
  "damage", [{"stages": {"train": {}}}, {"stages": []}, {"stages": {"a": 1}}]
)
def test_damaged_results_stop_no_grid(tmp_path, damage):
  one = toy.cell(tmp_path, "a")
  toy.run([one])
  path = one.folder / "results.json"
  path.write_text(json.dumps({"finished": True} | damage))
  cells.note_end(one.folder, 0, "", 1.0)
  assert cells.statuses([one])["a"].state == cells.DONE
