"""Attention over bags: the paper's equations, and padding without weight."""

import functools

import jax
import numpy as np
import pytest

from medfm.models.mil import MIL, POOLINGS

SIZES = np.array([5, 2, 1], np.int32)


def batch(longest=5):
  generator = np.random.default_rng(0)
  bag = np.zeros((3, longest, 4), np.float32)
  for row, size in enumerate(SIZES):
    bag[row, :size] = generator.standard_normal((size, 4))
  shared = {"weight": np.ones(3, np.float32), "id": np.arange(3)}
  return {"bag": bag, "bag/size": SIZES, **shared}


@functools.cache
def result(pooling, longest=5, padding=0.0):
  model = MIL(outputs=2, pooling=pooling, width=6, hidden=3)
  variables = jax.jit(model.init)(jax.random.key(1), batch())
  given = batch(longest)
  for row, size in enumerate(SIZES):
    given["bag"][row, size:] = padding
  return variables["params"], jax.jit(model.apply)(variables, given)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_nothing(pooling):
  _, plain = result(pooling)
  _, padded = result(pooling, 9, 1e3)
  for name in ("logits", "embedding"):
    np.testing.assert_allclose(padded[name], plain[name], atol=1e-5)
  np.testing.assert_allclose(
    padded["attention"][:, :5], plain["attention"], atol=1e-6
  )
  assert not padded["attention"][:, 5:].any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_attention_is_of_real_tiles_and_sums_to_one(pooling):
  attention = np.asarray(result(pooling)[1]["attention"])
  np.testing.assert_allclose(attention.sum(1), 1, atol=1e-5)
  for row, size in enumerate(SIZES):
    assert not attention[row, size:].any()


@pytest.mark.parametrize("pooling", ["gated", "attention"])
def test_attention_is_equation_8_or_9(pooling):
  params, found = result(pooling)
  params = jax.tree.map(np.asarray, params)

  def dense(name, x):
    return x @ params[name]["kernel"] + params[name].get("bias", 0)

  tiles = batch()["bag"][0]
  h = np.maximum(dense("tile", tiles), 0)
  seen = np.tanh(dense("attend", h))
  if pooling == "gated":
    seen = seen / (1 + np.exp(-dense("gate", h)))
  score = dense("weigh", seen)[:, 0]
  weight = np.exp(score) / np.exp(score).sum()
  np.testing.assert_allclose(found["attention"][0], weight, atol=1e-5)
  np.testing.assert_allclose(found["embedding"][0], weight @ h, atol=1e-5)


def test_mean_and_max_are_their_names():
  for pooling, how in (("mean", np.mean), ("max", np.max)):
    params, found = result(pooling)
    kernel, bias = (np.asarray(params["tile"][k]) for k in ("kernel", "bias"))
    h = np.maximum(batch()["bag"][1, :2] @ kernel + bias, 0)
    np.testing.assert_allclose(found["embedding"][1], how(h, 0), atol=1e-5)


def test_features_that_no_tile_has_draw_no_attention_to_the_first():
  params, _ = result("max")
  params = jax.tree.map(np.array, params)
  params["tile"]["bias"] -= 0.5  # Some features are 0 in every tile.
  params["tile"]["kernel"][0] = 0
  given = batch()
  given = {**given, "bag": given["bag"].copy()}
  given["bag"][0, 0] = 0  # And all are in the first one.
  model = MIL(outputs=2, width=6, hidden=3, pooling="max")
  found = model.apply({"params": params}, given)
  assert found["attention"][0, 0] == 0
  assert found["attention"][0].sum() == pytest.approx(1)


def test_the_order_of_tiles_does_not_matter():
  model = MIL(outputs=2, width=6, hidden=3)
  given = batch()
  turned = {**given, "bag": given["bag"].copy()}
  turned["bag"][0] = given["bag"][0, ::-1]
  variables = {"params": result("gated")[0]}
  plain, other = (model.apply(variables, each) for each in (given, turned))
  np.testing.assert_allclose(other["logits"], plain["logits"], atol=1e-5)
  np.testing.assert_allclose(
    other["attention"][0], plain["attention"][0, ::-1], atol=1e-6
  )
