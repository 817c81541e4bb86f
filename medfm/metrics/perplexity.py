"""How surprised a language model is: the exponential of its mean loss."""

import math

import numpy as np

from medfm.metrics.described import described
from medfm.metrics.intervals import losses as means
from medfm.metrics.intervals import proportions
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import Array, Undefined, Value, Weight, share


def _counted(losses: Array, tokens: Array) -> tuple[Array, Array]:
  losses, tokens = np.asarray(losses, float), np.asarray(tokens, float)
  return np.where(tokens > 0, losses, 0), tokens


def _right(right: Array) -> tuple[Array, Array]:
  right = np.asarray(right, float)
  return right, np.ones(len(right))


@bounded(means.interval, _counted)
@described("Loss", "what training minimised; less is better", "less")
def loss(losses: Array, tokens: Array, weight: Weight = None) -> Value:
  """Mean loss per token, in nats.

  losses: [N] mean loss of each row's tokens; tokens: [N] how many of them
  count. A row without such tokens is left out. weight: [N] or [R,N], per row.
  """
  losses, tokens = np.asarray(losses, float), np.asarray(tokens, float)
  if (~np.isfinite(losses[tokens > 0])).any():
    raise Undefined("a loss is not finite")
  counted = tokens if weight is None else np.asarray(weight, float) * tokens
  summed = counted @ np.where(tokens > 0, losses, 0)
  return share(summed, counted.sum(-1), "no token counts")


@bounded(means.interval, _counted, value=math.exp)
@described(
  "Perplexity",
  "between how many equally likely tokens the model has to choose; less is "
  "better; compare only models with the same tokenizer",
  "less",
)
def perplexity(losses: Array, tokens: Array, weight: Weight = None) -> Value:
  """exp(`loss`): compare only models that share a tokenizer."""
  value = np.exp(loss(losses, tokens, weight))
  return float(value) if np.ndim(value) == 0 else value


@bounded(proportions.interval, _right)
@described(
  "Next-sentence accuracy",
  "share of the pairs of texts for which the model is right about whether the "
  "second follows the first",
  "more",
)
def next_sentence_accuracy(right: Array, weight: Weight = None) -> Value:
  """Mean of `right` [N], 1 if the model is right about a pair, else 0."""
  return loss(right, np.ones(len(right)), weight)
