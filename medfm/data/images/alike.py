"""Which pictures of one set are copies of each other, and belong together.

Sets without patient ids often show one patient several times. Pictures that the
rule of `near` finds alike are linked, and linked pictures are one group.
"""

import pathlib
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import records
from medfm.data.images import decode, near
from medfm.types import Folders

_SIDE = 64


class Alike(records.RowsBuilder, skip_registration=True):
  """The group of each file's picture, kept so that it is found only once."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, rule: str, **kwargs):
    del rule  # Another rule gives other records.
    super().__init__(**kwargs)

  def rows(self) -> SimpleNamespace:
    images = np.stack([*decode.in_order(_thumbnail, self.raw.items())])
    flat = images.reshape(len(images), -1)
    _, equal = np.unique(flat, axis=0, return_inverse=True)
    i, j = near.search({"": {"image": images}})("", "")
    return SimpleNamespace(
      ids=[*self.raw],
      strings={},
      groups={},
      arrays={
        "near": linked(len(images), [*zip(i, j, strict=True)]),
        "equal": equal.reshape(-1).astype(np.int32),
      },
      part=None,
      changes=[],
      schema={},
    )


def groups(
  folders: Folders, raw: Mapping[str, pathlib.Path], equal: bool = False
) -> dict[str, int]:
  """name -> the number of its group; raw: name -> file.

  Pictures are compared in grey, at 64 x 64. UserError for a file that cannot be
  read.

  equal: groups of equal pictures alone, not of near copies.
  """
  prepared = records.prepared(Alike, folders, raw=raw, rule=near.RULE)
  (whole,) = prepared.splits.values()
  group = whole.arrays["equal" if equal else "near"]
  return dict(zip(whole.ids, group.tolist(), strict=True))


def linked(count: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
  """[count] int32, equal for what a chain of pairs (i, j) links.

  Numbered from 0 on, in the order of the first member.
  """
  first = list(range(count))

  def root(i: int) -> int:
    while first[i] != i:
      first[i] = i = first[first[i]]
    return i

  for i, j in pairs:
    low, high = sorted((root(int(i)), root(int(j))))
    first[high] = low
  roots = [root(i) for i in range(count)]
  return np.unique(roots, return_inverse=True)[1].astype(np.int32)


def _thumbnail(item: tuple[str, pathlib.Path]) -> np.ndarray:
  name, path = item
  frame = decode.with_channels(
    decode.decoded(path, name=name, frame="first"), 1
  )
  return decode.with_dtype(decode.resized(frame, _SIDE, "stretch"), np.uint8)
