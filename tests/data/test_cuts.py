"""What batches are cut to: few lengths, and none too short."""

import numpy as np

from medfm.data import cuts
from medfm.types import Lengths, Split


def test_sizes_are_few_and_end_with_the_full_length():
  assert cuts.sizes(128) == (16, 24, 32, 48, 64, 96, 128)
  assert all(cuts.sizes(n)[-1] == n for n in (8, 50, 100, 512, 1000))
  assert all(len(cuts.sizes(n)) <= 8 for n in (512, 1024, 4096))


def test_a_length_is_held_by_the_next_size():
  found = cuts.holding(np.array([0, 16, 17, 49, 64]), 64)
  assert found.tolist() == [16, 16, 24, 64, 64]


def test_only_the_named_columns_are_cut():
  arrays = {"signal": np.zeros((3, 64, 2)), "label": np.zeros((3, 64))}
  found = cuts.cut(arrays, Lengths(np.array([5, 9, 16]), ("signal",)), 16)
  assert found["signal"].shape == (3, 16, 2)
  assert found["label"].shape == (3, 64)


def test_a_split_takes_its_lengths_along():
  sizes = np.array([5, 64, 20])
  split = Split(
    {"signal": np.zeros((3, 64))},
    np.arange(3).astype(str),
    lengths=Lengths(sizes, ("signal",)),
  )
  assert cuts.buckets(split).tolist() == [16, 64, 24]
  part = split.take(np.array([2, 0]))
  assert part.lengths.columns == ("signal",)
  assert cuts.buckets(part).tolist() == [24, 16]
