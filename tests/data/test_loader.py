"""Batches: pure functions of their number, every example once an epoch."""

import threading

import numpy as np
import pytest

from medfm.data import loader, orders
from medfm.types import Lengths, Ragged, Split, UserError


def _split(n: int, label=None) -> Split:
  label = np.arange(n) % 2 if label is None else np.asarray(label)
  return Split(
    arrays={
      "image": np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1),
      "label": label.astype(np.int32),
    },
    ids=np.array([f"e{i}" for i in range(n)]),
  )


def _batches(n=10, batch_size=4, steps=9, **kwargs):
  split = _split(n, kwargs.pop("label", None))
  return loader.batches(
    split,
    strata=split.arrays["label"],
    batch_size=batch_size,
    steps=steps,
    seed=kwargs.pop("seed", 0),
    **kwargs,
  )


def _noise(example, generator):
  return {**example, "image": example["image"] + generator.random()}


def _raised(example, generator):
  return {**example, "signal": example["signal"] + generator.random()}


def _same(a, b):
  assert a.keys() == b.keys()
  for name in a:
    np.testing.assert_array_equal(a[name], b[name])


def test_an_epoch_visits_every_example_once():
  batches = _batches()
  for epoch in range(3):
    ids = np.concatenate([batches[3 * epoch + i]["id"] for i in range(3)])
    assert sorted(ids) == [-1, -1, *range(10)]


def test_epochs_have_different_orders():
  batches = _batches(n=40, batch_size=40)
  assert batches[0]["id"].tolist() != batches[1]["id"].tolist()


def test_another_seed_gives_another_order():
  first, other = _batches(n=40)[0], _batches(n=40, seed=1)[0]
  assert first["id"].tolist() != other["id"].tolist()


def test_the_order_of_a_seed_stays_as_it_is():
  ids = np.concatenate([_batches()[i]["id"] for i in range(3)])
  assert ids.tolist() == [7, 8, 1, 9, 6, 4, 2, 3, 5, 0, -1, -1]


def test_the_last_batch_is_padded_with_weight_zero_and_its_first_row():
  batch = _batches()[2]
  assert batch["weight"].tolist() == [1, 1, 0, 0]
  assert batch["id"][2:].tolist() == [-1, -1]
  assert (batch["image"][2:] == batch["image"][0]).all()
  assert batch["weight"].dtype == np.float32
  assert batch["id"].dtype == np.int32


def test_arrays_are_the_rows_that_id_names():
  batch = _batches()[1]
  assert batch["image"].ravel().tolist() == batch["id"].tolist()
  assert batch["image"].dtype == np.uint8


def test_a_batch_is_a_pure_function_of_its_number():
  batches = _batches(transforms=[_noise])
  late = batches[7]
  for k in (0, 3, 7):
    _same(batches[k], _batches(transforms=[_noise])[k])
  _same(batches[7], late)


def test_a_batch_says_how_often_its_rows_were_seen_before():
  batches = _batches()
  assert [batches[k]["visit"].tolist() for k in (0, 3, 8)] == [
    [0] * 4,
    [1] * 4,
    [2] * 4,
  ]
  assert batches[0]["visit"].dtype == np.int32
  few = _batches(label=[0] * 9 + [1], order=orders.balanced)
  visits = [few[k]["visit"][few[k]["id"] == 9].tolist() for k in range(3)]
  assert visits == [[0, 1], [2, 3], [4, 5]]


def test_a_batch_out_of_range_is_an_index_error():
  with pytest.raises(IndexError):
    _batches(steps=2)[2]


def test_the_batch_size_changes_no_augmentation():
  def by_id(batch_size):
    batches = _batches(batch_size=batch_size, transforms=[_noise])
    found = {}
    for k in range(orders.per_epoch(10, batch_size)):
      found |= dict(
        zip(batches[k]["id"], batches[k]["image"].ravel(), strict=True)
      )
    return {i: found[i] for i in range(10)}

  assert by_id(4) == by_id(10)


def test_an_example_is_augmented_anew_every_epoch():
  batches = _batches(n=1, batch_size=1, transforms=[_noise])
  assert batches[0]["image"] != batches[1]["image"]


def test_transforms_leave_the_split_as_it_was():
  def black(example, generator):
    example["image"][:] = 0
    return example

  split = _split(4)
  loader.batches(split, batch_size=4, steps=1, seed=0, transforms=[black])[0]
  assert split.arrays["image"].ravel().tolist() == [0, 1, 2, 3]


def test_a_batch_larger_than_the_data_is_refused_with_both_numbers():
  with pytest.raises(UserError, match=r"batch_size 11 .* 10 training examples"):
    _batches(batch_size=11)


def test_an_empty_split_is_refused():
  with pytest.raises(UserError, match="0 training examples"):
    _batches(n=0, batch_size=1)


def test_a_balanced_order_orders_each_visit_anew():
  batches = _batches(
    n=40, batch_size=20, label=[0] * 20 + [1] * 20, order=orders.balanced
  )
  first, second = (
    [i for k in ks for i in batches[k]["id"]] for ks in ((0, 1), (2, 3))
  )
  assert sorted(first) == sorted(second)
  assert first != second


def test_a_balanced_order_augments_each_visit_anew():
  batches = _batches(
    label=[0] * 9 + [1], order=orders.balanced, transforms=[_noise]
  )
  seen = [
    value
    for k in range(4)
    for value in batches[k]["image"].ravel()[batches[k]["id"] == 9]
  ]
  assert len(set(seen)) == len(seen) == 8


def test_a_balanced_order_without_classes_is_refused():
  split = Split({"label": np.zeros((4, 1), np.float32)}, np.array(list("abcd")))
  with pytest.raises(UserError, match="one class per example"):
    loader.batches(split, batch_size=2, steps=1, seed=0, order=orders.balanced)


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("start", [0, 3])
def test_threads_and_resuming_change_no_batch(threads, start):
  batches = _batches(transforms=[_noise])
  found = list(loader.prefetched(batches, start, 8, threads=threads))
  assert [k for k, _ in found] == list(range(start, 8))
  for k, batch in found:
    _same(batch, batches[k])


def test_nothing_is_prefetched_where_nothing_is_missing():
  assert list(loader.prefetched(_batches(), 9, 9)) == []


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_an_error_of_a_transform_surfaces_in_the_caller(threads):
  def broken(example, generator):
    raise ZeroDivisionError("row of the test")

  batches = _batches(transforms=[broken])
  with pytest.raises(ZeroDivisionError, match="row of the test"):
    next(loader.prefetched(batches, 0, 9, threads=threads))


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_an_error_under_way_ends_whoever_waits_for_the_batch(threads):
  """It comes at its turn, after sound batches, and nobody hangs."""

  def broken(example, generator):
    if example["label"] == 5:
      raise ZeroDivisionError("row of the test")
    return example

  seen, raised = [], []

  def read():
    batches = _batches(12, label=np.arange(12), transforms=[broken])
    try:
      seen.extend(k for k, _ in loader.prefetched(batches, 0, 9, threads))
    except ZeroDivisionError as error:
      raised.append(error)

  reader = threading.Thread(target=read, daemon=True)
  reader.start()
  reader.join(60)
  assert not reader.is_alive(), "it hangs"
  assert len(raised) == 1 and len(seen) < 3


def test_evaluation_sees_every_example_once_in_order():
  batches = list(loader.in_order(_split(10), 4))
  kept = [batch["id"][batch["weight"] > 0] for batch in batches]
  assert np.concatenate(kept).tolist() == list(range(10))
  assert all(batch["image"].shape == (4, 1, 1, 1) for batch in batches)
  assert batches[-1]["id"].tolist() == [8, 9, -1, -1]


def test_evaluation_pads_a_split_smaller_than_a_batch():
  (batch,) = loader.in_order(_split(3), 8)
  assert batch["weight"].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_sequences_of_like_length_are_predicted_together_and_cut():
  lengths = np.array([60, 3, 40, 5, 64, 2])
  segment = (np.arange(64)[None] < lengths[:, None]).astype(np.int32)
  tokens = segment * np.arange(1, 7)[:, None].astype(np.int32)
  split = Split(
    {"tokens": tokens, "segment": segment},
    np.arange(6).astype(str),
    lengths=Lengths(lengths, ("tokens", "segment")),
  )
  order = loader.length_order(split)
  batches = list(loader.in_order(split, 4, order=order))
  assert [batch["tokens"].shape for batch in batches] == [(4, 48), (4, 64)]
  seen = np.concatenate([batch["id"] for batch in batches])
  assert sorted(seen[seen >= 0]) == list(range(6))
  for batch in batches:
    rows = batch["id"] >= 0
    np.testing.assert_array_equal(batch["weight"], rows)
    for row, words in zip(
      batch["id"][rows], batch["tokens"][rows], strict=True
    ):
      np.testing.assert_array_equal(
        words[words > 0], tokens[row][: lengths[row]]
      )


def test_what_has_no_sequences_is_predicted_in_order():
  split = _split(10)
  by_length = loader.in_order(split, 4, order=loader.length_order(split))
  for a, b in zip(by_length, loader.in_order(split, 4), strict=True):
    _same(a, b)


def _signals(n=40) -> Split:
  """Signals of a length each, filled with their row's number."""
  lengths = (200 ** np.random.default_rng(1).random(n)).astype(int)
  values = np.repeat(np.arange(n, dtype=np.float32), lengths)
  return Split(
    {"signal": Ragged(values, np.cumsum(lengths)), "label": np.arange(n) % 2},
    np.arange(n).astype(str),
  )


def _is_whole(batch, split):
  """Whether the signals of a batch are those that its `id` names."""
  for row, signal, size in zip(
    batch["id"], batch["signal"], batch["signal/size"], strict=True
  ):
    if row >= 0:
      np.testing.assert_array_equal(signal[:size], split.arrays["signal"][row])
      assert not signal[size:].any()
  return True


@pytest.mark.parametrize("order", [orders.uniform, orders.by_length])
@pytest.mark.parametrize("transforms", [(), (_raised,)])
def test_signals_of_different_length_come_in_few_shapes(order, transforms):
  split = _signals()
  settings = {"batch_size": 6, "steps": 21, "seed": 0, "order": order}
  batches = loader.batches(split, transforms=transforms, **settings)
  late = batches[20]
  shapes = set()
  for k in range(21):
    assert transforms or _is_whole(batches[k], split)
    shapes.add(batches[k]["signal"].shape)
  assert 1 < len(shapes) <= 7
  again = loader.batches(split, transforms=transforms, **settings)[20]
  _same(late, again)
  _same(late, batches[20])


def test_signals_by_length_are_padded_little():
  split, shares = _signals(400), []
  for order in (orders.uniform, orders.by_length):
    batches = loader.batches(split, batch_size=8, steps=50, seed=0, order=order)
    real = sum(batches[k]["signal/size"].sum() for k in range(50))
    shares.append(real / sum(batches[k]["signal"].size for k in range(50)))
  assert shares[0] < 0.4 < 0.6 < shares[1]


def test_signals_are_evaluated_each_once_in_either_order():
  split = _signals()
  for order in (None, loader.length_order(split)):
    batches = list(loader.in_order(split, 16, order=order))
    assert all(_is_whole(batch, split) for batch in batches)
    ids = np.concatenate([batch["id"] for batch in batches])
    assert sorted(ids[ids >= 0]) == list(range(40))
  np.testing.assert_array_equal(ids[:40], loader.length_order(split))


def test_processes_pad_signals_as_one_does():
  split = _signals()
  settings = {"batch_size": 8, "steps": 5, "seed": 0}
  whole = loader.batches(split, **settings)
  halves = [
    loader.batches(split, share=share, **settings)
    for share in (np.arange(4), np.arange(4, 8))
  ]
  for k in range(5):
    parts = [half[k]["signal"] for half in halves]
    np.testing.assert_array_equal(np.concatenate(parts), whole[k]["signal"])


def test_signals_of_different_length_cannot_be_resident():
  with pytest.raises(UserError, match="data of one shape"):
    loader.batches(_signals(), batch_size=4, steps=1, seed=0, rows_alone=True)
