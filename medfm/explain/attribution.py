"""How much each token contributes to an answer: attributions of embeddings.

Every model of tokens reads them through a layer `embed_tokens` and answers
through a layer `head`. Both are intercepted from outside, whatever objective
wraps the model, so that no model needs code for it.

A token's value is the sum over its embedding's width. The baseline gives every
ordinary token the mean embedding of the vocabulary and leaves padding and
special tokens ([CLS], [SEP]) as they are, so that their value is 0. (At a zero
embedding, the papers' usual choice, normalisation has a kink, and the integral
converges slowly or not at all.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from medfm.objectives import masking
from medfm.types import Batch, Info, Objective, UserError, Variables


class Attribution(NamedTuple):
  """values: [B,L]; score, baseline: [B], the logit of the text and of the
  baseline, whose difference the values should add up to."""

  values: jax.Array
  score: jax.Array
  baseline: jax.Array


def integrated_gradients(
  objective: Objective,
  variables: Variables,
  batch: Batch,
  info: Info,
  classes: jax.Array,
  places: jax.Array | None = None,
  *,
  points: int = 32,
) -> Attribution:
  """The mean slope along the line from the baseline to the text, times the
  difference of the two (Sundararajan et al. 2017).

  classes: [B] int, the classes whose logits are explained. places: [B] int, for
  a model that labels tokens, the tokens whose labels are explained; else None.

  The values add up to score - baseline, up to the error of the integral, which
  is computed by Gauss-Legendre quadrature at `points` places.
  """
  _, embedded, table = _answer(objective, variables, batch)
  ordinary = masking.ordinary(batch, info)[:, :, None]
  average = table.mean(0).astype(embedded.dtype)[None, None]
  start = jnp.where(ordinary, average, embedded)

  def score(x):
    logits, *_ = _answer(objective, variables, batch, x)
    if logits.ndim == 3:
      logits = jnp.take_along_axis(logits, places[:, None, None], 1)
      logits = logits[:, 0]
    return jnp.take_along_axis(logits, classes[:, None], 1)[:, 0]

  steps, shares = np.polynomial.legendre.leggauss(points)
  slope = jax.grad(lambda x: score(x).sum())

  def added(total, point):
    step, share = point
    return total + share * slope(start + step * (embedded - start)), None

  line = jnp.asarray([(steps + 1) / 2, shares / 2], embedded.dtype)
  mean, _ = jax.lax.scan(added, jnp.zeros_like(embedded), (line[0], line[1]))
  values = (mean * (embedded - start)).sum(-1)
  return Attribution(values, score(embedded), score(start))


def _answer(objective, variables, batch, embedded=None):
  """Logits [B,K] or [B,L,K], embeddings [B,L,E] and their table [V,E].

  embedded: embeddings to use instead of those of the batch.
  """
  seen = {}

  def watch(call, args, kwargs, context):
    output = call(*args, **kwargs)
    if context.method_name == "__call__":
      if context.module.name == "embed_tokens":
        seen["table"] = context.module.embedding
        output = output if embedded is None else embedded.astype(output.dtype)
      seen[context.module.name] = output
    return output

  with nn.intercept_methods(watch):
    objective.predict(variables, batch)
  for name, what in (("embed_tokens", "tokens"), ("head", "classes")):
    if name not in seen:
      raise UserError(
        f"attributions need a model of {what}; this one has no layer {name}"
      )
  return seen["head"], seen["embed_tokens"], seen["table"]
