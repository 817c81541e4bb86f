"""A table's row as one vector."""

import jax.numpy as jnp
import numpy as np
import pytest

from medfm.nn import columns
from medfm.types import UserError

BATCH = {
  "features": jnp.array([[1.5, jnp.nan]]),
  "categories": jnp.array([[2, -1]]),
  "weight": jnp.ones(1),
}


def test_missing_is_zero_and_categories_are_one_hot():
  got = columns.vector(BATCH, (3, 2))
  np.testing.assert_array_equal(got, [[1.5, 0, 0, 0, 1, 0, 0]])


def test_missing_can_be_told_from_the_mean():
  batch = {key: BATCH[key] for key in ("features", "weight")}
  got = columns.vector(batch, (), indicate_missing=True)
  np.testing.assert_array_equal(got, [[1.5, 0, 0, 1]])


def test_levels_must_fit_the_batch():
  with pytest.raises(UserError, match="levels has 1"):
    columns.vector(BATCH, (3,))


def test_a_batch_without_columns_is_refused():
  with pytest.raises(UserError, match="features"):
    columns.vector({"weight": jnp.ones(1)}, ())
