"""Prompting: the class whose answer a causal model finds likeliest.

What is asked stands in the data (`data.datasets.prompted`): rows hold the
text to label, `Tokens.prompts` what precedes it in each of O prompts and what
follows it for each of K classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from medfm.data.text import input as text_input
from medfm.models.gpt import GPT
from medfm.nn import forward, text
from medfm.objectives.backbone import backbone, expect_task
from medfm.tasks import multiclass
from medfm.types import Batch, Info, Objective, UserError


def prompted(
  info: Info,
  *,
  model: Callable,
  calibrated: bool = True,
  per_token: bool = False,
) -> Objective:
  """Classes by the likelihood of their answers (Brown et al. 2020).

  A class's probability is that of its answer's tokens after the prompt, made
  to sum to 1 over the classes. Contextual calibration (Zhao et al. 2021)
  divides it by the same probability, averaged over texts that say nothing,
  and makes it sum to 1 again: W = diag(p)^-1, b = 0. Deviation: no softmax
  of the quotients, which would change no prompt's answer, but its confidence.

  `predict`: `probs` [B,K], the mean over the prompts; `prompt_probs` [B,O,K]
  of each as it is, and `calibrated_probs` [B,O,K].
  Terms, for those who train so: `loss`, the mean over prompts of the
  cross-entropy of `prompt_probs` and `label` [B] (-1 is unlabelled, weight
  0); `accuracy` of their mean; `weight`.

  model: `gpt.GPT`; no model that looks ahead can be asked.
  calibrated: whether `probs` are.
  per_token: an answer counts by the mean over its tokens, not by their sum.
  """
  expect_task(info, multiclass)
  net = _causal(info, model)
  prompts = _Prompts.of(info)
  if calibrated and not len(prompts.nothing):
    raise UserError(
      "objective.calibrated needs data.content_free, texts that say nothing"
    )

  def init(key, batch):
    first = jax.tree.map(lambda each: each[0], prompts.shots)
    return forward.init(net, key, _rows(prompts, first, batch))

  def asked(variables, batch, shots, **training):
    """log-probabilities [B,K] after one prompt's shots."""
    rows = _rows(prompts, shots, batch)
    outputs, _ = forward.apply(net, variables, rows, **training)
    table = variables["params"]["model"]["embed_tokens"]["embedding"]
    likely = _likelihoods(prompts, rows, outputs["tokens"], table, per_token)
    return jax.nn.log_softmax(likely)

  def all_asked(variables, batch, **training):
    """[B,O,K]; one prompt at a time, so that memory is that of B rows."""

    @jax.checkpoint
    def one(shots):
      return asked(variables, batch, shots, **training)

    return jax.lax.map(one, prompts.shots).swapaxes(0, 1)

  def loss(variables, batch, key):
    found = all_asked(variables, batch, train=True, key=key)
    label = batch["label"]
    known = label >= 0
    target = jnp.maximum(label, 0)[:, None, None]
    losses = -jnp.take_along_axis(found, target, 2)[:, :, 0].mean(1)
    right = jnp.exp(found).mean(1).argmax(-1) == label
    return {
      "loss": jnp.where(known, losses, 0),
      "accuracy": right.astype(jnp.float32),
      "weight": known.astype(jnp.float32),
    }, {}

  def predict(variables, batch):
    found = all_asked(variables, batch)
    result = {"prompt_probs": jnp.exp(found)}
    if len(prompts.nothing):
      free = all_asked(variables, _content_free(prompts))
      found = calibration(found, jnp.exp(free).mean(0, keepdims=True))
      result["calibrated_probs"] = jnp.exp(found)
    chosen = "calibrated_probs" if calibrated else "prompt_probs"
    return {"probs": result[chosen].mean(1), **result}

  return Objective(init, loss, predict, task=multiclass, net=net)


def calibration(log_probs: jax.Array, free: jax.Array) -> jax.Array:
  """log-probabilities [B,O,K], as shares of what nothing gets [1,O,K]."""
  return jax.nn.log_softmax(log_probs - jnp.log(jnp.maximum(free, 1e-30)))


class _Prompts(NamedTuple):
  """`Tokens.prompts` as arrays, 0 beyond the end of each.

  shots: tokens [O,P] and how many of them count [O].
  answers, said: [K,A] and [K]. nothing, sizes: [C,T] and [C].
  """

  shots: tuple[np.ndarray, np.ndarray]
  answers: np.ndarray
  said: np.ndarray
  nothing: np.ndarray
  sizes: np.ndarray

  @classmethod
  def of(cls, info: Info) -> "_Prompts":
    asked = text_input.only(info).prompts
    if not asked:
      raise UserError(
        f"objective: {info.name} has no prompts; use the data of "
        "medfm.data.datasets.prompted"
      )
    return cls(
      _padded(asked["shots"]),
      *_padded(asked["answers"]),
      *_padded(asked["content_free"]),
    )


def _padded(lists) -> tuple[np.ndarray, np.ndarray]:
  sizes = np.array([len(ids) for ids in lists], np.int32)
  found = np.zeros((len(lists), max(sizes, default=0)), np.int32)
  for row, ids in zip(found, lists, strict=True):
    row[: len(ids)] = ids
  return found, sizes


def _causal(info: Info, model: Callable) -> GPT:
  net = backbone(info, model, outputs=0)
  if not isinstance(net, GPT):
    raise UserError(
      f"objective: {type(net).__name__} does not read from left to right; "
      "only a medfm.models.gpt.GPT can be asked for an answer"
    )
  return net


def _content_free(prompts: _Prompts) -> Batch:
  count, width = prompts.nothing.shape
  return {
    "tokens": prompts.nothing,
    "segment": (np.arange(width) < prompts.sizes[:, None]).astype(np.int32),
    "id": np.arange(count, dtype=np.int32),
  }


def _rows(prompts: _Prompts, shots, batch: Batch) -> Batch:
  """Rows [B,L] = shots [P], text [T], and K answers [A-1] side by side.

  An answer sees shots, text and itself, and its positions go on from the
  text's, so that one pass over a row asks for every class. Gaps between the
  parts are seen by nobody. The last token of an answer is never read.
  """
  tokens, size = shots
  count = len(batch["tokens"])
  classes, longest = prompts.answers.shape
  answers = prompts.answers[:, :-1]
  before = jnp.broadcast_to(tokens[None], (count, len(tokens)))
  told = jnp.broadcast_to(answers.reshape(1, -1), (count, answers.size))
  real = jnp.concatenate(
    [
      jnp.broadcast_to(jnp.arange(len(tokens))[None] < size, before.shape),
      batch["segment"] > 0,
    ],
    1,
  )  # [B,P+T]
  length = real.sum(1, dtype=jnp.int32)
  positions = jnp.maximum(jnp.cumsum(real, 1, dtype=jnp.int32) - 1, 0)
  beside = (
    length[:, None]
    + jnp.tile(jnp.arange(longest - 1, dtype=jnp.int32), classes)[None]
  )
  group = jnp.concatenate(
    [
      jnp.zeros(real.shape[1], jnp.int32),
      jnp.repeat(jnp.arange(1, classes + 1), longest - 1),
    ]
  )
  seen = jnp.concatenate([real, jnp.ones(told.shape, bool)], 1)
  own = (group[None] == 0) | (group[None] == group[:, None])
  itself = jnp.eye(len(group), dtype=bool)
  return {
    "tokens": jnp.concatenate([before, batch["tokens"], told], 1),
    "segment": seen.astype(jnp.int32),
    "positions": jnp.concatenate([positions, beside], 1),
    "mask": (seen[:, None] & own[None]) | itself[None],
    "id": batch["id"],
  }


def _likelihoods(prompts, rows, states, table, per_token) -> jax.Array:
  """log-likelihood [B,K] of each answer, from the states of a row [B,L,E]."""
  classes, longest = prompts.answers.shape
  start = states.shape[1] - classes * (longest - 1)
  last = text.last(rows["segment"][:, :start])
  asked = jnp.concatenate(
    [text.at(states, last)[:, None], states[:, start:]], 1
  )
  logits = text.vocabulary_logits(asked, table)
  shape = (len(logits), classes, longest - 1, logits.shape[-1])
  after = logits[:, 1:].reshape(shape)
  first = jnp.broadcast_to(logits[:, :1, None], (*shape[:2], 1, shape[3]))
  losses = optax.softmax_cross_entropy_with_integer_labels(
    jnp.concatenate([first, after], 2),
    jnp.broadcast_to(prompts.answers[None], (len(logits), classes, longest)),
  )
  known = jnp.arange(longest)[None] < prompts.said[:, None]
  total = -jnp.where(known[None], losses, 0).sum(-1)
  return total / prompts.said[None] if per_token else total
