"""A data set read again, for a model that was trained on it."""

import numpy as np

from medfm import spec
from medfm.data import splits
from medfm.evals import cohorts
from medfm.types import Reading


def of(data):
  """How a model trained on a data set reads."""
  settings = {
    k: v for k, v in spec.settings(data.encode).items() if k != "info"
  }
  return Reading(data.info.inputs, data.info.target, settings)


def assert_every_row_is_read_as_training_read_it(factory, folders):
  """Every row of every split, in all its arrays; gives the card."""
  data = factory(folders)
  again = cohorts.read(factory, folders, of(data))
  (whole,) = again.splits.values()
  before = splits.together(data.splits)
  assert sorted(before.ids) == sorted(whole.ids)
  rows = np.argsort(before.ids)[np.argsort(np.argsort(whole.ids))]
  for name in before.arrays.keys() & whole.arrays.keys() - {"document"}:
    was, now = before.arrays[name], np.asarray(whole.arrays[name])
    np.testing.assert_array_equal(np.asarray(was)[rows], now, err_msg=name)
    assert was.dtype == now.dtype, name
  assert again.info.inputs == data.info.inputs
  assert again.info.target == data.info.target
  return again.card
