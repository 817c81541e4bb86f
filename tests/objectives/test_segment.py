"""Segmentation: its two losses, unknown places, and what is refused."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.models.unet import UNet
from medfm.objectives import segment
from medfm.tasks import regions as task
from medfm.types import UserError
from tests.objectives import marked

MODEL = functools.partial(UNet)


def _plain(logits, truth, classes):
  probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  entropy, overlaps = [], []
  for p, t in zip(probs, truth, strict=True):
    there = t != task.UNKNOWN
    entropy.append(-np.log(p[there, t[there]]).mean())
    each = []
    for k in range(1, classes):
      a, b = p[there, k], t[there] == k
      each.append((2 * (a * b).sum() + 1e-5) / (a.sum() + b.sum() + 1e-5))
    overlaps.append(np.mean(each))
  return np.array(overlaps), np.array(entropy)


def test_losses_are_those_of_their_definition_without_unknown_places():
  generator = np.random.default_rng(0)
  logits = generator.normal(size=(2, 4, 5, 3)).astype("float32")
  truth = generator.integers(0, 3, (2, 4, 5))
  truth[0, 0] = task.UNKNOWN
  found = segment._terms(jnp.array(logits), jnp.array(truth), 3)
  for mine, other in zip(found, _plain(logits, truth, 3), strict=True):
    np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_an_example_without_any_known_place_has_no_weight():
  info, batch = marked.volumes()
  batch["regions"][0] = task.UNKNOWN
  objective = segment.regions(info, model=MODEL)
  variables = objective.init(jax.random.key(0), batch)
  terms, _ = objective.loss(variables, batch, jax.random.key(1))
  assert terms["weight"].tolist() == [0] + [1] * 7
  assert np.isfinite(terms["loss"]).all()


def test_touching_objects_are_parted_by_their_borders():
  label = jnp.array(
    [[[0, 0, 0, 0, 0, 0, 0, 0], *[[0, 5, 5, 5, 7, 7, 7, 0]] * 3]]
  )
  found = segment.with_borders(label)[0]
  assert found[0].tolist() == [0] * 8
  assert found[2].tolist() == [0, 2, 1, 2, 2, 1, 2, 0]
  assert found[1].tolist() == [0, 2, 2, 2, 2, 2, 2, 0]


@pytest.mark.parametrize(
  ("settings", "words"),
  [({"overlap": 1.0}, "overlap=1.0"), ({"mirror": (3,)}, "mirror=")],
)
def test_settings_without_sense_are_refused(settings, words):
  info, _ = marked.volumes()
  with pytest.raises(UserError, match=words):
    segment.regions(info, model=MODEL, **settings)


def test_data_without_a_plan_are_refused():
  info, _ = marked.volumes()
  plain = dataclasses.replace(info.only, plan=type(info.only.plan)())
  info = dataclasses.replace(info, inputs={"image": plain})
  with pytest.raises(UserError, match="without a plan"):
    segment.regions(info, model=MODEL)
