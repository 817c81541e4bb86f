"""What batches are cut to: few lengths, and none too short."""

import numpy as np

from medfm.data import cuts
from medfm.types import Lengths, Ragged, Split


def test_sizes_are_few_and_end_with_the_full_length():
  assert cuts.sizes(128) == (16, 24, 32, 48, 64, 96, 128)
  assert all(cuts.sizes(n)[-1] == n for n in (8, 50, 100, 512, 1000))
  assert all(len(cuts.sizes(n)) <= 8 for n in (512, 1024, 4096))


def test_a_length_is_held_by_the_next_size():
  found = cuts.holding(np.array([0, 16, 17, 49, 64]), 64)
  assert found.tolist() == [16, 16, 24, 64, 64]


def test_only_the_named_columns_are_cut():
  arrays = {"signal": np.zeros((3, 64, 2)), "label": np.zeros((3, 64))}
  lengths = Lengths(np.array([5, 9, 16]), ("signal",))
  split = Split(arrays, np.arange(3).astype(str), lengths=lengths)
  found = cuts.cut(arrays, split, cuts.buckets(split))
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


def ragged(*lengths):
  return Ragged(np.arange(1.0, sum(lengths) + 1), np.cumsum(lengths))


def test_a_batch_is_padded_to_the_next_of_few_shapes():
  padding = cuts.padding(ragged(5, 100, 22, 64, 16))
  assert padding.shapes.ravel().tolist() == list(cuts.sizes(112))
  assert padding.shape(np.array([0, 4])) == (28,)
  assert padding.shape(np.array([0, 3])) == (84,)
  assert padding.shape(np.array([2, 1])) == (112,)


def test_extents_grow_together_so_that_shapes_stay_few():
  generator = np.random.default_rng(0)
  shapes = generator.integers(1, (400, 90, 12), (200, 3))
  column = Ragged(
    np.zeros(shapes.prod(1).sum()), shapes.prod(1).cumsum(), shapes
  )
  padding = cuts.padding(column)
  assert len(padding.shapes) <= 8
  held = padding.shapes[padding.levels]
  assert (held >= shapes).all()
  assert padding.shapes[-1].tolist() == [400, 96, 11]
  below = padding.shapes[np.maximum(padding.levels - 1, 0)]
  assert ((below < shapes).any(1) | (padding.levels == 0)).all()


def test_what_is_beyond_an_example_is_0():
  column = ragged(2, 3)
  found, extents = cuts.filled([column[0], column[1]], (4,))
  assert found.tolist() == [[1, 2, 0, 0], [3, 4, 5, 0]]
  assert extents.tolist() == [2, 3] and extents.dtype == np.int32
  cubes = [np.ones((1, 2, 5)), np.ones((2, 1, 5))]
  found, extents = cuts.filled(cubes, (2, 3))
  assert found.shape == (2, 2, 3, 5) and found.sum() == 20
  assert extents.tolist() == [[1, 2], [2, 1]]
