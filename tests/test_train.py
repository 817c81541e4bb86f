"""What the loop takes for its best step, and data of different length."""

import dataclasses
import functools
import math
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medfm import mesh as meshes
from medfm import optim, settings, setup, train
from medfm.data import cuts, orders
from medfm.types import Dataset, Objective, Ragged, Split
from tests import infos

BEST = {"metric": "validation/auroc", "value": 0.7, "step": 10}
BAD = (None, math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("select", ["auroc", "-auroc"])
@pytest.mark.parametrize("best", [None, BEST])
def test_a_score_that_is_not_finite_is_never_the_best(select, best, bad):
  scores = {"validation/auroc": bad}
  assert train._better(select, best, scores, 20) is best


def test_equal_scores_of_few_examples_are_told_apart_by_the_brier_score():
  best = None
  for step, (auroc, brier) in enumerate(
    [(0.9, 0.1), (1.0, 0.2), (1.0, 0.05), (1.0, 0.07), (0.9, 0.01)], 1
  ):
    scores = {"validation/auroc": auroc, "validation/brier": brier}
    best = train._better("auroc", best, scores, step, "brier")
  assert best["step"] == 3
  scores = {"validation/auroc": 1.0}
  assert train._better("auroc", best, scores, 6, "brier") is best


@pytest.mark.parametrize(("select", "sign"), [("auroc", 1), ("-auroc", -1)])
def test_a_better_score_is_the_best_and_of_equal_ones_the_first(select, sign):
  def best(score):
    return train._better(select, BEST, {"validation/auroc": score}, 20)

  better = 0.7 + 0.1 * sign
  assert best(better) == {**BEST, "value": better, "step": 20}
  assert best(0.7) == best(0.7 - 0.1 * sign) == BEST


def mean_of_signal(info):
  """Tells two classes apart by the mean of a signal."""
  del info

  def logits(variables, batch):
    places = jnp.arange(batch["signal"].shape[1])[None]
    real = places < batch["signal/size"][:, None]
    total = jnp.where(real, batch["signal"], 0).sum(1)
    mean = total / batch["signal/size"]
    return variables["params"]["w"] * mean + variables["params"]["b"]

  def init(key, batch):
    del key, batch
    return {"params": {"w": jnp.zeros(()), "b": jnp.zeros(())}}

  def loss(variables, batch, key):
    del key
    found = logits(variables, batch)
    losses = optax.sigmoid_binary_cross_entropy(found, batch["label"])
    return {"loss": losses}, {}

  def predict(variables, batch):
    return {"probs": jax.nn.sigmoid(logits(variables, batch))}

  return Objective(init, loss, predict)


def one_device():
  return jax.make_mesh(
    (1, 1, 1),
    meshes.AXES,
    axis_types=(jax.sharding.AxisType.Auto,) * 3,
    devices=jax.devices()[:1],
  )


def signals(folder, count=300, longest=20_000):
  """Memory-mapped signals whose mean is their label's sign."""
  generator = np.random.default_rng(0)
  lengths = generator.integers(200, longest, count)
  label = np.arange(count) % 2
  np.save(folder / "values.npy", np.zeros(lengths.sum(), np.float32))
  values = np.load(folder / "values.npy", mmap_mode="r+")
  values[:] = np.repeat(2.0 * label - 1, lengths)
  values.flush()
  values = np.load(folder / "values.npy", mmap_mode="r")
  arrays = {"signal": Ragged(values, np.cumsum(lengths)), "label": label}
  split = Split(arrays, np.arange(count).astype(str))
  info = infos.info("toy", "multiclass", ("no", "yes"))
  kind = type("Signal", (type(info.only),), {"arrays": ("signal",)})
  fields = dataclasses.fields(info.only)
  signal = kind(**{f.name: getattr(info.only, f.name) for f in fields})
  info = dataclasses.replace(info, inputs={"signal": signal})
  return Dataset({"train": split}, info, {"fingerprint": "toy"})


@pytest.mark.parametrize("order", [orders.uniform, orders.by_length])
def test_signals_of_different_length_train_with_flat_memory(order, tmp_path):
  data = signals(tmp_path)
  column = data.splits["train"].arrays["signal"]
  run = settings.Run(
    data=lambda folders: data,
    objective=mean_of_signal,
    optimizer=functools.partial(optim.optimizer, lr=0.1),
    batch_size=8,
    epochs=1,
    order=order,
    devices=settings.Devices(mesh=one_device),
  )
  job = setup.job(run, data)
  tracemalloc.start()
  for batch in job.batches:
    del batch
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < column.values.nbytes / 4
  state, _ = train.train(job, tmp_path / "run", "run", None)
  assert job.step._cache_size() <= len(cuts.padding(column).shapes) <= 8
  variables = {"params": state.params}
  probs = setup.predictions(job.model, variables, job.split)["probs"]
  label = job.split.arrays["label"]
  assert ((probs > 0.5) == label).all()
  np.testing.assert_allclose(probs, np.where(label, probs[1], probs[0]), 1e-5)


@pytest.mark.parametrize("on_cpu", [True, False])
def test_a_cpu_ends_a_step_before_it_begins_the_next(
  on_cpu, tmp_path, monkeypatch
):
  data = signals(tmp_path, count=40, longest=300)
  run = settings.Run(
    data=lambda folders: data,
    objective=mean_of_signal,
    optimizer=functools.partial(optim.optimizer, lr=0.1),
    batch_size=8,
    steps=5,
    devices=settings.Devices(mesh=one_device),
  )
  job = setup.job(run, data)
  calls = []

  def stepped(state, batch):
    calls.append("begun")
    return job.step(state, batch)

  def awaited(state):
    calls.append("ended")
    return state

  monkeypatch.setattr(train.backend, "on_cpu", lambda: on_cpu)
  monkeypatch.setattr(train.jax, "block_until_ready", awaited)
  train.train(
    dataclasses.replace(job, step=stepped), tmp_path / "run", "run", None
  )
  # Elsewhere only the first is waited for, which is compiled.
  later = ["begun", "ended"] if on_cpu else ["begun"]
  assert calls == ["begun", "ended", *later * 4]
