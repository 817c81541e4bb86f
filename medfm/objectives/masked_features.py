"""Masked-feature pre-training on a table: hide columns, restore them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from medfm import rng
from medfm.data.tables import input as table_input
from medfm.nn import columns, forward
from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import backbone, known_mean
from medfm.tasks import pretext
from medfm.types import Info, Objective, UserError


def masked_features(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  mask_rate: float = 0.3,
) -> Objective:
  """Restores hidden columns from the others; needs no label.

  Like BERT's masked tokens (Devlin et al. 2019), but of columns. Each observed
  value is hidden with probability `mask_rate`, drawn per example. The loss of a
  hidden feature is the squared error of its standardised value, that of a
  hidden category the cross-entropy over its levels. An example's `loss` is the
  mean over its hidden columns and its `weight` their share of all columns.

  Terms: `loss`, `weight`. `predict` hides by a fixed key and returns both,
  `mask` [B,F+M], `reconstruction` [B,F] in raw units, `reconstructed_level`
  [B,M] int if there are categories, and `embedding` [B,E] of the whole row.

  model: a tabular model that reads `mask_features` and returns `tokens`.
  """
  if not 0 < mask_rate < 1:
    raise UserError(f"mask_rate={mask_rate} is outside (0, 1)")
  table = table_input.only(info)
  levels = table.settings().get("levels", ())
  net = backbone(info, model, outputs=0)
  decoder = Decoder(features=len(table.numeric), levels=levels)

  def hidden(batch, key):
    """The batch with a drawn `mask_features`; only known values are hidden."""
    known = columns.categories(batch, levels) >= 0
    if "features" in batch:
      known = jnp.concatenate([~jnp.isnan(batch["features"]), known], 1)
    keys = rng.per_example(key, batch["id"])
    drawn = jax.vmap(
      lambda k: jax.random.bernoulli(k, mask_rate, known.shape[1:])
    )(keys)
    return {**batch, "mask_features": drawn & known}

  def init(key, batch):
    key, other = jax.random.split(key)
    batch = hidden(inputs(batch, info), key)
    variables = forward.init(net, key, batch)
    outputs, _ = forward.apply(net, variables, batch)
    if "tokens" not in outputs:
      raise UserError(
        "masked_features needs a model with a token per column; use "
        "medfm.models.tabular_transformer.TabularTransformer"
      )
    tokens = outputs["tokens"]
    return forward.with_decoder(variables, decoder, other, tokens)

  def terms_of(variables, batch, outputs):
    (values, logits), _ = forward.apply(
      decoder, variables, outputs["tokens"], scope="decoder"
    )
    losses = []
    if "features" in batch:
      known = ~jnp.isnan(batch["features"])
      error = values - jnp.where(known, batch["features"], 0)
      losses.append(jnp.where(known, jnp.square(error), 0))
    for index, column in enumerate(logits):
      level = columns.categories(batch, levels)[:, index]
      loss = optax.softmax_cross_entropy_with_integer_labels(
        column, jnp.maximum(level, 0)
      )
      losses.append(loss[:, None])
    mask = batch["mask_features"]
    loss = known_mean(jnp.concatenate(losses, 1), mask)
    share = mask.sum(-1, dtype=jnp.float32) / mask.shape[1]
    return {"loss": loss, "weight": share}, values, logits

  def loss(variables, batch, key):
    mask_key, key = jax.random.split(key)
    batch = hidden(inputs(batch, info), mask_key)
    outputs, updates = forward.apply(net, variables, batch, train=True, key=key)
    return terms_of(variables, batch, outputs)[0], updates

  def predict(variables, batch):
    whole = inputs(batch, info)
    batch = hidden(whole, rng.stream(0, "masked_features/evaluation"))
    outputs, _ = forward.apply(net, variables, batch)
    clean, _ = forward.apply(net, variables, whole)
    terms, values, logits = terms_of(variables, batch, outputs)
    mean, std = table.moments()
    result = {
      **terms,
      "mask": batch["mask_features"],
      "embedding": clean["embedding"],
      "reconstruction": values * std + mean,
    }
    if levels:
      chosen = [column.argmax(-1) for column in logits]
      result["reconstructed_level"] = jnp.stack(chosen, -1)
    return result

  return Objective(init, loss, predict, task=pretext, net=net)


class Decoder(nn.Module):
  """Column tokens [B,F+M,E] -> values [B,F] and a list of logits [B,levels].

  One linear read-out per column.
  """

  features: int
  levels: tuple[int, ...]

  @nn.compact
  def __call__(self, tokens: jax.Array):
    numeric = tokens[:, : self.features]
    shape = (self.features, tokens.shape[-1])
    init = nn.initializers.normal(tokens.shape[-1] ** -0.5)
    kernel = self.param("kernel", init, shape)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    values = jnp.einsum("bfe,fe->bf", numeric, kernel) + bias[None]
    logits = [
      nn.Dense(size, name=f"level{index}")(tokens[:, self.features + index])
      for index, size in enumerate(self.levels)
    ]
    return values, logits
