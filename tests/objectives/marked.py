"""Small volumes with regions, for tests."""

import numpy as np

from medfm.data.volumes.input import Volume
from medfm.data.volumes.plan import Plan
from medfm.tasks.regions import Regions
from medfm.types import Info

PLAN = Plan(
  patch=(4, 4, 4),
  strides=((1, 1, 1), (2, 2, 2)),
  kernels=((3, 3, 3), (3, 3, 3)),
  width=8,
  batch_size=2,
)


def info(axes=3, **target):
  """Volumes, or with `axes=2` pictures, in which a and b are marked."""
  plan = PLAN
  if axes == 2:
    plan = Plan(
      patch=(8, 8),
      strides=((1, 1), (2, 2)),
      kernels=((3, 3), (3, 3)),
      width=8,
      batch_size=2,
    )
  inputs = {"image": Volume(axes=axes, plan=plan)}
  names = target.pop("names", ("a", "b"))
  return Info("toy", inputs, Regions(names, axes=axes, **target))


def volumes():
  """Eight volumes; a is bright and b dark."""
  generator = np.random.default_rng(0)
  truth = generator.integers(0, 3, (8, 2, 2, 2)).repeat(2, 1).repeat(2, 2)
  truth = truth.repeat(2, 3).astype(np.uint8)
  image = np.array([0, 3, -3])[truth] + generator.normal(0, 0.1, truth.shape)
  batch = {
    "image": image[..., None].astype("float32"),
    "level": np.tile(np.array([0, 1], "float32"), (8, 1)),
    "spacing_mm": np.ones((8, 3), "float32"),
    "regions": truth,
    "weight": np.ones(8, "float32"),
    "id": np.arange(8, dtype="int32"),
  }
  return info(), batch
