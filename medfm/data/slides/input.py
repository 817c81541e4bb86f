"""What a model must know of bags of tiles, fitted on the training split."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.types import (
  Arrays,
  Batch,
  Design,
  Profile,
  Ragged,
  Split,
  UserError,
)

_POOLED = ("mean", "std", "max")


@dataclasses.dataclass(frozen=True)
class Bag:
  """The tiles of a slide as embeddings: `bag` [B,T,E], `bag/size` [B].

  Slides have different numbers of tiles; in a batch they are padded with 0 to
  one T, and `bag/size` says how many are real.

  tile_px, mpp, tissue_share: how slides were cut (`tiles.Grid`).
  embedded: by what, in words.
  mean, std: [E], of the tiles of the training split.
  """

  tile_px: int
  mpp: float
  tissue_share: float
  embedded: str = ""
  mean: tuple[float, ...] = ()
  std: tuple[float, ...] = ()

  arrays = ("bag",)
  suits = ("linear",)

  @property
  def near(self) -> None:
    """No rule: the same section, scanned twice, has no tile in common."""
    return None

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """No settings: a model reads E from a batch."""
    return {}

  def scale(self, batch: Batch) -> Batch:
    """Standardises the embeddings; padding is whatever 0 becomes."""
    bag = batch.get("bag")
    if bag is None:
      return batch
    mean = np.asarray(self.mean, np.float32)[None, None]
    std = np.maximum(np.asarray(self.std, np.float32), 1e-6)[None, None]
    return {**batch, "bag": (bag.astype("float32") - mean) / std}

  def blank(
    self, count: int, like: Mapping[str, np.ndarray] = {}
  ) -> dict[str, np.ndarray]:
    """Slides of average tiles, as many as the others have.

    Raises: UserError for bags of different size, which cannot be joined with
      other inputs.
    """
    if isinstance(like.get("bag"), Ragged):
      raise UserError(
        "slides of different size cannot stand beside other inputs: train on "
        "them alone, or on one embedding for each"
      )
    longest = like["bag"].shape[1] if "bag" in like else 1
    mean = np.asarray(self.mean, np.float32)
    return {"bag": np.tile(mean, (count, longest, 1))}

  def design(self, train: Split, seed: int) -> Design:
    """Mean, standard deviation and maximum of each number over a bag."""
    width = len(self.mean)
    names = tuple(f"{how} of {k}" for how in _POOLED for k in range(width))
    return Design(names, _pooled)

  native = design

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: "Bag"
  ) -> dict[str, np.ndarray]:
    """The bags unchanged; ValueError if they were cut or embedded otherwise."""
    if dataclasses.replace(self, mean=(), std=()) != dataclasses.replace(
      trained, mean=(), std=()
    ):
      raise ValueError(f"{self.describe()}, not {trained.describe()}")
    return dict(arrays)

  def profile(self, arrays: Arrays) -> Profile:
    """How many tiles each slide has."""
    bag = arrays["bag"]
    counts = getattr(bag, "extents", None)
    if counts is None:
      counts = np.full((len(bag), 1), bag.shape[1])
    return Profile(("tiles",), np.asarray(counts, np.float64)[:, :1])

  def describe(self) -> str:
    return (
      f"bags of {self.tile_px} px tiles at {self.mpp:g} um/px, as "
      f"{self.embedded or 'embeddings'}"
    )


def fitted(described: Bag, train: Split) -> Bag:
  """With mean and standard deviation of all training tiles, read in parts."""
  bag = train.arrays["bag"]
  total, square, count = 0.0, 0.0, 0
  for row in range(len(bag)):
    tiles = np.asarray(bag[row], np.float64)
    total, square = total + tiles.sum(0), square + (tiles**2).sum(0)
    count += len(tiles)
  mean = np.asarray(total) / max(count, 1)
  spread = np.sqrt(np.maximum(np.asarray(square) / max(count, 1) - mean**2, 0))
  return dataclasses.replace(
    described, mean=tuple(mean.tolist()), std=tuple(spread.tolist())
  )


def _pooled(split: Split) -> np.ndarray:
  """float64 [N,3E]."""
  bag = split.arrays["bag"]
  rows = []
  for row in range(len(split)):
    tiles = np.asarray(bag[row], np.float64)
    rows.append(np.concatenate([tiles.mean(0), tiles.std(0), tiles.max(0)]))
  return np.stack(rows) if rows else np.zeros((0, 3 * bag.values.shape[1]))
