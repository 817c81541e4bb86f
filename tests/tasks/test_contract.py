"""What every task must do: `types.Task`."""

import csv
import io
import json
import pathlib
import pkgutil

import numpy as np
import pytest

from medfm import predictions, tasks, types
from medfm.evals import scores
from medfm.tasks import (
  language,
  multiclass,
  multilabel,
  ordered,
  pretext,
  regions,
  regression,
  survival,
  tags,
)
from medfm.types import Split
from tests import infos
from tests.objectives import marked

COUNT = 12
GENERATOR = np.random.default_rng(0)
PROBS = GENERATOR.dirichlet([1, 1, 1], COUNT).astype(np.float32)
REGIONS = np.arange(COUNT * 8, dtype=np.uint8).reshape(COUNT, 2, 2, 2)
LOSS = {"loss": np.ones(COUNT), "weight": np.ones(COUNT)}


def _with_gaps(values):
  values = values.astype(np.float32)
  values[::4, 0] = np.nan
  values[1] = np.nan
  return values


# Task, description, target, outputs of a model.
CASES = {
  "multiclass": (
    multiclass,
    infos.info("toy", "multiclass", ("a", "b", "c")),
    {"label": np.arange(COUNT) % 4 - 1},
    {"probs": PROBS, "embedding": np.ones((COUNT, 2))},
  ),
  "ordered": (
    ordered,
    infos.info("toy", "ordered", ("I", "II", "III")),
    {"label": np.arange(COUNT) % 4 - 1},
    {"probs": PROBS, "embedding": np.ones((COUNT, 2))},
  ),
  "multilabel": (
    multilabel,
    infos.info("toy", "multilabel", ("a", "b", "c")),
    {"label": _with_gaps(PROBS > 0.4)},
    {"probs": PROBS, "embedding": np.ones((COUNT, 2))},
  ),
  "regression": (
    regression,
    infos.info(
      "toy", "regression", ("a", "b", "c"), target_mean=(0.0, 0.0, 0.0)
    ),
    {"label": _with_gaps(PROBS)},
    {"value": PROBS, "embedding": np.ones((COUNT, 2))},
  ),
  "survival": (
    survival,
    infos.info("toy", "survival", ("a", "b", "c")),
    {
      "time": np.where(np.arange(COUNT) == 4, np.nan, np.arange(COUNT) / 2),
      "event": np.arange(COUNT) % 5 - 1,
    },
    {
      "risk": PROBS[:, 0],
      "incidence": np.cumsum(np.stack([PROBS / 9] * 3, 2), 2),
      "survival": 1 - np.cumsum(np.stack([PROBS.sum(1) / 9] * 3, 1), 1),
      "embedding": np.ones((COUNT, 2)),
    },
  ),
  "tags": (
    tags,
    infos.info("toy", "tokens", ("O", "B-x", "I-x")),
    {"label": np.tile([0, 1, 2, -1], (COUNT, 1))},
    {"probs": np.tile(np.eye(3)[[0, 1, 0, 2]], (COUNT, 1, 1))},
  ),
  "regions": (
    regions,
    marked.info(),
    {"regions": REGIONS % 3},
    {"regions": REGIONS % 4 % 3},
  ),
  "pretext": (pretext, infos.info("toy"), {}, LOSS),
  "language": (language, infos.info("toy", vocabulary=9), {}, LOSS),
}
every = pytest.mark.parametrize("name", CASES)
with_truth = pytest.mark.parametrize(
  "name", [name for name, case in CASES.items() if case[0].TARGETS]
)


def case(name):
  task, info, target, outputs = CASES[name]
  if task is regions:  # Is measured in batches, against their truth.
    batch = {"id": np.arange(COUNT), "image": np.zeros((COUNT, 2, 2, 2, 1))}
    batch |= {"spacing_mm": np.ones((COUNT, 3)), **target}
    said = task.condense(info, batch, outputs)
    return task, info, {"regions": said["true_size"]}, said
  return task, info, target, task.condense(info, {}, outputs)


def test_every_task_has_a_case():
  folders = pkgutil.iter_modules([str(pathlib.Path(tasks.__file__).parent)])
  assert {each.name for each in folders if each.ispkg} == CASES.keys()


@every
def test_a_task_has_every_function_of_the_protocol(name):
  task = CASES[name][0]
  wanted = {
    key
    for key in (*vars(types.Task), *types.Task.__annotations__)
    if not key.startswith("_")
  }
  assert {"condense", "panel", "columns", "RIVALS", "TARGETS"} <= wanted
  assert not [key for key in wanted if not hasattr(task, key)]
  assert tasks.named(task.__name__) is task


@every
def test_no_embedding_is_condensed(name):
  task, _, _, condensed = case(name)
  assert "embedding" not in condensed
  assert all(len(array) == COUNT for array in condensed.values())
  assert not any(array.ndim > 2 for array in condensed.values()), task


@every
def test_scores_are_of_the_rows_of_known_truth_and_are_json(name):
  task, info, target, said = case(name)
  rows, known, kept = task.known(info, target, said)
  assert rows.shape == (COUNT,)
  for array in (*known.values(), *kept.values()):
    assert len(array) == rows.sum()
  entry = scores.scores(task, info, target, said, replicates=5)
  assert entry["n"] == rows.sum()
  assert json.loads(json.dumps(entry)) == entry
  first = task.headline(entry["metrics"], "")
  assert first and set(first) <= entry["metrics"].keys()


@with_truth
def test_predictions_are_written_and_read_back(name):
  task, info, target, said = case(name)
  split = Split(
    dict(target),
    np.arange(COUNT).astype(str),
    patients=np.array([f"p{i // 2}" if i % 3 else "" for i in range(COUNT)]),
    groups={"sex": np.resize(["F", "M", ""], COUNT)},
  )
  written = predictions.rows("s", "test", split, task, info, said)
  text = predictions.text(written)
  read = list(csv.DictReader(io.StringIO(text)))
  units, predicted = predictions.held(read, "s", "test", task, info)
  assert units.ids.tolist() == split.ids.tolist()
  assert units.groups["sex"].tolist() == split.groups["sex"].tolist()
  assert units.patients.tolist() == split.patients.tolist()
  for before, after in zip(
    task.known(info, target, said),
    task.known(info, units.arrays, predicted),
    strict=True,
  ):
    if not isinstance(before, dict):
      np.testing.assert_array_equal(before, after)
      continue
    for key, array in before.items():
      if name == "tags":  # A word without a label is not written.
        array, after[key] = array[:, :3], after[key][:, :3]
      np.testing.assert_allclose(array, after[key], rtol=1e-6)


@every
def test_new_examples_have_columns_without_a_truth(name):
  task, info, _, said = case(name)
  columns = task.columns(info, None, said)
  assert not any(key.startswith("label") for key in columns)
  assert bool(columns) == bool(task.TARGETS)
  assert all(len(cells) == COUNT for cells in columns.values())


@with_truth
def test_another_cohorts_truth_is_recoded_by_name(name):
  task, info, target, _ = CASES[name]
  names = info.target.names
  kinds = {"tags": "tokens"}
  turned = infos.info("other", kinds.get(name, name), names[::-1])
  there = task.recoded(target, info, turned)
  back = task.recoded(there, turned, info)
  assert back.keys() == target.keys()
  for key in target:
    np.testing.assert_array_equal(back[key], target[key])
  key = task.STRATIFY or task.TARGETS[0]
  assert not np.array_equal(
    np.nan_to_num(there[key]), np.nan_to_num(target[key])
  )


def test_only_single_classes_are_balanced_over():
  for name in CASES:
    task, info, target, _ = case(name)
    strata = task.strata(info, target)
    assert (strata is not None) == (name in ("multiclass", "ordered"))


def test_a_probe_can_ask_a_task_that_votes():
  for name in CASES:
    task, info, target, _ = case(name)
    votes = task.votes(info, target)
    assert (votes is None) == (not task.LINEAR)
    if votes is not None:
      assert len(votes.values) == votes.rows.sum()
      assert task.LINEAR in task.RIVALS


def test_a_target_belongs_to_its_task_and_an_unknown_one_is_refused():
  for name, (task, info, *_) in CASES.items():
    if name != "language":
      assert tasks.of(info.target) is task
  with pytest.raises(types.UserError, match="there is no task"):
    tasks.named("medfm.tasks.nothing")
  with pytest.raises(types.UserError, match="not a task of"):
    tasks.named("os.path")
