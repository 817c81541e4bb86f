"""Toy pictures, and the small models that objectives pre-train on them."""

import functools

import numpy as np

from medfm.augment import geometry, intensity
from medfm.models.resnet import ResNet
from medfm.models.vit import ViT
from tests import infos

VIT = functools.partial(ViT, patch=2, width=16, depth=1, heads=2)
RESNET = functools.partial(ResNet, depth=10, width=4, norm="group")
CHANGES = (
  functools.partial(geometry.resized_crop, share=(0.5, 1.0)),
  geometry.flip,
  functools.partial(intensity.brightness_contrast, probability=1.0),
)


def images(rows=8, size=8):
  """Grey images without a target, and their batch."""
  generator = np.random.default_rng(0)
  image = generator.integers(0, 256, (rows, size, size, 1))
  return infos.info("toy"), {
    "image": image.astype("uint8"),
    "weight": np.ones(rows, "float32"),
    "id": np.arange(rows, dtype="int32"),
  }
