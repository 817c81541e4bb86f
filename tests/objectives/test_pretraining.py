"""Pre-training of pictures: on volumes, on many devices, and after a stop."""

import functools

import jax
import numpy as np
import optax
import pytest

from medfm import step as steps
from medfm.augment import geometry
from medfm.checkpoint import Checkpoints
from medfm.objectives.contrastive import simclr
from medfm.objectives.masked_image import masked_image
from medfm.objectives.self_distillation import dino
from tests.objectives import pictures
from tests.test_step import close, run

SMALL = (
  functools.partial(geometry.resized_crop, share=(0.2, 0.4), size=(2, 4, 4)),
)
TURNED = (functools.partial(geometry.quarter_turn, plane=(0, 1)),)
HEAD = {"hidden": 16, "width": 8}
MAE = functools.partial(masked_image, width=16, depth=1, heads=2)
SIMCLR = functools.partial(simclr, changes=pictures.CHANGES, **HEAD)
DINO = functools.partial(
  dino, changes=pictures.CHANGES, prototypes=12, momentum=0.9, **HEAD
)


@pytest.mark.parametrize(
  "factory",
  [
    MAE,
    functools.partial(SIMCLR, changes=(*pictures.CHANGES, *TURNED)),
    functools.partial(DINO, local_changes=SMALL, local_views=2),
  ],
  ids=["masked_image", "simclr", "dino"],
)
def test_volumes_are_pretrained_as_images_are(factory):
  info, batch = pictures.volumes()
  objective = factory(info, model=pictures.VIT)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)

  @jax.jit
  def both(variables, batch):
    terms, _ = objective.loss(variables, batch, jax.random.key(1))
    return terms, objective.predict(variables, batch)

  terms, outputs = both(variables, batch)
  assert terms["loss"].shape == (4,) and np.isfinite(terms["loss"]).all()
  assert outputs["embedding"].shape == (4, 16)
  if "restored" in outputs:
    assert outputs["restored"].shape == batch["volume"].shape
    assert outputs["hidden"].mean() == pytest.approx(0.75)


@pytest.mark.parametrize("factory", [SIMCLR, DINO], ids=["simclr", "dino"])
def test_one_device_and_eight_agree(factory):
  info, batch = pictures.images(rows=16)
  batch["weight"][13:] = 0
  objective = factory(info, model=pictures.VIT)
  given = {"optimizer": optax.sgd(0.1)}
  one = run(objective, [batch, batch], devices=1, **given)
  close(one, run(objective, [batch, batch], devices=8, **given), 1e-4)


def test_a_teacher_and_its_centre_are_resumed_bit_for_bit(tmp_path):
  info, batch = pictures.images()
  objective, optimizer = DINO(info, model=pictures.VIT), optax.adam(0.01)
  fresh = functools.partial(steps.initial, objective, optimizer, ema_decay=0.0)
  start = jax.jit(fresh)(jax.random.key(0), batch)
  step = jax.jit(steps.train_step(objective, optimizer, seed=0))
  once, _ = step(start, batch)
  whole, _ = step(once, batch)
  checkpoints = Checkpoints(tmp_path / "checkpoints")
  checkpoints.save(1, once, {"best": None})
  checkpoints.wait()
  resumed, _ = step(checkpoints.restore(1, start), batch)
  checkpoints.close()
  jax.tree.map(np.testing.assert_array_equal, resumed, whole)
  teacher = jax.tree.leaves(whole.extra["teacher"])
  pairs = zip(teacher, jax.tree.leaves(whole.params), strict=True)
  assert any((a != b).any() for a, b in pairs)
  assert whole.extra["centre"]["mean"].any()
