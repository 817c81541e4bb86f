"""What happens to a batch before the model."""

import jax.numpy as jnp
import numpy as np
import pytest

from medfm.nn import inputs
from medfm.types import UserError
from tests import infos

IMAGES = infos.info("toy")
INFO = infos.info(
  "toy",
  "none",
  numeric=("a", "b"),
  numeric_mean=(1.0, 2.0),
  numeric_std=(2.0, 0.0),
)


@pytest.mark.parametrize(
  ("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", 1)]
)
def test_every_image_type_spans_minus_one_to_one(dtype, top):
  raw = jnp.array([0, top], dtype).reshape(2, 1, 1, 1)
  x = inputs.image({"image": raw}, IMAGES)["image"]
  assert x.dtype == jnp.float32
  np.testing.assert_allclose(x.ravel(), [-1, 1])


def test_grey_is_copied_to_the_channels_asked_for():
  raw = jnp.arange(8, dtype="uint8").reshape(2, 2, 2, 1)
  x = inputs.image({"image": raw}, IMAGES, channels=3)["image"]
  assert x.shape == (2, 2, 2, 3)
  np.testing.assert_array_equal(x[..., 0], x[..., 2])


def test_mean_and_std_may_differ_per_channel():
  raw = jnp.ones((1, 1, 1, 3))
  x = inputs.image({"image": raw}, IMAGES, mean=(0.0, 1.0, 0.5), std=0.5)
  np.testing.assert_allclose(x["image"].ravel(), [2, 0, 1])


def test_colour_cannot_become_another_number_of_channels():
  with pytest.raises(UserError, match="channels=0"):
    inputs.image({"image": jnp.ones((1, 2, 2, 3))}, IMAGES, channels=4)


def test_a_table_is_standardised_and_missing_stays_missing():
  features = jnp.array([[5.0, 2.5], [jnp.nan, 2]])
  x = inputs.standard({"features": features}, INFO)
  np.testing.assert_allclose(x["features"], [[2, 0.5], [np.nan, 0]])


def test_other_arrays_pass_untouched():
  batch = {"categories": jnp.ones((2, 1), "int32"), "id": jnp.arange(2)}
  assert inputs.standard(batch, INFO) == batch
