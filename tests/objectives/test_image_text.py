"""CLIP's and SigLIP's loss, and pairs that are no rivals."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medfm import step as steps
from medfm.models.two_towers import TwoTowers, unit
from medfm.objectives.image_text import (
  _at_most,
  clip,
  contrasted,
  paired,
  siglip,
)
from medfm.types import UserError
from tests import infos, test_step
from tests.objectives import pictures

MODEL = functools.partial(TwoTowers, **pictures.TOWERS)
GROUPS = np.array([0, 1, 2, 0, 3, 0])


def logits():
  return np.random.default_rng(0).normal(size=(6, 6)).astype("f") * 3


def same(groups=GROUPS):
  return groups[:, None] == groups[None]


def clip_by_hand(logits, groups, known, how):
  """Radford et al. 2021, figure 3, as loops in float64, without the shares'
  entropy."""
  losses, count = [], len(logits)
  for i in range(count):
    total = 0.0
    for each in (logits[i], logits[:, i]):
      each = each.astype(np.float64)
      equal = [j for j in range(count) if groups[j] == groups[i] and j != i]
      among = [j for j in range(count) if known[j] or j == i]
      right = [i]
      if how == "positive":
        right += [j for j in equal if known[j]]
      if how == "ignored":
        among = [j for j in among if j not in equal]
      whole = math.log(sum(math.exp(each[j]) for j in among))
      total += np.mean([whole - each[j] for j in right]) - math.log(len(right))
    losses.append(total / 2)
  return losses


def siglip_by_hand(logits, groups, known, how):
  """Zhai et al. 2023, algorithm 1, as loops in float64."""
  losses = []
  for i, row in enumerate(logits.astype(np.float64)):
    total = 0.0
    for j, logit in enumerate(row):
      equal = groups[i] == groups[j] and i != j
      if (not known[j] and i != j) or (how == "ignored" and equal):
        continue
      sign = 1 if i == j or (how == "positive" and equal) else -1
      total += math.log1p(math.exp(-sign * logit))
    losses.append(total)
  return losses


@pytest.mark.parametrize("how", ["positive", "ignored", "negative"])
@pytest.mark.parametrize("padded", [(), (3, 4)])
@pytest.mark.parametrize(
  ("loss", "by_hand"), [(contrasted, clip_by_hand), (paired, siglip_by_hand)]
)
def test_the_loss_is_that_of_the_paper(loss, by_hand, padded, how):
  known = np.ones(6, bool)
  known[list(padded)] = False
  told = loss(*map(jnp.asarray, (logits(), same(), known)), how)
  expected = by_hand(logits(), GROUPS, known, how)
  np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [contrasted, paired])
def test_captions_that_all_differ_have_one_loss_however_treated(loss):
  known, different = jnp.ones(6, bool), jnp.eye(6, dtype=bool)
  first, *others = (
    loss(jnp.asarray(logits()), different, known, how)
    for how in ("negative", "positive", "ignored")
  )
  for other in others:
    np.testing.assert_allclose(other, first, rtol=1e-6)


def test_equal_captions_that_score_alike_cost_nothing():
  perfect = jnp.where(same(), 30.0, -30.0)
  for loss in (contrasted, paired):
    told = loss(perfect, jnp.asarray(same()), jnp.ones(6, bool))
    np.testing.assert_allclose(told, 0, atol=1e-5)


@pytest.mark.parametrize("loss", [contrasted, paired])
def test_free_vectors_are_drawn_to_their_partners(loss):
  generator = np.random.default_rng(0)
  params = {
    "image": jnp.asarray(generator.normal(size=(6, 4)), jnp.float32),
    "text": jnp.asarray(generator.normal(size=(6, 4)), jnp.float32),
    "scale": jnp.log(10.0),
    "bias": jnp.asarray(-10.0),
  }
  captions = jnp.asarray(same())

  def cosines(params):
    # Examples with an equal caption have one vector for it.
    text = unit(params["text"])[np.unique(GROUPS, return_inverse=True)[1]]
    return unit(params["image"]) @ text.T

  def total(params):
    logits = jnp.exp(params["scale"]) * cosines(params) + params["bias"]
    return loss(logits, captions, jnp.ones(6, bool)).mean()

  optimizer = optax.adam(0.05)

  @jax.jit
  def learnt(params):
    def step(_, held):
      params, state = held
      change, state = optimizer.update(jax.grad(total)(params), state)
      return optax.apply_updates(params, change), state

    return jax.lax.fori_loop(0, 300, step, (params, optimizer.init(params)))[0]

  after = learnt(params)
  assert total(after) < 0.05 * total(params)
  nearest = np.asarray(cosines(after)).argmax(1)
  np.testing.assert_array_equal(GROUPS[nearest], GROUPS)


def test_the_scale_stops_at_its_top_and_comes_back():
  slope = jax.grad(lambda x, sign: sign * _at_most(x, 2.0))
  assert _at_most(3.0, 2.0) == 2.0
  assert slope(3.0, -1.0) == 0  # Would lead further up.
  assert slope(3.0, 1.0) == 1
  assert slope(1.0, -1.0) == -1


def objective(factory=clip, **settings):
  info, batch = pictures.pairs()
  made = factory(info, model=MODEL, **settings)
  return made, batch


@pytest.fixture(scope="module", params=[clip, siglip])
def made(request):
  """A jitted objective, its batch and variables."""
  plain, batch = objective(request.param)
  variables = jax.jit(plain.init)(jax.random.key(0), batch)
  return request.param, jax.jit(plain.predict), batch, variables


def test_equal_texts_are_found_in_the_batch(made):
  factory, predict, batch, variables = made
  told = predict(variables, batch)
  number = variables["params"]["decoder"]
  cosines = np.asarray(told["image_embedding"] @ told["text_embedding"].T)
  scale = np.exp(number["log_scale"])
  groups = np.array([0, 0, *range(2, 8)])  # As `pictures.pairs` has them.
  known = np.ones(8, bool)
  if factory is clip:
    assert scale == pytest.approx(1 / 0.07)
    expected = clip_by_hand(scale * cosines, groups, known, "positive")
  else:
    logit = scale * cosines + np.asarray(number["bias"])
    expected = siglip_by_hand(logit, groups, known, "positive")
  np.testing.assert_allclose(told["loss"], expected, rtol=1e-4, atol=1e-4)


def test_vectors_have_length_one_and_matches_are_counted(made):
  _, predict, batch, variables = made
  told = predict(variables, batch)
  for name in ("image_embedding", "text_embedding"):
    length = np.linalg.norm(told[name], axis=1)
    np.testing.assert_allclose(length, 1, atol=1e-5)
  cosines = np.asarray(told["image_embedding"] @ told["text_embedding"].T)
  nearest = cosines.argmax(1)
  groups = np.array([0, 0, *range(2, 8)])
  np.testing.assert_array_equal(told["matched"], groups[nearest] == groups)


def test_an_example_without_its_text_has_no_weight_and_is_no_rival(made):
  _, predict, batch, variables = made
  lacking = {**batch, "text/present": np.arange(8) != 6}
  padded = {**batch, "weight": (np.arange(8) != 6).astype("f")}
  told, expected = predict(variables, lacking), predict(variables, padded)
  rows = np.arange(8) != 6
  np.testing.assert_array_equal(told["weight"], rows)
  np.testing.assert_allclose(
    told["loss"][rows], expected["loss"][rows], rtol=1e-5
  )


def test_eight_devices_compare_the_same_pairs_as_one():
  plain, batch = objective()
  batch = {**batch, "weight": np.array([1, 1, 1, 0, 1, 1, 1, 1], "f")}
  batches = [batch, batch]
  # Adam would divide what rounding adds to a small gradient by its size.
  one, eight = (
    test_step.run(plain, batches, devices=n, optimizer=optax.sgd(0.1))
    for n in (1, 8)
  )
  test_step.close(one[1], eight[1], 1e-4)
  test_step.close(one[0].params, eight[0].params, 1e-4)


def test_what_cuts_the_batch_is_refused():
  plain, _ = objective()
  assert plain.coupled
  with pytest.raises(UserError, match="choose accumulate=1"):
    steps.train_step(plain, None, seed=0, accumulate=2)


def test_settings_that_make_no_sense_are_refused():
  with pytest.raises(UserError, match="temperature=0"):
    objective(temperature=0)
  with pytest.raises(UserError, match="temperature=-1"):
    objective(siglip, temperature=-1)
  with pytest.raises(UserError, match="same_caption='rival'"):
    objective(same_caption="rival")
  with pytest.raises(UserError, match="expected a picture and a text"):
    clip(infos.info("toy"), model=MODEL)
