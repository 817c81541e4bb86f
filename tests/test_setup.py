"""What a run sets up for its process."""

import subprocess
import sys

import numpy as np
import pytest

from medfm import settings, setup
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
