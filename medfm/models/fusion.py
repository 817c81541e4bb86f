"""Several inputs of one patient, read side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import dropout
from medfm.nn.activation import activation
from medfm.nn.forward import with_logits
from medfm.nn.transformer import normal
from medfm.types import PRESENT, Batch, UserError, view


class Fusion(nn.Module):
  """An encoder for each input, then one head: arrays -> logits [B,K].

  Late fusion: the embedding [B,E] of each input is mapped to `width`, the
  results are concatenated, and a hidden layer and the head read them.

  A learnt vector replaces an input that an example lacks. (A mean over the
  other inputs would hide from the head that one is missing, and inputs are
  seldom missing by chance.) To learn it even from complete examples, training
  hides each input of an example with probability `hide`, but never all of them
  (modality dropout, Neverova et al. 2016).

  Reads `<input>/<array>` and `<input>/present` [B] bool of each input, `id`,
  and `weight` for batch statistics. The arrays of a missing input are taken as
  0, with weight 0. `embedding` is the hidden layer [B,width].

  encoders: input -> its model, called with `outputs=0`.
  inputs: input -> its settings for a model (`levels`, `vocabulary`); an
    objective takes them from the data.
  """

  outputs: int
  encoders: Mapping[str, Callable]
  inputs: Mapping[str, Mapping[str, Any]]
  width: int = 64
  hide: float = 0.1
  activation: str = "relu"
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    names = tuple(self.inputs)
    if set(names) != set(self.encoders):
      raise UserError(
        f"model.encoders are for {', '.join(self.encoders)}; give one for each "
        "input of the data: " + ", ".join(names)
      )
    parts = [view(batch, names, name) for name in names]
    everyone = jnp.ones(batch["id"].shape, bool)
    present = jnp.stack(
      [jnp.asarray(part.pop(PRESENT, everyone)) for part in parts], 1
    )
    kept, cut = present, dropout.cut_of(self.hide)
    if train and cut:
      key, shape = self.make_rng("dropout"), present.shape[1:]
      kept = present & (dropout.draws(key, batch["id"], shape) >= cut)
      kept = jnp.where(kept.any(1, keepdims=True), kept, present)
    read = [
      self._read(name, part, kept[:, index], batch, train)
      for index, (name, part) in enumerate(zip(names, parts, strict=True))
    ]
    x = jnp.concatenate(read, -1)
    x = nn.Dense(self.width, dtype=self.dtype, name="hidden")(x)
    x = activation(self.activation)(x).astype(jnp.float32)
    y = dropout.Dropout(self.dropout)(x, batch["id"], train=train)
    return with_logits({"embedding": x}, self.outputs, y)

  def _read(
    self, name: str, part: Batch, kept: jax.Array, batch: Batch, train: bool
  ) -> jax.Array:
    """[B,width] of one input; the learnt vector if it is missing or hidden."""
    mine = {
      array: _where(kept, values, jnp.zeros((), values.dtype))
      for array, values in part.items()
      if f"{name}/{array}" in batch
    } | {"id": batch["id"]}
    if "weight" in batch:
      mine["weight"] = batch["weight"] * kept
    encoder = self.encoders[name](
      outputs=0, **self.inputs[name], name=f"encoder_{name}"
    )
    embedding = encoder(mine, train=train)["embedding"]
    missing = self.param(f"missing_{name}", normal, (self.width,))
    project = nn.Dense(self.width, dtype=self.dtype, name=f"project_{name}")
    projected = project(embedding)
    return _where(kept, projected, missing.astype(projected.dtype)[None])


def _where(kept: jax.Array, values: jax.Array, other: jax.Array) -> jax.Array:
  """Values [B,...] in the rows kept [B], `other` in the rest."""
  shape = (-1,) + (1,) * (values.ndim - 1)
  return jnp.where(kept.reshape(shape), values, other)
