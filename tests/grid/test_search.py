"""Searches over runs that take milliseconds."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from medfm.grid import cells, combine, experiment
from medfm.grid.combine import Between
from medfm.types import UserError
from tests.grid import searching, toy

pytest.importorskip("optuna")

pytestmark = pytest.mark.once
TABLES = ("json", "csv", "html")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """The folder of a search that nothing disturbed."""
  root = tmp_path_factory.mktemp("search")
  searching.run(root, searching.experiment())
  return root


def tables(root):
  return {end: (root / f"summary.{end}").read_bytes() for end in TABLES}


def states(root):
  facts = json.loads((root / "summary.json").read_text())
  return [cell["state"] for cell in facts["cells"]]


def begin(root, **environment):
  """The runner of a search in a process of its own."""
  return subprocess.Popen(
    [sys.executable, "-m", "tests.grid.searching", str(root)],
    cwd=searching.ROOT,
    env={**os.environ, "STUB_SLEEP": "0.1", **environment},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def test_a_search_comes_closer_than_its_random_beginning(whole):
  grid = cells.read(whole / "grid.json")
  rates = [float(one["setting"]["optimizer.lr"]) for one in grid["cells"]]
  assert len(rates) == 8

  def gap(some):
    return min(abs(rate / 0.01 - 1) for rate in some)

  assert gap(rates[3:]) < gap(rates[:3])


def test_the_best_is_that_of_best_validation(whole):
  facts = json.loads((whole / "summary.json").read_text())
  done = [run for run in facts["runs"] if run["validation"]]
  best = max(done, key=lambda run: run["validation"]["value"])
  assert facts["best"][0]["runs"] == [best["cell"]]


def test_a_hopeless_trial_is_pruned_and_that_is_no_failure(whole):
  found = states(whole)
  assert set(found) == {"done", "pruned"}
  page = (whole / "summary.md").read_text()
  assert "worse than the median of the trials before it" in page


@pytest.mark.parametrize("seconds", ["0", "0.3"])
def test_when_a_pruned_trial_stopped_does_not_show(
  whole, tmp_path, monkeypatch, seconds
):
  monkeypatch.setenv("STUB_SLEEP", seconds)  # It ends by itself; or does not.
  searching.run(tmp_path / "other", searching.experiment())
  assert tables(tmp_path / "other") == tables(whole)


def test_every_trial_stands_beside_its_cell(whole):
  import optuna

  mapping = cells.read(whole / "grid.json")["search"]["trials"]
  url = f"sqlite:///{whole / 'search.db'}"
  (name,) = optuna.get_all_study_names(url)
  found = optuna.load_study(study_name=name, storage=url).trials
  assert {str(one.number): one.user_attrs["cell"] for one in found} == mapping
  assert {one.state.name for one in found} == {"COMPLETE", "PRUNED"}
  for one in found:
    assert (whole / one.user_attrs["cell"] / "cell.json").exists()


def test_a_search_that_has_ended_runs_nothing_again(whole):
  before, tries = tables(whole), searching.attempts(whole)
  searching.run(whole, searching.experiment())
  assert searching.attempts(whole) == tries
  assert tables(whole) == before


def test_more_trials_go_on_from_those_there_are(whole, tmp_path):
  root = shutil.copytree(whole, tmp_path / "more")
  first = list(searching.attempts(root))
  found = searching.run(root, searching.experiment(trials=10))
  assert len(found) == 10
  assert set(first) == set(found[:8])
  assert set(searching.attempts(root).values()) == {1}


def test_without_its_database_a_search_is_read_from_its_cells(whole, tmp_path):
  root = shutil.copytree(whole, tmp_path / "lost")
  (root / "search.db").unlink()
  searching.run(root, searching.experiment())
  assert set(searching.attempts(root).values()) == {1}
  assert tables(root)["csv"] == tables(whole)["csv"]


def test_a_damaged_database_is_one_line(whole, tmp_path):
  root = shutil.copytree(whole, tmp_path / "damaged")
  (root / "search.db").write_bytes(b"no database at all" * 100)
  with pytest.raises(UserError, match="damaged: remove it"):
    searching.trials(root, searching.experiment())


def test_a_search_that_was_killed_while_it_drew_ends_as_the_unbroken_one(
  whole, tmp_path
):
  import optuna

  searching.run(tmp_path, searching.experiment(trials=4))
  url = f"sqlite:///{tmp_path / 'search.db'}"
  (name,) = optuna.get_all_study_names(url)
  study = optuna.load_study(study_name=name, storage=url)
  drawn = study.ask()  # Without values yet.
  searching.run(tmp_path, searching.experiment())
  trials = cells.read(tmp_path / "grid.json")["search"]["trials"]
  assert len(trials) == 8
  assert str(drawn.number) not in trials
  assert tables(tmp_path) == tables(whole)


@pytest.mark.drill
def test_a_search_that_was_killed_ends_as_the_unbroken_one(whole, tmp_path):
  draw = random.Random(0)
  for _ in range(5):
    process = begin(tmp_path / "killed")
    time.sleep(draw.uniform(2, 4))
    process.kill()
    process.communicate()
  process = begin(tmp_path / "killed", STUB_SLEEP="0")
  out, _ = process.communicate(timeout=120)
  assert process.returncode == 0, out
  assert tables(tmp_path / "killed") == tables(whole)


def test_a_search_that_is_stopped_has_its_cells_save(whole, tmp_path):
  root = tmp_path / "stopped"
  process = begin(root, STUB_SLEEP="100")
  limit = time.monotonic() + 60
  while not list(root.glob("*/config.json")):
    assert time.monotonic() < limit and process.poll() is None
    time.sleep(0.05)
  time.sleep(0.5)
  process.send_signal(signal.SIGINT)
  out, _ = process.communicate(timeout=60)
  assert process.returncode == 130, out
  searching.run(root, searching.experiment())
  assert tables(root) == tables(whole)


def test_a_failing_trial_stops_no_other_and_can_be_tried_again(
  tmp_path, monkeypatch
):
  monkeypatch.setenv("STUB_MOST", "0.05")
  asked = searching.experiment(prune=False)
  found = searching.run(tmp_path, asked)
  assert len(found) == 8
  assert {"done", "failed"} == set(states(tmp_path))
  assert "is too large" in (tmp_path / "summary.md").read_text()
  tries = searching.attempts(tmp_path)
  searching.run(tmp_path, asked)
  assert searching.attempts(tmp_path) == tries
  monkeypatch.delenv("STUB_MOST")
  assert searching.run(tmp_path, asked, retry="failed") == found
  assert set(states(tmp_path)) == {"done"}
  again = searching.attempts(tmp_path)
  failed = [name for name, count in again.items() if count == 2]
  assert sum(again.values()) == 8 + len(failed) > 8
  searching.run(tmp_path, asked, retry="failed")
  assert searching.attempts(tmp_path) == again


def test_trials_of_other_code_are_made_again(tmp_path):
  asked = searching.experiment(trials=3)
  with toy.code("yesterday's"):
    first = searching.run(tmp_path, asked)
  assert searching.run(tmp_path, asked) == first
  assert len(list((tmp_path / ".stale").iterdir())) == 3
  for name in first:
    assert (
      cells.read(tmp_path / name / "cell.json")["code"] == cells.code_version()
    )


def test_trials_with_the_same_setting_are_one_cell(tmp_path):
  asked = searching.experiment(
    trials=5, space={"optimizer.lr": (0.1, 0.01)}, prune=False
  )
  assert len(searching.run(tmp_path, asked)) == 2
  assert set(searching.attempts(tmp_path).values()) == {1}
  assert len(cells.read(tmp_path / "grid.json")["search"]["trials"]) == 5


def test_several_trials_run_at_a_time(tmp_path, monkeypatch):
  monkeypatch.setenv("STUB_SLEEP", "0.2")
  asked = searching.experiment(trials=6)
  searching.run(tmp_path, asked, jobs=3)
  assert len(states(tmp_path)) == 6
  logs = [path.stat() for path in tmp_path.glob("*/request.json")]
  begun = sorted(stat.st_mtime for stat in logs)
  assert begun[2] - begun[0] < 0.8


def test_another_question_leaves_old_trials_alone(tmp_path):
  first = searching.run(tmp_path, searching.experiment(trials=2))
  other = searching.run(tmp_path, searching.experiment(trials=2, seed=1))
  assert not set(first) & set(other)


def test_no_test_score_reaches_the_search(tmp_path):
  """A search whose runs say other things of the test split is the same."""
  asked = searching.experiment()
  first = searching.run(tmp_path / "one", asked)
  found = searching.trials(tmp_path / "one", asked)
  for cell in found.cells():
    path = cell.folder / "results.json"
    if path.exists():
      results = json.loads(path.read_text())
      split = results["stages"]["train"]["splits"]["test"]
      split["metrics"]["auroc"]["value"] = random.random()
      path.write_text(json.dumps(results))
  (tmp_path / "one/search.db").unlink()
  assert searching.run(tmp_path / "one", asked) == first


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"space": {"optimizer.lrr": (1, 2)}}, "nearest: optimizer.lr"),
    ({"space": {"batch_size": Between(0.5, 2.0)}}, "expected int"),
    ({"space": {"optimizer.lr": "adam"}}, "two choices or more"),
    ({"space": {}}, "needs a space"),
    ({"trials": 0}, "at least one trial"),
    ({"stage": "train"}, "empty: it has none"),
  ],
)
def test_what_is_wrong_with_a_search_is_one_line(changes, message):
  with pytest.raises(UserError, match=message) as told:
    searching.experiment(**changes).question()
  assert "\n" not in str(told.value)


def test_a_search_of_a_study_names_the_stage_it_is_about():
  asked = dataclasses.replace(
    searching.experiment(space={"stages.*.optimizer.lr": (0.1, 0.01)}),
    config=str(searching.ROOT / "configs/quickstart.py:tiny"),
  )
  with pytest.raises(UserError, match=r"must be one of .*finetune_5"):
    asked.question()
  stage = dataclasses.replace(asked.search, stage="finetune_5")
  found = dataclasses.replace(asked, search=stage).question()
  assert (found.metric, found.maximize) == ("auroc", True)


def test_a_minus_before_the_metric_looks_for_less():
  asked = dataclasses.replace(searching.experiment(), metric="-brier")
  found = asked.question()
  assert (found.metric, found.maximize) == ("brier", False)


def test_a_search_the_wrong_way_ends_with_its_first_result(tmp_path):
  asked = dataclasses.replace(searching.experiment(), metric="-auroc")
  with pytest.raises(UserError, match="more auroc is better"):
    searching.run(tmp_path, asked)


def test_a_search_without_optuna_names_the_command(monkeypatch, tmp_path):
  monkeypatch.setitem(sys.modules, "optuna", None)
  with pytest.raises(UserError, match="pip install optuna"):
    searching.trials(tmp_path, searching.experiment())


def test_ranges_and_choices_of_the_command_line():
  found = combine.searched(
    ["optimizer.lr=log:1e-5..1e-1", "batch_size=8..64", "name=a,b", "seed=1"],
    20,
  )
  assert found.space == {
    "optimizer.lr": Between(1e-5, 1e-1, log=True),
    "batch_size": Between(8, 64),
    "name": ["a", "b"],
  }
  assert found.fixed == {"seed": "1"}
  assert found.trials == 20


@pytest.mark.parametrize(
  ("override", "message"),
  [
    ("lr=1", "needs a flag with a range"),
    ("lr=a..b", "'a' is not a number"),
    ("lr=2..1", "low must be below high"),
    ("lr=log:0..1", "needs low above 0"),
    ("lr", "needs a value"),
  ],
)
def test_a_wrong_range_is_one_line(override, message):
  with pytest.raises(UserError, match=message):
    experiment.of_sweep(searching.TABLE, [override], 3)


def test_whole_numbers_are_drawn_between_whole_ends():
  draw = random.Random(0)
  found = {Between(1, 9).draw(draw) for _ in range(99)}
  assert found <= set(range(1, 10)) and all(isinstance(n, int) for n in found)
  assert isinstance(Between(1, 9.0).draw(draw), float)
