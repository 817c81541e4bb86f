"""The small convolutional network."""

import jax
import numpy as np
import pytest

from medfm import tree
from medfm.models.cnn import CNN
from medfm.types import UserError


def _batch(size=28, channels=1):
  image = np.random.default_rng(0).random((2, size, size, channels))
  return {"image": image.astype("float32"), "id": np.arange(2)}


def test_parameter_count_is_that_of_the_keras_listing():
  shapes = jax.eval_shape(
    lambda key: CNN(10).init(key, _batch()), jax.random.key(0)
  )
  convolutions = (9 * 32 + 32) + (9 * 32 * 64 + 64)
  dense = (5 * 5 * 64 * 128 + 128) + (128 * 10 + 10)
  assert tree.count(shapes["params"]) == convolutions + dense


def test_pooling_first_is_the_same_function():
  batch = _batch(12)
  model = CNN(3, widths=(4,), hidden=0)
  variables = jax.jit(model.init)(jax.random.key(0), batch)
  params = variables["params"]
  y = jax.lax.conv_general_dilated(
    batch["image"],
    params["conv1"]["kernel"],
    (1, 1),
    "VALID",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )
  y = jax.nn.relu(y + params["conv1"]["bias"].reshape(1, 1, 1, -1))
  y = y.reshape(2, 5, 2, 5, 2, 4).max((2, 4)).reshape(2, -1)
  expected = y @ params["head"]["kernel"]
  got = jax.jit(model.apply)(variables, batch)["logits"]
  np.testing.assert_allclose(got, expected, atol=1e-5)


def test_an_image_too_small_is_refused_with_the_fix():
  with pytest.raises(UserError, match="fewer widths"):
    CNN(2).init(jax.random.key(0), _batch(8))
