"""Survival: the Cox model, and discrete hazards of one cause or several.

`time` [B], `event` [B] int (0 censored, k failed of cause k, -1 unknown).
Every `predict` gives `risk` [B] to rank by, `survival` [B,T] at the target's
`times`, and for several causes `incidence` [B,K,T].
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from medfm.nn import forward
from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import backbone, expect_task, supervised
from medfm.tasks import survival
from medfm.types import Batch, Info, Objective, UserError

_NIL = -1e30
"""The logarithm of a weight of 0; its exponential is exactly 0."""


def cox(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  baseline_decay: float = 0.0,
) -> Objective:
  """Cox's partial likelihood with Efron's ties (Cox 1972, Efron 1977).

  The model gives one logit, the log hazard ratio. The risk sets are those of
  the batch (`coupled`), so take all examples in one (batch_size=0) or batches
  with tens of events. An example that failed contributes its share of the
  negative log likelihood with `weight` 1, a censored one 0: the mean is over
  events. An example of weight 0 is in no risk set.

  The baseline hazard (Breslow 1974) is a collection `baseline`: every step
  updates it from its training batch, predicted without dropout.

  baseline_decay: the share of the earlier hazards that is kept, such as 0.99
    for small batches; 0 if a batch is the whole training split.
  Terms: `loss`, `weight`. `predict`: `risk` (the log hazard ratio),
  `survival`, `embedding`.
  """
  expect_task(info, survival)
  target = info.target
  if len(target.names) > 1:
    raise UserError(
      f"{info.name} has several causes ({', '.join(target.names)}): use "
      "medfm.objectives.survival.discrete_hazards, or name one cause"
    )
  if not 0 <= baseline_decay < 1:
    raise UserError(f"baseline_decay={baseline_decay} is outside [0, 1)")
  net = backbone(info, model, outputs=1)
  times = np.asarray(target.times, np.float32)
  alive = 1 - np.asarray(target.incidence, np.float32)[0]
  start = -np.log(np.maximum(alive, 1e-6))

  def init(key, batch):
    variables = forward.init(net, key, inputs(batch, info))
    return {**variables, "baseline": {"hazard": jnp.asarray(start)}}

  def loss(variables, batch, key):
    seen = inputs(batch, info)
    outputs, updates = forward.apply(net, variables, seen, train=True, key=key)
    time, event, known = _outcomes(batch)
    weight = jnp.where(known, batch["weight"], 0)
    losses = partial_likelihood(outputs["logits"][:, 0], time, event, weight)
    failed = (event > 0).astype(jnp.float32)
    clean, _ = forward.apply(net, variables, seen)
    risk = jax.lax.stop_gradient(clean["logits"][:, 0])
    hazard = breslow(risk, time, event, weight, times)
    old = variables["baseline"]["hazard"]
    hazard = baseline_decay * old + (1 - baseline_decay) * hazard
    terms = {"loss": jnp.where(failed > 0, losses, 0), "weight": failed}
    return terms, {**updates, "baseline": {"hazard": hazard}}

  def predict(variables, batch):
    outputs, _ = forward.apply(net, variables, inputs(batch, info))
    risk, embedding = outputs["logits"][:, 0], outputs["embedding"]
    hazard = variables["baseline"]["hazard"]
    alive = jnp.exp(-jnp.exp(risk)[:, None] * hazard[None])
    return {"risk": risk, "survival": alive, "embedding": embedding}

  return Objective(init, loss, predict, task=survival, coupled=True, net=net)


def discrete_hazards(
  info: Info, *, model: Callable, inputs: Callable = device_inputs.standard
) -> Objective:
  """A hazard of each cause in each interval between the target's `times`.

  With one cause, Gensheimer & Narasimhan 2019 (PeerJ): the likelihood of
  surviving interval after interval and failing in the last one; with several,
  each interval's outcomes share a softmax (Tutz & Schmid 2016, Modeling
  Discrete Time-to-Event Data). A censored example has survived an interval
  if it was followed to its middle. Unlike theirs, an interval holds its upper
  end, and the model's logits [B,K*T] are added to the log odds of the
  training split: all zeros predict its Kaplan-Meier (Aalen-Johansen) curve.

  Terms: `loss`, `weight`. `predict`: `risk` (the expected share of the time up
  to the last one that is lost), `survival`, `embedding`, of several causes
  `incidence`.
  """
  expect_task(info, survival)
  target = info.target
  times = np.asarray(target.times, np.float32)
  prior = _prior(np.asarray(target.incidence, np.float64))
  causes, intervals = prior.shape
  middles = ((times + np.pad(times[:-1], (1, 0))) / 2)[None]
  widths = np.diff(times, prepend=0) / times[-1]
  numbers = np.arange(intervals)[None]

  def hazards(logits):
    """Log probabilities [B,K+1,T]; the first of no event."""
    logits = logits.reshape(-1, causes, intervals) + prior[None]
    logits = jnp.pad(logits, ((0, 0), (1, 0), (0, 0)))
    return jax.nn.log_softmax(logits, axis=1)

  def terms(logits, batch):
    time, event, known = _outcomes(batch)
    place = jnp.searchsorted(times, time)[:, None]
    survived = jnp.where(
      (event > 0)[:, None], numbers < place, time[:, None] >= middles
    )
    likelihood = hazards(logits)
    cause = jax.nn.one_hot(event, causes + 1)[:, 1:]
    shares = jnp.where(survived, likelihood[:, 0], 0) + jnp.where(
      numbers == place, jnp.einsum("bk,bkt->bt", cause, likelihood[:, 1:]), 0
    )
    return {
      "loss": jnp.where(known, -shares.sum(-1), 0),
      "weight": known.astype(jnp.float32),
    }

  def predicted(logits):
    likelihood = hazards(logits)
    alive = jnp.cumsum(likelihood[:, 0], -1)
    before = jnp.pad(alive[:, :-1], ((0, 0), (1, 0)))
    failing = jnp.exp(likelihood[:, 1:] + before[:, None])
    alive = jnp.exp(alive)
    # The area above the curve from 0 to the last time.
    corners = jnp.pad(alive, ((0, 0), (1, 0)), constant_values=1)
    lost = 1 - (corners[:, 1:] + corners[:, :-1]) @ widths / 2
    result = {"risk": lost, "survival": alive}
    if causes > 1:
      result["incidence"] = jnp.cumsum(failing, -1)
    return result

  count = causes * intervals
  return supervised(
    info, survival, model, inputs, terms, predicted, outputs=count
  )


def partial_likelihood(
  risk: jax.Array, time: jax.Array, event: jax.Array, weight: jax.Array
) -> jax.Array:
  """[B]: of each example with an event, its negative log partial likelihood.

  risk: log hazard ratios. Each of d examples that fail at the same time is
  charged with the mean over l < d of log(sum over those at risk - l/d sum over
  the d), as by Efron, with weights as in R's survival. 0 without an event.
  """
  order, group, failed, scores, total = _at_risk(risk, time, event, weight)
  size = len(risk)
  deaths = jnp.maximum(jax.ops.segment_sum(failed, group, size), 1)[group]
  seen = jnp.cumsum(failed) - failed
  place = failed * (seen - jax.ops.segment_min(seen, group, size)[group])
  peak = jnp.where(failed > 0, jax.lax.stop_gradient(scores), _NIL)
  peak = jax.ops.segment_max(peak, group, size)[group]
  shares = failed * jnp.exp(jnp.where(failed > 0, scores - peak, 0))
  dying = jax.ops.segment_sum(shares, group, size)[group]
  dying = peak + jnp.log(jnp.where(failed > 0, dying, 1))
  share = jnp.exp(jnp.where(failed > 0, dying - total, 0))
  charge = failed * (total + jnp.log1p(-place / deaths * share))
  charge = jax.ops.segment_sum(charge, group, size)[group] / deaths
  losses = failed * (charge - risk[order])
  return jnp.zeros_like(losses).at[order].set(losses)


def breslow(risk, time, event, weight, times: np.ndarray) -> jax.Array:
  """[T]: the cumulative baseline hazard at each of `times`; the rest is [B]."""
  order, _, failed, _, total = _at_risk(risk, time, event, weight)
  steps = failed * weight[order] * jnp.exp(-total)
  return steps @ (time[order][:, None] <= times[None]).astype(steps.dtype)


def _at_risk(risk, time, event, weight):
  """A batch by descending time, examples without weight last, each [B].

  The order of its examples; groups of the same time; 1 for an event; scores,
  log(weight) + risk; the logarithm of the sum of those at risk at each time.
  """
  counts = weight > 0
  key = jnp.where(counts, -time, jnp.inf)
  order = jnp.argsort(key)
  changes = key[order][1:] != key[order][:-1]
  group = jnp.cumsum(jnp.pad(changes, (1, 0)).astype(jnp.int32))
  scores = jnp.where(counts, risk + jnp.log(jnp.where(counts, weight, 1)), _NIL)
  scores = scores[order]
  last = jax.ops.segment_max(jnp.arange(len(group)), group, len(group))
  total = _cumulated(scores)[last[group]]
  failed = ((event > 0) & counts)[order].astype(scores.dtype)
  return order, group, failed, scores, total


@jax.custom_vjp
def _cumulated(scores: jax.Array) -> jax.Array:
  """`jax.lax.cumlogsumexp` [B], whose own gradient takes long to compile."""
  return jax.lax.cumlogsumexp(scores)


def _cumulated_forward(scores):
  total = jax.lax.cumlogsumexp(scores)
  return total, (scores, total)


def _cumulated_backward(saved, slope):
  """sum over i >= j of slope_i exp(scores_j - total_i), in logarithms."""
  scores, total = saved

  def part(sign):
    terms = jnp.log(jnp.maximum(sign * slope, 0)) - total
    terms = jnp.maximum(terms, _NIL)  # For -inf minus -inf is NaN.
    return jnp.exp(scores + jax.lax.cumlogsumexp(terms, reverse=True))

  return (part(1) - part(-1),)


_cumulated.defvjp(_cumulated_forward, _cumulated_backward)


def _outcomes(batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Time and event, 0 if unknown, and whether both are known."""
  known = (batch["event"] >= 0) & ~jnp.isnan(batch["time"])
  time = jnp.where(known, batch["time"], 0)
  return time, jnp.where(known, batch["event"], 0), known


def _prior(incidence: np.ndarray) -> np.ndarray:
  """Log odds [K,T] of each cause against none, in each interval.

  A hazard is at least 0.001, since an interval without an event has some risk.
  """
  before = np.pad(incidence[:, :-1], ((0, 0), (1, 0)))
  alive = np.maximum(1 - before.sum(0), 1e-6)
  hazards = np.maximum((incidence - before) / alive, 1e-3)
  none = np.maximum(1 - hazards.sum(0), 1e-3)
  return (np.log(hazards) - np.log(none)).astype(np.float32)
