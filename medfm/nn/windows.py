"""Sliding windows over images [B,H,W,C], the ground of conv and pool."""

from collections.abc import Iterator

import jax

Pair = tuple[int, int]


def places(size: Pair, window: Pair, strides: Pair) -> Pair:
  """How many windows fit into a size, rows and columns."""
  return tuple(
    (length - taps) // stride + 1
    for length, taps, stride in zip(size, window, strides, strict=True)
  )


def taps(x: jax.Array, window: Pair, strides: Pair) -> Iterator[jax.Array]:
  """[B,rows,columns,C]: what lies under each tap, taps in row-major order."""
  rows, columns = places(x.shape[1:3], window, strides)
  for i in range(window[0]):
    for j in range(window[1]):
      last_row = i + (rows - 1) * strides[0]
      last_column = j + (columns - 1) * strides[1]
      yield x[
        :, i : last_row + 1 : strides[0], j : last_column + 1 : strides[1]
      ]


def spread(
  index: int, size: Pair, places: Pair, window: Pair, strides: Pair
) -> list[tuple[int, int, int]]:
  """The `lax.pad` edges that put places back under one tap of the image.

  index: of the tap, in row-major order.
  """
  edges = [(0, 0, 0)]
  for axis, tap in enumerate(divmod(index, window[1])):
    reach = (places[axis] - 1) * strides[axis] + 1
    edges.append((tap, size[axis] - tap - reach, strides[axis] - 1))
  return [*edges, (0, 0, 0)]
