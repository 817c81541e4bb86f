"""DINO: student, teacher and centre."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm import rng, settings, train
from medfm.augment import geometry, views
from medfm.models.resnet import ResNet
from medfm.nn import forward
from medfm.nn import inputs as device_inputs
from medfm.objectives.self_distillation import Head, dino
from medfm.types import UserError
from tests.objectives import pictures

LOCAL = (
  functools.partial(geometry.resized_crop, share=(0.2, 0.4), size=(4, 4)),
)
FACTORY = functools.partial(
  dino,
  model=pictures.VIT,
  changes=pictures.CHANGES,
  local_changes=LOCAL,
  local_views=2,
  prototypes=12,
  hidden=16,
  width=8,
  momentum=0.9,
)
KEY = jax.random.key(7)


@functools.cache
def made(**settings):
  info, batch = pictures.images()
  objective = FACTORY(info, **settings)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  return batch, objective._replace(loss=jax.jit(objective.loss)), variables


def test_a_fresh_teacher_is_the_student():
  _, _, variables = made()
  jax.tree.map(
    np.testing.assert_array_equal, variables["teacher"], variables["params"]
  )
  assert set(variables) == {"params", "teacher", "centre"}


def test_a_teacher_begins_as_the_student_does_with_weights_from_elsewhere():
  _, _, variables = made()
  other = jax.tree.map(lambda leaf: leaf + 1, variables["params"])
  state = types.SimpleNamespace(
    params=variables["params"],
    extra={name: variables[name] for name in ("teacher", "centre")},
    _replace=lambda **new: types.SimpleNamespace(**new),
  )
  run = types.SimpleNamespace(
    start=settings.Start(weights="elsewhere", fresh=(), unused=())
  )
  _, objective, _ = made()
  state, _ = train.begun(run, state, {"params": other}, objective.copies)
  jax.tree.map(np.testing.assert_array_equal, state.params, other)
  jax.tree.map(np.testing.assert_array_equal, state.extra["teacher"], other)


def test_the_teacher_follows_the_student_and_the_centre_the_answers():
  batch, objective, variables = made()
  moved = jax.tree.map(lambda leaf: leaf + 1, variables["params"])
  variables = {**variables, "params": moved}
  _, updates = objective.loss(variables, batch, KEY)
  jax.tree.map(
    lambda new, old: np.testing.assert_allclose(new, old + 0.1, atol=1e-5),
    updates["teacher"],
    variables["teacher"],
  )
  centre = np.asarray(updates["centre"]["mean"])
  assert centre.shape == (1, 12) and np.abs(centre).max() > 0


def test_the_centre_is_a_mean_over_rows_that_count():
  batch, objective, variables = made()
  weight = np.array([1, 1, 0, 1, 1, 1, 0, 1], "float32")
  _, padded = objective.loss(variables, {**batch, "weight": weight}, KEY)
  other = {**batch, "weight": weight, "image": batch["image"].copy()}
  other["image"][[2, 6]] = 0
  _, same = objective.loss(variables, other, KEY)
  np.testing.assert_allclose(
    padded["centre"]["mean"], same["centre"]["mean"], atol=1e-6
  )


def test_no_gradient_reaches_the_teacher():
  batch, objective, variables = made()

  def loss(teacher):
    terms, _ = objective.loss({**variables, "teacher": teacher}, batch, KEY)
    return terms["loss"].sum()

  slopes = jax.jit(jax.grad(loss))(variables["teacher"])
  assert all(not np.any(leaf) for leaf in jax.tree.leaves(slopes))


def test_the_loss_is_at_least_the_spread_of_the_answers():
  batch, objective, variables = made()
  terms, _ = objective.loss(variables, batch, KEY)
  assert (terms["loss"] >= terms["spread"] - 1e-5).all()
  assert (terms["spread"] > 0).all() and (terms["spread"] <= np.log(12)).all()


def by_hand(objective, info, batch, variables):
  """The loss of the paper's algorithm 1, a view and a pair at a time."""
  keys = jax.random.split(jax.random.split(KEY)[0], 4)
  recipes = [pictures.CHANGES] * 2 + [LOCAL] * 2
  seen = [
    views.view_of(batch["image"], rng.per_example(own, batch["id"]), changes)
    for own, changes in zip(keys, recipes, strict=True)
  ]
  head = Head(16, 8, 12)

  @jax.jit
  def said(params, picture):
    some = device_inputs.standard({**batch, "image": picture}, info)
    states, _ = forward.apply(objective.net, {"params": params}, some)
    return forward.apply(
      head, {"params": params}, states["embedding"], scope="decoder"
    )[0]

  student = [said(variables["params"], picture) for picture in seen]
  teacher = [said(variables["teacher"], picture) for picture in seen[:2]]
  student = [np.log(softmax(np.asarray(a, float) / 0.1)) for a in student]
  centre = np.asarray(variables["centre"]["mean"])
  teacher = [softmax((np.asarray(a, float) - centre) / 0.04) for a in teacher]
  pairs = [(i, j) for i in range(2) for j in range(4) if i != j]
  losses = [-(teacher[i] * student[j]).sum(1) for i, j in pairs]
  return np.mean(losses, axis=0)


def softmax(logits):
  raised = np.exp(logits - logits.max(1, keepdims=True))
  return raised / raised.sum(1, keepdims=True)


def test_the_loss_is_that_of_the_paper():
  batch, objective, variables = made()
  moved = jax.tree.map(lambda leaf: 0.9 * leaf + 0.01, variables["params"])
  centre = {"mean": jnp.linspace(-0.1, 0.1, 12)[None]}
  variables = {**variables, "params": moved, "centre": centre}
  terms, _ = objective.loss(variables, batch, KEY)
  info, _ = pictures.images()
  expected = by_hand(objective, info, batch, variables)
  np.testing.assert_allclose(terms["loss"], expected, rtol=1e-4)


def test_without_small_views_the_large_ones_are_enough():
  batch, objective, variables = made(local_changes=())
  terms, _ = objective.loss(variables, batch, KEY)
  assert np.isfinite(terms["loss"]).all()


def test_batch_normalisation_is_refused():
  info, batch = pictures.images()
  objective = FACTORY(info, model=functools.partial(ResNet, depth=10, width=4))
  with pytest.raises(UserError, match=r"model\.norm='group'"):
    jax.eval_shape(objective.init, KEY, batch)


def test_changes_are_needed():
  with pytest.raises(UserError, match="needs changes"):
    FACTORY(pictures.images()[0], changes=())
