"""Examples that live on the device make the batches that the host makes."""

import dataclasses

import jax
import numpy as np
import pytest

from medfm import mesh as meshes
from medfm import setup, train
from medfm.data import loader, orders
from medfm.types import Lengths, Split, UserError
from tests.test_scale import arranged, dataset, job


@pytest.mark.parametrize("arrangement", [(1, 1, 1), (2, 2, 2), (8, 1, 1)])
@pytest.mark.parametrize("order", [orders.uniform, orders.balanced])
def test_a_gathered_batch_is_the_hosts(arrangement, order):
  hosts = job(arrangement, order=order)
  ours = job(arrangement, order=order, resident=True)
  gather = meshes.gather(ours.split, ours.model.mesh)
  for k in range(6):  # 40 rows in batches of 18: ragged ones are among them.
    host = setup.placed(hosts.model, hosts.batches[k])
    batch = setup.placed(ours.model, ours.batches[k])
    assert batch.keys() == {"row", "weight", "id", "visit"}
    found = gather(batch)
    assert found.keys() == host.keys()
    for name, array in found.items():
      real = np.asarray(host["weight"]) > 0
      assert array.dtype == host[name].dtype
      np.testing.assert_array_equal(array[real], host[name][real])
      assert array.sharding == meshes.rows(ours.model.mesh)


def test_wide_numbers_become_those_of_the_device():
  arrays = {"x": np.arange(6.0), "n": np.arange(6), "b": np.arange(6) > 2}
  split = Split(arrays, np.arange(6).astype(str))
  gather = meshes.gather(split, arranged(1, 1, 1)())
  found = gather({"row": np.array([5, 0], np.int32)})
  assert [str(found[name].dtype) for name in "xnb"] == [
    "float32",
    "int32",
    "bool",
  ]
  np.testing.assert_array_equal(found["x"], [5, 0])
  np.testing.assert_array_equal(found["n"], [5, 0])
  np.testing.assert_array_equal(found["b"], [True, False])


@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_a_run_learns_the_same_bit_for_bit(tmp_path, parallel):
  count = len(jax.devices())
  states = []
  for place, settings in (("host", {}), ("device", {"resident": True})):
    made = job((count, 1, 1), 12, parallel=parallel, **settings)
    states.append(train.train(made, tmp_path / place, "run", None)[0])
  jax.tree.map(np.testing.assert_array_equal, *states)


def test_a_run_goes_on_with_its_examples_elsewhere(tmp_path):
  whole, _ = train.train(job((1, 1, 1), 12), tmp_path / "whole", "run", None)
  for steps, held in ((5, True), (8, False), (12, True)):
    made = job((1, 1, 1), steps, resident=held)
    state, _ = train.train(made, tmp_path / "parts", "run", None)
  jax.tree.map(np.testing.assert_array_equal, whole, state)


@pytest.mark.parametrize(
  "settings", [{"transforms": (lambda e, g: e,)}, {"order": orders.by_length}]
)
def test_what_rows_alone_do_not_tell_is_refused(settings):
  split = dataset().splits["train"]
  split = dataclasses.replace(
    split, lengths=Lengths(np.full(len(split), 3), ("features",))
  )
  with pytest.raises(UserError, match="needs whole, unchanged examples"):
    loader.batches(
      split,
      batch_size=4,
      steps=1,
      seed=0,
      rows_alone=True,
      **settings,
    )
