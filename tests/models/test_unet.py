"""A U-Net gives every place its logits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm import tree
from medfm.models.unet import UNet

STRIDES = {
  2: ((1, 1), (2, 2), (2, 1)),
  3: ((1, 1, 1), (2, 2, 1), (2, 2, 2)),
}


@functools.cache
def _net(axes, **settings):
  kernels = tuple(tuple(3 for _ in stride) for stride in STRIDES[axes])
  net = UNet(
    strides=STRIDES[axes],
    kernels=kernels,
    **{"outputs": 3, "width": 4} | settings,
  )
  shape = (2, 8, 8, 4)[: axes + 1]
  image = np.random.default_rng(0).normal(size=(*shape, 2)).astype("float32")
  variables = jax.jit(net.init)(jax.random.key(0), {"image": image})
  return net, variables, image


@pytest.mark.parametrize("axes", [2, 3])
def test_logits_have_the_places_of_the_image(axes):
  net, variables, image = _net(axes)
  result = net.apply(variables, {"image": image})
  assert result["logits"].shape == (*image.shape[:-1], 3)
  assert result["embedding"].shape == (2, 16)
  assert "coarse" not in result


def test_smaller_stages_speak_in_training_alone_the_largest_first():
  net, variables, image = _net(3)
  result = net.apply(variables, {"image": image}, train=True)
  (coarse,) = result["coarse"]
  assert coarse.shape == (2, 4, 4, 4, 3)
  np.testing.assert_allclose(
    result["logits"],
    net.apply(variables, {"image": image})["logits"],
    atol=1e-4,
  )


def test_without_outputs_there_is_only_the_encoder():
  net, variables, image = _net(2, outputs=0)
  assert "logits" not in net.apply(variables, {"image": image})
  paths = tree.paths(variables["params"])
  assert all(path.startswith("encoder") for path in paths)


def test_an_examples_brightness_and_contrast_do_not_matter():
  net, variables, image = _net(2)
  # The first convolution has no bias and is normalised by channel; the edge is
  # filled up with zeros, so that only the factor is free.
  first = net.apply(variables, {"image": image})["logits"]
  second = net.apply(variables, {"image": 50 * image})["logits"]
  np.testing.assert_allclose(first, second, atol=1e-2)


def test_other_examples_of_a_batch_do_not_matter():
  net, variables, image = _net(3)
  alone = net.apply(variables, {"image": image[:1]})["logits"]
  both = net.apply(variables, {"image": image})["logits"]
  np.testing.assert_allclose(alone, both[:1], atol=1e-4)


def test_half_precision_gives_float32_logits_near_those_of_float32():
  net, variables, image = _net(2)
  half = UNet(
    **{f: getattr(net, f) for f in ("outputs", "strides", "kernels", "width")},
    dtype="bfloat16",
  )
  logits = half.apply(variables, {"image": image})["logits"]
  assert logits.dtype == jnp.float32
  exact = net.apply(variables, {"image": image})["logits"]
  assert abs(logits - exact).mean() < 0.1
