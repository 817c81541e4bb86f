"""Prompting: the class whose answer a causal model finds likeliest.

Rows of the data (`data.datasets.prompted`) hold the text to label, and
`Tokens.prompts` what precedes it in each of O prompts and what follows it for
each of K classes.
"""

from collections.abc import Callable

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

  A class's probability is that of its answer's tokens after the prompt,
  normalised to sum to 1 over the classes. Contextual calibration (Zhao et al.
  2021) divides it by the same probability, averaged over texts without content,
  and normalises again: W = diag(p)^-1, b = 0. Deviation: no softmax of the
  quotients, which would change the confidence but not the answer.

  `predict`: `probs` [B,K], the mean over the prompts; `prompt_probs` and
  `calibrated_probs` [B,O,K]. Terms: `loss`, the mean over prompts of the
  cross-entropy of `prompt_probs` and `label` [B] (-1 is unlabelled, weight
  0); `accuracy` of their mean; `weight`.

  model: `gpt.GPT`; a model that looks ahead cannot be prompted.
  calibrated: whether `probs` are calibrated.
  per_token: score an answer by the mean over its tokens instead of their sum.
  """
  expect_task(info, multiclass)
  net = backbone(info, model, outputs=0)
  if not isinstance(net, GPT):
    raise UserError(
      f"objective: {type(net).__name__} does not read from left to right; "
      "prompts need a medfm.models.gpt.GPT"
    )
  given = text_input.only(info).prompts
  if not given:
    raise UserError(
      f"objective: {info.name} has no prompts; use the data of "
      "medfm.data.datasets.prompted"
    )
  shots = _padded(given["shots"])
  answers, lengths = _padded(given["answers"])
  nothing, sizes = _padded(given["content_free"])
  if calibrated and not len(nothing):
    raise UserError(
      "objective.calibrated needs data.content_free, texts without content"
    )

  def init(key, batch):
    first = jax.tree.map(lambda each: each[0], shots)
    return forward.init(net, key, _rows(first, answers, batch))

  def asked(variables, batch, **training):
    """Log-probabilities [B,O,K]; prompt by prompt, to hold only B rows."""

    @jax.checkpoint
    def after(shots):
      rows = _rows(shots, answers, batch)
      outputs, _ = forward.apply(net, variables, rows, **training)
      table = variables["params"]["model"]["embed_tokens"]["embedding"]
      states = outputs["tokens"], rows["segment"]
      likely = _likelihoods(*states, table, answers, lengths)
      likely = likely / lengths[None] if per_token else likely
      return jax.nn.log_softmax(likely)

    return jax.lax.map(after, shots).swapaxes(0, 1)

  def loss(variables, batch, key):
    log_probs = asked(variables, batch, train=True, key=key)
    label = batch["label"]
    known = label >= 0
    target = jnp.maximum(label, 0)[:, None, None]
    losses = -jnp.take_along_axis(log_probs, target, 2)[:, :, 0].mean(1)
    right = jnp.exp(log_probs).mean(1).argmax(-1) == label
    return {
      "loss": jnp.where(known, losses, 0),
      "accuracy": right.astype(jnp.float32),
      "weight": known.astype(jnp.float32),
    }, {}

  def predict(variables, batch):
    log_probs = asked(variables, batch)
    result = {"prompt_probs": jnp.exp(log_probs)}
    if len(nothing):
      count, width = nothing.shape
      real = np.arange(width) < sizes[:, None]
      free = {
        "tokens": nothing,
        "segment": real.astype(np.int32),
        "id": np.arange(count, dtype=np.int32),
      }
      shares = jnp.exp(asked(variables, free)).mean(0, keepdims=True)
      result["calibrated_probs"] = jnp.exp(calibration(log_probs, shares))
    chosen = "calibrated_probs" if calibrated else "prompt_probs"
    return {"probs": result[chosen].mean(1), **result}

  return Objective(init, loss, predict, task=multiclass, net=net)


def calibration(log_probs: jax.Array, free: jax.Array) -> jax.Array:
  """log-probabilities [B,O,K] over those of content-free texts [1,O,K]."""
  return jax.nn.log_softmax(log_probs - jnp.log(jnp.maximum(free, 1e-30)))


def _padded(lists) -> tuple[np.ndarray, np.ndarray]:
  """Ids [N,L], 0 beyond the end of each list, and the lists' lengths [N]."""
  sizes = np.array([len(ids) for ids in lists], np.int32)
  rows = np.zeros((len(lists), max(sizes, default=0)), np.int32)
  for row, ids in zip(rows, lists, strict=True):
    row[: len(ids)] = ids
  return rows, sizes


def _rows(shots, answers, batch: Batch) -> Batch:
  """Rows [B,L] = shots [P], text [T], and K answers [A-1] side by side.

  An answer sees shots, text and itself, and its positions continue the text's,
  so that one pass over a row scores every class. Nothing attends to the gaps
  between the parts. The last token of an answer is never read.
  """
  tokens, size = shots
  count = len(batch["tokens"])
  classes, longest = answers.shape
  answers = answers[:, :-1]
  before = jnp.broadcast_to(tokens[None], (count, len(tokens)))
  spread = jnp.broadcast_to(answers.reshape(1, -1), (count, answers.size))
  shown = jnp.broadcast_to(jnp.arange(len(tokens))[None] < size, before.shape)
  real = jnp.concatenate([shown, batch["segment"] > 0], 1)  # [B,P+T]
  length = real.sum(1, dtype=jnp.int32)
  positions = jnp.maximum(jnp.cumsum(real, 1, dtype=jnp.int32) - 1, 0)
  places = jnp.tile(jnp.arange(longest - 1, dtype=jnp.int32), classes)
  beside = length[:, None] + places[None]
  answer = jnp.repeat(jnp.arange(1, classes + 1), longest - 1)
  group = jnp.concatenate([jnp.zeros(real.shape[1], jnp.int32), answer])
  seen = jnp.concatenate([real, jnp.ones(spread.shape, bool)], 1)
  related = (group[None] == 0) | (group[None] == group[:, None])
  itself = jnp.eye(len(group), dtype=bool)
  return {
    "tokens": jnp.concatenate([before, batch["tokens"], spread], 1),
    "segment": seen.astype(jnp.int32),
    "positions": jnp.concatenate([positions, beside], 1),
    "mask": (seen[:, None] & related[None]) | itself[None],
    "id": batch["id"],
  }


def _likelihoods(states, segment, table, answers, lengths) -> jax.Array:
  """log-likelihood [B,K] of each answer, from the states of rows [B,L,E]."""
  classes, longest = answers.shape
  start = states.shape[1] - classes * (longest - 1)
  last = text.last(segment[:, :start])
  states = [text.at(states, last)[:, None], states[:, start:]]
  logits = text.vocabulary_logits(jnp.concatenate(states, 1), table)
  shape = (len(logits), classes, longest - 1, logits.shape[-1])
  after = logits[:, 1:].reshape(shape)
  first = jnp.broadcast_to(logits[:, :1, None], (*shape[:2], 1, shape[3]))
  losses = optax.softmax_cross_entropy_with_integer_labels(
    jnp.concatenate([first, after], 2),
    jnp.broadcast_to(answers[None], (len(logits), classes, longest)),
  )
  known = jnp.arange(longest)[None] < lengths[:, None]
  return -jnp.where(known[None], losses, 0).sum(-1)
