"""Masked-feature pre-training: what is hidden, what counts, what transfers."""

import functools

import jax
import numpy as np
import pytest

from medfm import tree
from medfm.models.mlp import MLP
from medfm.models.tabular_transformer import TabularTransformer
from medfm.objectives.classify import multiclass
from medfm.objectives.masked_features import masked_features
from medfm.types import UserError
from tests.objectives import toy

MODEL = functools.partial(TabularTransformer, width=8, heads=2, depth=1)


@functools.cache
def _predicted(mask_rate=0.5, rows=8):
  info, batch = toy.unlabelled()
  batch = {key: array[:rows] for key, array in batch.items()}
  objective = masked_features(info, model=MODEL, mask_rate=mask_rate)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  return batch, jax.jit(objective.predict)(variables, batch)


def test_only_observed_values_are_hidden():
  batch, predicted = _predicted(mask_rate=0.99)
  observed = np.concatenate(
    [~np.isnan(batch["features"]), batch["categories"] >= 0], 1
  )
  np.testing.assert_array_equal(predicted["mask"], observed)


def test_the_mask_belongs_to_the_example():
  _, whole = _predicted()
  _, half = _predicted(rows=4)
  np.testing.assert_array_equal(half["mask"], whole["mask"][:4])
  np.testing.assert_allclose(half["loss"], whole["loss"][:4], rtol=1e-4)


def test_the_weight_is_the_share_of_hidden_columns():
  _, predicted = _predicted()
  np.testing.assert_allclose(
    predicted["weight"], predicted["mask"].mean(1), rtol=1e-6
  )


def test_reconstructions_come_in_raw_units_and_levels():
  _, predicted = _predicted()
  assert predicted["reconstruction"].shape == (8, 3)
  assert abs(predicted["reconstruction"][:, 1].mean() - 20) < 10
  assert predicted["reconstructed_level"].shape == (8, 2)
  assert set(np.unique(predicted["reconstructed_level"])) <= {0, 1, 2}


def test_hidden_features_count_by_squared_standardised_error():
  batch, predicted = _predicted()
  mask = np.asarray(predicted["mask"])
  rows = np.flatnonzero(mask[:, :3].any(1) & ~mask[:, 3:].any(1))
  info = toy.unlabelled()[0]
  error = batch["features"] - np.asarray(predicted["reconstruction"])
  error = error / np.array(info.only.std)
  assert len(rows)
  for row in rows:
    expected = np.square(error[row][mask[row, :3]]).mean()
    np.testing.assert_allclose(predicted["loss"][row], expected, rtol=1e-4)


def test_the_embedding_sees_the_whole_row():
  _, few = _predicted(mask_rate=0.1)
  _, many = _predicted(mask_rate=0.99)
  np.testing.assert_allclose(few["embedding"], many["embedding"], atol=1e-5)


def test_training_draws_a_new_mask_for_every_key():
  info, batch = toy.unlabelled()
  objective = masked_features(info, model=MODEL)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  loss = jax.jit(objective.loss)
  first, _ = loss(variables, batch, jax.random.key(1))
  second, _ = loss(variables, batch, jax.random.key(2))
  assert (first["weight"] != second["weight"]).any()


def test_all_of_the_backbone_but_its_head_is_pre_trained():
  info, batch = toy.multiclass()
  key = jax.random.key(0)
  before = masked_features(info, model=MODEL).init
  after = multiclass(info, model=MODEL).init
  before, after = (
    tree.paths(jax.eval_shape(init, key, batch)["params"])
    for init in (before, after)
  )
  fresh = {path for path in after if path not in before}
  assert fresh == {"model/head/kernel", "model/head/bias"}
  assert all(
    before[path].shape == after[path].shape for path in set(after) - fresh
  )


def test_a_model_without_tokens_is_refused():
  info, batch = toy.unlabelled()
  with pytest.raises(UserError, match="TabularTransformer"):
    masked_features(info, model=MLP).init(jax.random.key(0), batch)


def test_a_rate_of_zero_is_refused():
  with pytest.raises(UserError, match="mask_rate"):
    masked_features(toy.unlabelled()[0], model=MODEL, mask_rate=0.0)
