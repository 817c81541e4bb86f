"""What both sides of `benchmarks.gpu` are told, and the input they share."""

import argparse

import numpy as np

from benchmarks.gpu_cases import SIZES, Sizes


def parsed() -> argparse.Namespace:
  parser = argparse.ArgumentParser()
  parser.add_argument("model")
  parser.add_argument("--size", choices=tuple(SIZES), required=True)
  parser.add_argument("--batch", type=int, required=True)
  parser.add_argument("--steps", type=int, required=True)
  parser.add_argument("--every", type=int, required=True)
  for name in ("scan_layers", "remat", "eager"):
    parser.add_argument(f"--{name}", action="store_true")
  return parser.parse_args()


def arrays(sizes: Sizes, batch: int) -> dict[str, np.ndarray]:
  """One batch: image uint8 [B,H,W,3] and label, or full rows of tokens."""
  generator = np.random.default_rng(0)
  if sizes.image:
    shape = (batch, sizes.image, sizes.image, 3)
    return {
      "image": generator.integers(0, 256, shape, np.uint8),
      "label": generator.integers(0, sizes.classes, batch, np.int32),
    }
  shape = (batch, sizes.length)
  places = np.arange(sizes.length, dtype=np.int32)
  return {
    "tokens": generator.integers(5, sizes.vocabulary, shape, np.int32),
    "segment": np.ones(shape, np.int32),
    "positions": np.broadcast_to(places, shape).copy(),
  }
