import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medfm import mesh as meshes
from medfm import step as steps
from medfm import tree
from medfm.data import loader, orders
from medfm.nn.norm import BatchNorm
from medfm.types import Objective, Split, UserError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype(np.float32)


def batch(n=16, **extra):
  return {
    "x": X[:n],
    "label": X[:n].sum(1) ** 2,
    "weight": np.ones(n, np.float32),
    "id": np.arange(n, dtype=np.int32),
    **extra,
  }


def linear():
  def init(key, batch):
    del batch
    return {"params": {"w": jax.random.normal(key, (3,)), "b": jnp.zeros(())}}

  def loss(variables, batch, key):
    del key
    params = variables["params"]
    error = batch["x"] @ params["w"] + params["b"] - batch["label"]
    return {"loss": error**2}, {}

  return Objective(init, loss, lambda variables, batch: {})


def normed():
  norm = BatchNorm()

  def init(key, batch):
    return norm.init(key, batch["x"])

  def loss(variables, batch, key):
    del key
    y, updates = norm.apply(
      variables, batch["x"], batch["weight"], train=True, mutable="batch_stats"
    )
    return {"loss": (y.sum(-1) - batch["label"]) ** 2}, updates

  return Objective(init, loss, lambda variables, batch: {})


def ranked():
  """A Cox-like loss: each example beside all whose label is no smaller."""

  def loss(variables, batch, key):
    del key
    score = batch["x"] @ variables["params"]["w"]
    later = batch["label"][None] >= batch["label"][:, None]
    at_risk = jnp.where(later & (batch["weight"] > 0)[None], score[None], -1e9)
    return {"loss": jax.nn.logsumexp(at_risk, -1) - score}, {}

  return linear()._replace(loss=loss, coupled=True)


def clipped(objective, variables, batch, key, *, norm=1.0):
  """As in DP-SGD: the sum of the examples' gradients, each cut to a norm."""

  def of_example(example):
    part = {name: array[None] for name, array in example.items()}
    return steps.gradients(objective, variables, part, key)

  gradient, (sums, weight, updates) = jax.vmap(of_example)(dict(batch))
  norms = jax.vmap(optax.tree.norm)(gradient)
  factor = jnp.minimum(1, norm / jnp.maximum(norms, 1e-12))
  gradient = jax.tree.map(lambda g: jnp.tensordot(factor, g, axes=1), gradient)
  return gradient, (jax.tree.map(jnp.sum, sums), jnp.sum(weight), updates)


clipped.per_example = True


def run(
  objective,
  batches,
  *,
  optimizer=None,
  parallel="jit",
  devices=None,
  **settings,
):
  optimizer = optimizer or optax.adam(0.1)
  axes = (jax.sharding.AxisType.Auto,) * 3
  devices = devices or jax.device_count()
  mesh = jax.make_mesh(
    (devices, 1, 1),
    meshes.AXES,
    axis_types=axes,
    devices=jax.devices()[:devices],
  )
  fresh = functools.partial(
    steps.initial,
    objective,
    optimizer,
    ema_decay=settings.get("ema_decay", 0.0),
  )
  state = jax.jit(fresh)(jax.random.key(0), batches[0])
  places = meshes.shardings(state, mesh, ())
  step = steps.compiled(
    functools.partial(
      steps.train_step, objective, optimizer, seed=0, **settings
    ),
    mesh,
    places,
    parallel,
  )
  state = jax.device_put(state, places)
  for one in batches:
    state, scalars = step(
      state, jax.device_put(one, meshes.rows(mesh)) if devices > 1 else one
    )
  return jax.device_get((state, scalars))


def close(a, b, tolerance=1e-5):
  one, two = tree.paths(a), tree.paths(b)
  assert one.keys() == two.keys()
  for name in one:
    np.testing.assert_allclose(
      one[name], two[name], rtol=tolerance, atol=tolerance, err_msg=name
    )


@pytest.mark.parametrize("objective", [linear, normed])
def test_one_device_eight_devices_and_pmap_agree(objective):
  batches = [batch(), batch()]
  one = run(objective(), batches, devices=1)
  close(one, run(objective(), batches, devices=8))
  close(one, run(objective(), batches, parallel="pmap"))


@pytest.mark.parametrize("objective", [linear, normed])
def test_padding_changes_nothing(objective):
  padded = batch()
  padded["weight"] = np.array([1] * 11 + [0] * 5, np.float32)
  padded["x"] = np.concatenate([X[:11], np.full((5, 3), 1e3, np.float32)])
  close(
    run(objective(), [batch(11)], devices=1),
    run(objective(), [padded], devices=1),
  )


def test_accumulation_equals_the_whole_batch():
  ragged = batch()
  ragged["weight"][12:] = 0
  close(
    run(linear(), [ragged], devices=1),
    run(linear(), [ragged], devices=1, accumulate=4),
  )


def test_accumulation_that_does_not_divide_is_refused():
  with pytest.raises(UserError, match="accumulate=3"):
    run(linear(), [batch()], devices=1, accumulate=3)


def test_the_loss_is_the_weighted_mean():
  weights = RNG.uniform(size=16).astype(np.float32)
  state, _ = run(linear(), [batch()], optimizer=optax.set_to_zero(), devices=1)
  _, scalars = run(
    linear(), [batch(weight=weights)], optimizer=optax.set_to_zero(), devices=1
  )
  error = (X @ state.params["w"] - batch()["label"]) ** 2
  expected = (weights * error).sum() / weights.sum()
  np.testing.assert_allclose(scalars["loss"], expected, rtol=1e-5)


def test_a_step_that_is_not_finite_changes_only_the_counts():
  broken = batch()
  broken["x"] = np.full((16, 3), np.nan, np.float32)
  good, _ = run(linear(), [batch()], devices=1, ema_decay=0.9)
  bad, scalars = run(linear(), [batch(), broken], devices=1, ema_decay=0.9)
  assert int(bad.extra.pop("skipped")) == int(scalars["skipped"]) == 1
  assert int(bad.extra.pop("skipped_in_row")) == 1
  del good.extra["skipped"], good.extra["skipped_in_row"]
  assert (int(good.step), int(bad.step)) == (1, 2)
  close(good._replace(step=0), bad._replace(step=0), 0)


def test_a_finite_step_ends_the_row_of_skipped_ones():
  broken = batch(x=np.full((16, 3), np.inf, np.float32))
  state, _ = run(linear(), [broken, broken, batch()], devices=1)
  assert int(state.extra["skipped"]) == 2
  assert int(state.extra["skipped_in_row"]) == 0


def test_averaged_parameters_are_what_predict_reads():
  broken = batch(x=np.full((16, 3), np.nan, np.float32))
  batches = [batch(), broken, batch(), batch()]
  fresh, _ = run(linear(), [batch()], optimizer=optax.set_to_zero(), devices=1)
  mean = fresh.params["w"]
  # The average of few steps forgets its start; a skipped step is none.
  for last, decay in ((1, 1 / 10), (3, 2 / 11), (4, 0.2)):
    state, _ = run(linear(), batches[:last], devices=1, ema_decay=0.2)
    mean = decay * mean + (1 - decay) * state.params["w"]
    read = steps.variables(state)["params"]["w"]
    np.testing.assert_allclose(read, mean, rtol=1e-6)


def test_batch_statistics_are_averaged_with_the_parameters():
  batches = [batch(x=X + shift) for shift in (0, 5)]
  seen = []
  for count in (1, 2):
    state, _ = run(normed(), batches[:count], devices=1, ema_decay=0.9)
    seen.append(np.asarray(state.extra["batch_stats"]["mean"]))
  # From zero, by 1/10 and 2/11.
  expected = 2 / 11 * (0.9 * seen[0]) + 9 / 11 * seen[1]
  read = steps.variables(state)["batch_stats"]["mean"]
  np.testing.assert_allclose(read, expected, rtol=1e-5)
  assert np.abs(read - seen[1]).max() > 0.01


def test_an_unknown_way_to_run_in_parallel_is_refused():
  with pytest.raises(UserError, match="choose jit or pmap"):
    run(linear(), [batch()], parallel="threads")


def test_gradients_of_single_examples_can_be_clipped_however_they_are_cut():
  ragged = batch()
  ragged["weight"][13:] = 0
  batches = [ragged, batch()]
  settings = {"gradients": clipped, "optimizer": optax.sgd(0.1)}
  one = run(linear(), batches, devices=1, **settings)
  close(one, run(linear(), batches, devices=1, accumulate=4, **settings))
  close(one, run(linear(), batches, devices=8, **settings))
  close(one, run(linear(), batches, devices=8, accumulate=2, **settings))
  close(one, run(linear(), batches, parallel="pmap", **settings))
  # By hand: every gradient is longer than 1, and cut to it.
  state, _ = run(linear(), batches[:1], devices=1, **settings)
  start, _ = run(linear(), batches[:1], optimizer=optax.set_to_zero())
  error = X @ start.params["w"] - batch()["label"]
  each = 2 * error[:, None] * np.concatenate([X, np.ones((16, 1))], 1)
  each = each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1)
  expected = start.params["w"] - 0.1 * each[:13, :3].sum(0) / 13
  np.testing.assert_allclose(state.params["w"], expected, rtol=1e-4, atol=1e-5)
  whole, _ = run(linear(), batches[:1], devices=1, optimizer=optax.sgd(0.1))
  assert np.abs(whole.params["w"] - state.params["w"]).max() > 0.01


def test_a_coupled_objective_sees_the_batch_of_all_devices():
  ragged = batch()
  ragged["weight"][11:] = 0
  one = run(ranked(), [ragged, batch()], devices=1)
  close(one, run(ranked(), [ragged, batch()], devices=8))
  alone = run(ranked(), [ragged], devices=1)
  close(alone, run(ranked(), [batch(11)], devices=1))


@pytest.mark.parametrize(
  ("settings", "advice"),
  [
    ({"accumulate": 2}, "choose accumulate=1"),
    ({"parallel": "pmap"}, "parallel=.jit."),
    ({"gradients": clipped}, "choose gradients=step.gradients"),
    (
      {"gradients": functools.partial(clipped, norm=2.0)},
      "choose gradients=step.gradients",
    ),
  ],
)
def test_a_coupled_objective_refuses_what_cuts_its_batch(settings, advice):
  with pytest.raises(UserError, match=advice):
    run(ranked(), [batch()], **settings)


def noisy(part, keys):
  """Noise of its own for every example."""
  draw = jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)
  return {**part, "x": part["x"] + 0.3 * draw}


def test_an_augmented_step_is_the_same_however_it_is_cut():
  ragged = batch(visit=np.arange(16) // 4)
  ragged["weight"][13:] = 0
  one = run(linear(), [ragged], devices=1, augment=noisy)
  close(one, run(linear(), [ragged], devices=1, augment=noisy, accumulate=4))
  close(one, run(linear(), [ragged], devices=8, augment=noisy))
  close(one, run(linear(), [ragged], parallel="pmap", augment=noisy))
  plain = run(linear(), [ragged], devices=1)
  assert abs(plain[1]["loss"] - one[1]["loss"]) > 1e-3


def epochs_losses(batch_size, seed=0, start=0):
  """The sum of the augmented losses of each of two epochs of real batches."""
  arrays = {"x": X, "label": batch()["label"]}
  batches = loader.batches(
    Split(arrays, np.arange(16).astype(str)),
    batch_size=batch_size,
    steps=2 * orders.per_epoch(16, batch_size),
    seed=3,
  )
  objective, still = linear(), optax.set_to_zero()
  step = jax.jit(steps.train_step(objective, still, seed=seed, augment=noisy))
  fresh = steps.initial(objective, still, jax.random.key(0), batches[0])
  totals = np.zeros(2)
  for k in range(start, len(batches)):
    _, scalars = step(fresh._replace(step=k), batches[k])
    count = batches[k]["weight"].sum()
    totals[2 * k // len(batches)] += scalars["loss"] * count
  return totals


def test_the_batch_size_and_resuming_change_no_augmentation():
  whole = epochs_losses(16)
  np.testing.assert_allclose(epochs_losses(3), whole, rtol=1e-5)
  np.testing.assert_allclose(epochs_losses(8), whole, rtol=1e-5)
  np.testing.assert_allclose(epochs_losses(8, start=2)[1], whole[1], rtol=1e-5)
  assert abs(whole[0] - whole[1]) > 1e-2  # Every visit draws anew.
  assert abs(whole[0] - epochs_losses(16, seed=1)[0]) > 1e-2
