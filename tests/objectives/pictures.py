"""Toy pictures, and the small models that objectives pre-train on them."""

import dataclasses
import functools

import numpy as np

from medfm.augment import geometry, intensity
from medfm.data.text.input import Tokens
from medfm.models.cnn import CNN
from medfm.models.gpt import GPT
from medfm.models.resnet import ResNet
from medfm.models.vit import ViT
from medfm.tasks.pretext import Nothing
from medfm.types import Info
from tests import infos

VIT = functools.partial(ViT, patch=2, width=16, depth=1, heads=2)
RESNET = functools.partial(ResNet, depth=10, width=4, norm="group")
CHANGES = (
  functools.partial(geometry.resized_crop, share=(0.5, 1.0)),
  geometry.flip,
  functools.partial(intensity.brightness_contrast, probability=1.0),
)


def images(rows=8, size=8, noisy=False):
  """Grey ramps, each in a direction of its own, or noise, and their batch."""
  generator = np.random.default_rng(0)
  slopes = generator.uniform(-12, 12, (2, rows, 1, 1, 1))
  place = np.arange(size) - (size - 1) / 2
  across, down = place[:, None], place[:, None, None]
  image = np.rint(128 + slopes[0] * across + slopes[1] * down)
  if noisy:
    image = generator.integers(0, 256, image.shape)
  return infos.info("toy"), {
    "image": image.astype("uint8"),
    "weight": np.ones(rows, "float32"),
    "id": np.arange(rows, dtype="int32"),
  }


TOWERS = {
  "encoders": {
    "image": functools.partial(CNN, widths=(16,), hidden=32),
    "text": functools.partial(GPT, width=16, depth=1, heads=2, length=6),
  },
  "width": 8,
}


def pairs(rows=8, size=8):
  """Images with a text each, of which two are equal, and their batch."""
  info, batch = images(rows, size)
  generator = np.random.default_rng(1)
  tokens = generator.integers(2, 11, (rows, 6)).astype("int32")
  segment = (np.arange(6)[None] < 3 + np.arange(rows)[:, None] % 4).astype("i4")
  tokens[:, 0], tokens[1], segment[1] = 1, tokens[0], segment[0]
  text = {
    "text/tokens": np.where(segment > 0, tokens, 0).astype("int32"),
    "text/segment": segment,
    "text/positions": np.tile(np.arange(6, dtype="int32"), (rows, 1)),
  }
  batch = {"image/image": batch.pop("image"), **text, **batch}
  inputs = {"image": info.inputs["image"], "text": Tokens(11)}
  return dataclasses.replace(info, inputs=inputs), batch


@dataclasses.dataclass(frozen=True)
class Volume:
  """As much of an input as pre-training needs: `volume` [B,D,H,W,C] uint8."""

  arrays = ("volume",)

  def settings(self, chosen):
    return {}

  def scale(self, batch):
    volume = (batch["volume"].astype("float32") / 255 - 0.5) / 0.5
    return {**batch, "volume": volume}


def volumes(rows=4):
  """Volumes [rows,4,8,8,1], and their batch."""
  generator = np.random.default_rng(0)
  return Info("toy", {"scan": Volume()}, Nothing()), {
    "volume": generator.integers(0, 256, (rows, 4, 8, 8, 1)).astype("uint8"),
    "weight": np.ones(rows, "float32"),
    "id": np.arange(rows, dtype="int32"),
  }
