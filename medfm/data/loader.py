"""Batches by number: batch k is a pure function of (arguments, k).

Resuming needs no saved position, and neither threads nor their number change
a batch: they only prefetch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from medfm.data import cuts, orders, rng
from medfm.data.orders import Order
from medfm.types import Example, Source, Split, UserError

Transform = Callable[[Example, np.random.Generator], Example]
HostBatch = dict[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


def batches(
  split: Split,
  *,
  batch_size: int,
  steps: int,
  seed: int,
  order: Callable[..., Order] = orders.uniform,
  strata: np.ndarray | None = None,
  transforms: Sequence[Transform] = (),
  share: np.ndarray | None = None,
  rows_alone: bool = False,
) -> "Batches":
  """The `steps` training batches of a run, by number.

  Each holds the split's arrays [B, ...], `weight` float32 [B], `id` int32 [B]
  (the row in the split) and `visit` int32 [B] (how often it was seen before).
  A batch of fewer rows is padded with weight 0, id -1 and the content of its
  first row. A `Ragged` column is padded with 0 to one of a few shapes
  (`cuts.padding`), which depends on the rows of the batch alone;
  `<name>/size` int32 has the true extents, [B] or, of several axes, [B,R].

  order: which rows make up each batch, a function of `medfm.data.orders`.
  strata: [N] int codes, by which an order may choose.
  transforms: called per example, in order, each with the one generator of
    (seed, visit, row), so that another batch size changes no augmentation.
  share: the places of a batch, ascending, that this process builds; B is then
    their number, and places past `batch_size` are padding. None builds all.
  rows_alone: give `row` int32 [B], the rows of the split that a batch holds,
    instead of its arrays, which are gathered on the device.

  Raises: UserError where the batch is larger than the data, the order lacks
    what it needs, or `rows_alone` does not suffice to make a batch.
  """
  if batch_size < 1 or steps < 0:
    raise UserError(
      f"batch_size {batch_size}, steps {steps}: expected at least 1 and 0"
    )
  if batch_size > len(split):
    raise UserError(
      f"batch_size {batch_size} is larger than the {len(split)} training "
      f"examples: set batch_size to at most {len(split)}"
    )
  chosen = order(split, strata, batch_size, seed)
  if rows_alone and (transforms or chosen.cut or cuts.paddings(split)):
    raise UserError(
      "devices.resident=true takes whole examples as they are: choose "
      "transforms=(), data of one shape and an order that cuts nothing, such "
      "as orders.uniform, or devices.resident=false"
    )
  return Batches(
    split, batch_size, steps, seed, chosen, tuple(transforms), share, rows_alone
  )


class Batches:
  """Batches by number; see `batches`. Safe to read from many threads."""

  def __init__(
    self,
    split: Split,
    batch_size: int,
    steps: int,
    seed: int,
    order: Order,
    transforms: Sequence[Transform],
    share: np.ndarray | None,
    rows_alone: bool,
  ):
    self._split = split
    self._batch_size = batch_size if share is None else len(share)
    self._steps = steps
    self._seed = seed
    self._order = order.rows
    self._transforms = transforms
    self._lengths = cuts.buckets(split) if order.cut else None
    self._paddings = cuts.paddings(split)
    self._share = share
    self._rows_alone = rows_alone

  def __len__(self) -> int:
    return self._steps

  def __getitem__(self, index: int) -> HostBatch:
    if not 0 <= index < self._steps:
      raise IndexError(f"batch {index} of {self._steps}")
    whole, visits = self._order(index)
    local, n = _local(len(whole), self._share)
    rows = whole[local]
    shapes = {name: p.shape(whole) for name, p in self._paddings.items()}
    if self._rows_alone:
      arrays = {"row": rows.astype(np.int32)}
    elif self._transforms:
      arrays = self._stacked(rows, visits[local], shapes)
    else:
      arrays = _gathered(self._split, rows, shapes)
    arrays = _cut(arrays, self._split, self._lengths, whole)
    arrays["visit"] = visits[local].astype(np.int32)
    return _batch(arrays, rows, self._batch_size, n)

  def rows(self, k: int) -> np.ndarray:
    """The rows of the split in batch k, whichever process builds them."""
    return self._order(k)[0]

  def _stacked(
    self, rows: np.ndarray, visits: np.ndarray, shapes: Shapes
  ) -> HostBatch:
    generator = rng.generator(self._seed)
    examples = [
      self._transformed(generator, int(row), int(visit))
      for row, visit in zip(rows, visits, strict=True)
    ]
    arrays: HostBatch = {}
    for name in examples[0]:
      column = [example[name] for example in examples]
      if name in shapes:
        arrays |= _filled(name, column, shapes)
      else:
        arrays[name] = np.stack(column)
    return arrays

  def _transformed(
    self, generator: np.random.Generator, row: int, visit: int
  ) -> Example:
    example = {
      name: np.array(value) for name, value in self._split[row].items()
    }
    rng.moved(generator, self._seed, "transforms", visit, row)
    for transform in self._transforms:
      example = transform(example, generator)
    return example


def prefetched(
  batches: Source, start: int, stop: int, threads: int = 1
) -> Iterator[tuple[int, HostBatch]]:
  """(k, batch) for k from start to stop, read ahead by threads.

  threads: 0 reads in the caller's thread. An error of a batch is raised here,
  in the caller's thread, at its turn.
  """
  if not 0 <= start <= stop <= len(batches):
    raise ValueError(f"batches {start} to {stop} of {len(batches)}")
  if start == stop:
    return
  if not threads:
    yield from ((k, batches[k]) for k in range(start, stop))
    return
  import grain  # Slow to import, and needed by threads alone.

  options = grain.ReadOptions(
    num_threads=threads, prefetch_buffer_size=2 * threads
  )
  dataset = grain.MapDataset.source(batches)[start:stop]
  yield from enumerate(dataset.to_iter_dataset(options), start)


def in_order(
  split: Split, batch_size: int, share: np.ndarray | None = None
) -> Iterator[HostBatch]:
  """Every example once, in the split's order; the last batch is padded.

  share: as in `batches`.
  """
  return _ordered(split, np.arange(len(split)), None, batch_size, share)


def by_length(
  split: Split, batch_size: int, share: np.ndarray | None = None
) -> Iterator[HostBatch]:
  """Every example once, those of like length together and cut to it.

  They come in `length_order`, or as in `in_order` where all have one length.
  share: as in `batches`.
  """
  order, lengths = length_order(split), cuts.buckets(split)
  return _ordered(split, order, lengths, batch_size, share)


def _ordered(
  split: Split,
  order: np.ndarray,
  lengths: np.ndarray | None,
  batch_size: int,
  share: np.ndarray | None,
) -> Iterator[HostBatch]:
  """The rows of `order` in batches, cut to their longest by lengths [N]."""
  paddings = cuts.paddings(split)
  size = batch_size if share is None else len(share)
  for start in range(0, len(split), batch_size):
    whole = order[start : start + batch_size]
    local, n = _local(len(whole), share)
    shapes = {name: p.shape(whole) for name, p in paddings.items()}
    arrays = _gathered(split, whole[local], shapes)
    arrays = _cut(arrays, split, lengths, whole)
    yield _batch(arrays, whole[local], size, n)


def _local(n: int, share: np.ndarray | None) -> tuple[slice | np.ndarray, int]:
  """Which of a batch's n places this process builds, and how many count.

  A process with nothing but padding repeats the content of the first place.
  """
  if share is None:
    return slice(None), n
  local = share[share < n]
  return (local if len(local) else np.zeros(1, int)), len(local)


def _cut(
  arrays: HostBatch, split: Split, lengths: np.ndarray | None, rows: np.ndarray
) -> HostBatch:
  """Arrays cut to the longest of these rows; whole without `lengths` [N]."""
  if lengths is None or split.lengths is None:
    return arrays
  return cuts.cut(arrays, split.lengths, int(lengths[rows].max()))


def length_order(split: Split) -> np.ndarray:
  """The rows of the split as `by_length` visits them."""
  likeness = cuts.likeness(split)
  if likeness is None:
    return np.arange(len(split))
  return np.argsort(likeness, kind="stable")


def _gathered(split: Split, rows: np.ndarray, shapes: Shapes) -> HostBatch:
  """The split's arrays of these rows, those of ragged columns padded."""
  arrays: HostBatch = {}
  for name, column in split.arrays.items():
    if name in shapes:
      arrays |= _filled(name, [column[row] for row in rows], shapes)
    else:
      arrays[name] = np.asarray(column[rows])
  return arrays


def _filled(
  name: str, examples: Sequence[np.ndarray], shapes: Shapes
) -> HostBatch:
  array, extents = cuts.filled(examples, shapes[name])
  return {name: array, f"{name}/size": extents}


def _batch(
  arrays: HostBatch, rows: np.ndarray, batch_size: int, n: int
) -> HostBatch:
  """Arrays of at most B rows, padded to B; `weight` and `id` of the first n."""
  extra = batch_size - len(rows)
  weight = np.ones(batch_size, np.float32)
  weight[n:] = 0
  identity = np.full(batch_size, -1, np.int32)
  identity[:n] = rows[:n]
  if extra:
    arrays = {
      name: np.concatenate([array, np.repeat(array[:1], extra, axis=0)])
      for name, array in arrays.items()
    }
  return {**arrays, "weight": weight, "id": identity}
