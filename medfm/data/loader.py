"""Batches by number: batch k is a pure function of (arguments, k).

Resuming needs no saved position, and neither threads nor their number change
a batch: they only prefetch.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import cuts, orders, rng
from medfm.data.orders import Order
from medfm.types import Example, Split, UserError

Transform = Callable[[Example, np.random.Generator], Example]
HostBatch = dict[str, np.ndarray]


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
    (seed, visit, row), so that another batch size changes no augmentation. An
    example of a `Ragged` column is a view, to be read but not changed. A
    transform that cuts it to one shape says so by an entry `<name>/size`, the
    extents that are left, which then belongs to the batch.
  share: the places of a batch, ascending, that this process builds; B is then
    their number, and places past `batch_size` are padding. None builds all.
  rows_alone: give `row` int32 [B], the batch's rows in the split, instead of
    the arrays, which are then gathered on the device.
  """
  if batch_size < 1 or steps < 0:
    raise UserError(
      f"batch_size={batch_size}, steps={steps}: expected a batch_size of at "
      "least 1 and steps of at least 0"
    )
  if batch_size > len(split):
    raise UserError(
      f"batch_size {batch_size} is larger than the {len(split)} training "
      f"examples: set batch_size to at most {len(split)}"
    )
  chosen = order(split, strata, batch_size, seed)
  if rows_alone and (transforms or chosen.cut or cuts.paddings(split)):
    raise UserError(
      "devices.resident=true needs whole, unchanged examples: choose "
      "transforms=(), data of one shape and an order that cuts nothing, such "
      "as orders.uniform, or devices.resident=false"
    )
  return Batches(
    split, batch_size, steps, chosen, share, seed, transforms, rows_alone
  )


@dataclasses.dataclass(eq=False, repr=False)
class Batches:
  """Batches by number; see `batches`. Safe to read from many threads."""

  split: Split
  batch_size: int
  steps: int
  order: Order
  share: np.ndarray | None = None
  seed: int = 0
  transforms: Sequence[Transform] = ()
  rows_alone: bool = False

  def __post_init__(self) -> None:
    self._paddings = cuts.paddings(self.split)
    self._lengths = cuts.buckets(self.split) if self.order.cut else None

  def __len__(self) -> int:
    return self.steps

  def __getitem__(self, index: int) -> HostBatch:
    if not 0 <= index < self.steps:
      raise IndexError(f"batch {index} of {self.steps}")
    whole, visits = self.order.rows(index)
    share = np.arange(self.batch_size) if self.share is None else self.share
    real = share < len(whole)
    # A process that builds only padding repeats the first place's content.
    places = np.where(real, share, share[0] if real[0] else 0)
    rows, visits = whole[places], visits[places].astype(np.int32)
    return {
      **self._arrays(rows, visits, whole),
      "visit": visits,
      "weight": real.astype(np.float32),
      "id": np.where(real, rows, -1).astype(np.int32),
    }

  def _arrays(
    self, rows: np.ndarray, visits: np.ndarray, whole: np.ndarray
  ) -> HostBatch:
    """The columns of these rows, in the shapes that the whole batch needs."""
    if self.rows_alone:
      return {"row": rows.astype(np.int32)}
    columns: dict[str, Any] = {k: a[rows] for k, a in self.split.arrays.items()}
    if self.transforms:
      columns = self._transformed(columns, rows, visits)
    arrays: HostBatch = {}
    for name, column in columns.items():
      if name in self._paddings and f"{name}/size" not in columns:
        shape = self._paddings[name].shape(whole)
        arrays[name], arrays[f"{name}/size"] = cuts.filled(column, shape)
      else:
        arrays[name] = np.asarray(column)  # Also examples cut to one shape.
    return cuts.cut(arrays, self.split, self._lengths, whole)

  def _transformed(
    self, columns: Mapping[str, Any], rows: np.ndarray, visits: np.ndarray
  ) -> dict[str, list[np.ndarray]]:
    generator = rng.generator(self.seed)
    examples: list[Example] = []
    for place, (row, visit) in enumerate(zip(rows, visits, strict=True)):
      example = {
        name: c[place] if name in self._paddings else np.array(c[place])
        for name, c in columns.items()
      }
      rng.moved(generator, self.seed, "transforms", int(visit), int(row))
      for transform in self.transforms:
        example = transform(example, generator)
      examples.append(example)
    return {name: [each[name] for each in examples] for name in examples[0]}


def prefetched(
  batches: "Batches", start: int, stop: int, threads: int = 1
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
  import grain  # Slow to import, and needed only with threads.

  options = grain.ReadOptions(
    num_threads=threads, prefetch_buffer_size=2 * threads
  )
  dataset = grain.MapDataset.source(batches)[start:stop]
  yield from enumerate(dataset.to_iter_dataset(options), start)


def in_order(
  split: Split,
  batch_size: int,
  share: np.ndarray | None = None,
  order: np.ndarray | None = None,
) -> Iterator[HostBatch]:
  """Every example once, in the split's order; `share` is as in `batches`.

  order: [N], the rows as `length_order` gives them; batches are then cut to
    the longest of their examples.
  """
  places = np.arange(len(split)) if order is None else order

  def rows(k: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = places[k * batch_size : (k + 1) * batch_size]
    return chosen, np.zeros_like(chosen)

  steps = orders.per_epoch(len(split), batch_size)
  cut = Order(rows, cut=order is not None)
  batches = Batches(split, batch_size, steps, cut, share)
  for k in range(steps):
    batch = batches[k]
    del batch["visit"]  # Only training reads it.
    yield batch


def length_order(split: Split) -> np.ndarray:
  """The rows of the split, those of similar length together."""
  likeness = cuts.likeness(split)
  if likeness is None:
    return np.arange(len(split))
  return np.argsort(likeness, kind="stable")
