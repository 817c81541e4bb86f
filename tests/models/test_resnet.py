"""Residual networks: sizes, names, settings."""

import functools

import jax
import numpy as np
import pytest

from medfm import tree
from medfm.models.resnet import ResNet
from medfm.types import UserError


def _shapes(size=32, **settings):
  batch = {
    "image": np.zeros((1, size, size, 3), "float32"),
    "weight": np.ones(1, "float32"),
  }
  model = ResNet(**settings)
  return jax.eval_shape(lambda key: model.init(key, batch), jax.random.key(0))


@pytest.mark.parametrize(
  ("depth", "count"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)]
)
def test_parameter_counts_are_those_of_torchvision(depth, count):
  variables = _shapes(outputs=1000, depth=depth, stem="imagenet")
  assert tree.count(variables["params"]) == count


def test_parameter_names_follow_torchvision():
  names = set(tree.paths(_shapes(outputs=2)["params"]))
  assert {
    "conv1/kernel",
    "norm1/scale",
    "layer1_0/conv2/kernel",
    "layer4_1/norm2/bias",
    "layer2_0/downsample_conv/kernel",
    "layer2_0/downsample_norm/scale",
    "head/kernel",
  } <= names
  assert "layer1_0/downsample_conv/kernel" not in names


def test_the_cifar_stem_keeps_the_image_size():
  model = functools.partial(ResNet, outputs=0, depth=10, width=4)
  large = _shapes(outputs=0, depth=10, width=4, stem="imagenet")
  small = _shapes(outputs=0, depth=10, width=4)
  assert large["params"]["conv1"]["kernel"].shape == (7, 7, 3, 4)
  assert small["params"]["conv1"]["kernel"].shape == (3, 3, 3, 4)
  text = jax.jit(lambda key, batch: model().init_with_output(key, batch)[0])
  image = {"image": np.zeros((1, 16, 16, 3), "float32")}
  assert "1x16x16x4" in text.lower(jax.random.key(0), image).as_text()


def test_zero_initialised_blocks_start_as_the_identity():
  batch = {"image": np.ones((1, 8, 8, 3), "float32")}
  model = ResNet(
    outputs=0, depth=18, width=4, norm="group", zero_init_residual=True
  )
  variables = jax.jit(model.init)(jax.random.key(0), batch)
  params = variables["params"]
  assert not params["layer1_0"]["norm2"]["scale"].any()
  assert params["layer1_0"]["norm1"]["scale"].all()


@pytest.mark.parametrize(
  ("setting", "value"), [("depth", 19), ("norm", "bach"), ("stem", "big")]
)
def test_a_wrong_setting_is_named_with_its_choices(setting, value):
  with pytest.raises(UserError, match=f"model.{setting}=.*expected one of"):
    _shapes(outputs=1, **{setting: value})
