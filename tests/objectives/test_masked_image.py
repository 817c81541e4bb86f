"""Masked autoencoding: what is hidden, what is seen, what is restored."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm import rng
from medfm.nn import forward, patches
from medfm.nn import inputs as device_inputs
from medfm.objectives.masked_image import (
  Decoder,
  masked_image,
  standardised,
)
from medfm.types import UserError
from tests.objectives import pictures

KEY = jax.random.key(5)
FACTORY = functools.partial(
  masked_image, model=pictures.VIT, width=16, depth=1, heads=2
)


@functools.cache
def made(**settings):
  info, batch = pictures.images()
  objective = FACTORY(info, **settings)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  quick = {"loss": objective.loss, "predict": objective.predict}
  quick = {name: jax.jit(function) for name, function in quick.items()}
  return info, batch, objective._replace(**quick), variables


@jax.jit
def orders(batch, key=KEY):
  """The patches of each image in the order that a key draws."""
  keys = rng.per_example(jax.random.split(key)[0], batch["id"])
  return jax.vmap(lambda k: jax.random.permutation(k, 16))(keys)


@pytest.mark.parametrize("normalised", [True, False])
def test_the_loss_is_the_error_of_the_hidden_patches_alone(normalised):
  info, batch, objective, variables = made(normalised=normalised)
  terms, _ = objective.loss(variables, batch, KEY)
  order = np.asarray(orders(batch))
  scaled = device_inputs.standard(batch, info)
  seen = {**scaled, "visible": order[:, :4]}
  states, _ = forward.apply(objective.net, variables, seen)
  decoder = Decoder((4, 4), 4, 16, 1, 2)
  guess, _ = forward.apply(
    decoder,
    variables,
    states["tokens"],
    jnp.asarray(order),
    batch["id"],
    scope="decoder",
  )
  pixels = patches.cut(jnp.asarray(scaled["image"]), 2)
  if normalised:
    pixels = standardised(pixels)
  error = np.square(np.asarray(guess) - np.asarray(pixels)).mean(-1)
  expected = [error[i, order[i, 4:]].mean() for i in range(len(order))]
  np.testing.assert_allclose(terms["loss"], expected, rtol=1e-5)


def test_what_is_hidden_does_not_reach_the_guess():
  _, batch, objective, variables = made(normalised=False)
  order = np.asarray(orders(batch))
  hidden = np.zeros((8, 16), bool)
  np.put_along_axis(hidden, order[:, 4:], True, 1)
  where = patches.joined(
    jnp.asarray(np.repeat(hidden[..., None], 4, -1)), (4, 4), 2
  )

  def loss(image):
    terms, _ = objective.loss(variables, {**batch, "image": image}, KEY)
    return terms["loss"].sum()

  # Of a square of (guess - pixel) with a guess that knows nothing of the
  # pixel, the second derivative is that of the pixel's square alone.
  image = jnp.asarray(batch["image"], jnp.float32) / 255
  slope = jax.jit(jax.grad(loss))
  step = jnp.where(where, 0.01, 0.0)
  curve = (slope(image + step) - slope(image - step))[where] / 0.02
  pixels, scale = 12 * 4, 2.0  # Hidden in an image; from [0, 1] to [-1, 1].
  np.testing.assert_allclose(curve, 2 * scale**2 / pixels, rtol=2e-2)


def test_every_patch_is_hidden_as_often_as_asked():
  _, batch, _, _ = made()
  hidden = np.zeros(16)
  for step in range(200):
    order = np.asarray(orders(batch, jax.random.key(step)))
    hidden += np.bincount(order[:, 4:].ravel(), minlength=16)
  share = hidden / (200 * 8)
  assert share.mean() == pytest.approx(0.75)
  np.testing.assert_allclose(share, 0.75, atol=0.04)


def test_standardised_patches_have_no_mean_and_a_variance_of_one():
  pixels = np.random.default_rng(0).normal(3, 2, (2, 5, 48)).astype("f")
  made_ = np.asarray(standardised(jnp.asarray(pixels)))
  np.testing.assert_allclose(made_.mean(-1), 0, atol=1e-5)
  np.testing.assert_allclose(made_.var(-1, ddof=1), 1, atol=1e-4)
  assert np.isfinite(standardised(jnp.ones((1, 2, 4)))).all()


def test_predictions_are_the_same_again_and_of_the_whole_image():
  _, batch, objective, variables = made()
  first = objective.predict(variables, batch)
  again = objective.predict(variables, {**batch, "weight": batch["weight"]})
  jax.tree.map(np.testing.assert_array_equal, first, again)
  assert first["embedding"].shape == (8, 16)
  turned = {name: array[::-1] for name, array in batch.items()}
  other = objective.predict(variables, turned)
  np.testing.assert_allclose(other["loss"][::-1], first["loss"], rtol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0])
def test_a_rate_outside_its_range_is_refused(rate):
  with pytest.raises(UserError, match="mask_rate"):
    FACTORY(pictures.images()[0], mask_rate=rate)


def test_a_model_without_patches_is_refused():
  with pytest.raises(UserError, match="model of patches, not ResNet"):
    FACTORY(pictures.images()[0], model=pictures.RESNET)


def test_one_patch_is_too_few():
  info, batch = pictures.images()
  objective = FACTORY(info, model=functools.partial(pictures.VIT, patch=8))
  with pytest.raises(UserError, match="one patch of 8"):
    jax.eval_shape(objective.init, KEY, batch)
