"""What a run sets up for its process."""

import subprocess
import sys

import numpy as np
import pytest

from medfm import settings, setup, tasks
from medfm.types import Dataset, Split, UserError
from tests import infos
from tests.test_step import X, normed

PROGRAM = """
import jax, jax.numpy as jnp
from medfm import setup
from medfm.types import Folders

setup.jax_settings(Folders(raw=None, cache={cache!r}))
x = jnp.ones((1500, 1500))
product = jax.jit(lambda a: a @ a @ a @ a)
product(x).block_until_ready()
print(product(x).is_ready())
"""


def test_a_cpu_runs_a_program_where_it_is_called(tmp_path):
  done = subprocess.run(
    [sys.executable, "-c", PROGRAM.format(cache=str(tmp_path))],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == "True\n"
  assert list((tmp_path / "compiled").iterdir())


def one_by_one(objective, variables, batch, key):
  raise AssertionError("never called")


one_by_one.per_example = True


@pytest.mark.parametrize(
  ("choice", "advice"),
  [
    ({"accumulate": 2}, "choose accumulate=1"),
    ({"gradients": one_by_one}, "choose gradients=step.gradients"),
  ],
)
def test_batch_normalisation_refuses_what_cuts_its_batch(choice, advice):
  split = Split({"x": X, "label": X.sum(1)}, np.arange(len(X)).astype(str))
  data = Dataset({"train": split}, infos.info("toy"), {})
  run = settings.Run(
    data=lambda folders: data,
    objective=lambda info: normed(),
    batch_size=4,
    steps=1,
    **choice,
  )
  with pytest.raises(UserError, match=advice):
    setup.job(run, data)


def _numbers(count, seed):
  """A table whose answers are spread over several magnitudes."""
  generator = np.random.default_rng(seed)
  arrays = {
    "features": generator.normal(size=(count, 1)),
    "label": np.exp(1.5 * generator.normal(size=(count, 1))),
  }
  ids = np.array([f"{seed}-{i}" for i in range(count)])
  return Split(
    arrays, ids, patients=np.array([f"{i // 2}" for i in range(count)])
  )


def _sees(data, **choice):
  run = settings.Run(data=None, objective=None, **choice)
  return run, setup.seen(run, data)


NUMBERS = Dataset(
  {"train": _numbers(400, 0), "validation": _numbers(100, 1)},
  infos.info(
    "toy", "regression", ("y",), target_mean=(9.0,), target_std=(9.0,)
  ),
  {},
)


def test_a_run_with_few_labels_knows_nothing_of_the_others():
  """Neither to scale by nor to choose the step and the threshold by."""
  run, seen = _sees(NUMBERS, label_fraction=0.05)
  label = seen.splits["train"].arrays["label"]
  assert len(label) == 22 and len(seen.splits["validation"]) in (10, 12)
  assert seen.info.target.mean == pytest.approx(label.mean(0))
  assert seen.info.target.std == pytest.approx(label.std(0))
  assert setup.used(run, seen, NUMBERS) == (
    "the run learns from 22 of 400 training examples; "
    f"{len(seen.splits['validation'])} of 100 validation examples choose any "
    "threshold"
  )


def test_few_labels_are_nested_in_validation_too_and_of_whole_patients():
  few, more = (
    _sees(NUMBERS, label_fraction=share)[1].splits["validation"]
    for share in (0.1, 0.25)
  )
  assert set(few.ids) < set(more.ids)
  assert set(np.unique(few.patients, return_counts=True)[1]) == {2}


def test_all_of_validation_can_be_asked_for():
  run, seen = _sees(NUMBERS, label_fraction=0.05, validation_fraction=1.0)
  assert seen.splits["validation"] is NUMBERS.splits["validation"]
  assert "all 100 validation examples" in setup.used(run, seen, NUMBERS)


def test_with_all_labels_the_data_stay_as_they_are():
  run, seen = _sees(NUMBERS)
  assert seen is NUMBERS
  assert setup.used(run, seen, NUMBERS) == ""


def test_every_task_counts_what_a_run_sees():
  truth = {"label": np.array([[1, 1, -1], [0, 2, -1]])}
  counted = {
    "multiclass": ({"label": np.array([0, 1, 1, -1])}, (1, 2)),
    "multilabel": ({"label": np.array([[1, np.nan], [1, 0.0]])}, (2, 0)),
    "tokens": (truth, (1, 2, 1)),
  }
  for name, (truth, counts) in counted.items():
    names = ("O", "B", "C")[: len(counts)]
    target = infos.info("toy", name, names, counts=(9,) * len(counts)).target
    assert tasks.of(target).refitted(target, truth).counts == counts
  target = infos.info("toy", "survival", ("death",)).target
  few = {
    "time": np.array([0.5, 1.5, 5.0, 5.0]),
    "event": np.array([1, 1, 0, 0]),
  }
  again = tasks.of(target).refitted(target, few)
  assert again.counts == (2,) and again.times == target.times
  assert again.incidence == ((0.25, 0.5, 0.5),)
