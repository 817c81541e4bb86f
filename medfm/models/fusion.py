"""Several inputs of one patient, read side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import dropout
from medfm.nn.activation import activation
from medfm.types import PRESENT, Batch, UserError, view

_normal = nn.initializers.normal(0.02)


class Fusion(nn.Module):
  """An encoder for each input, then one head: arrays -> logits [B,K].

  Late fusion: the embedding [B,E] of each input is mapped to `width`, all of
  them stand one after another, and a hidden layer and the head read them.

  An input that an example lacks is a learnt vector in place of its embedding.
  (Leaving it out of a mean would need no vector, but makes the inputs
  interchangeable and hides from the head that one is missing, which is seldom
  by chance.) So that the vectors are learnt where every training example is
  complete, training hides each input of an example with probability `hide`,
  never all that it has (modality dropout, Neverova et al. 2016).

  What stands in a missing input's arrays cannot reach any result: it is 0
  before the encoder sees it, and weighs 0 in batch statistics.

  Reads `<input>/<array>` and `<input>/present` [B] bool of each input, `id`
  for dropout and `weight` for batch statistics. `embedding` is the hidden
  layer [B,width].

  outputs: K; 0 gives no logits.
  encoders: input -> its model, called with `outputs=0`.
  inputs: input -> what it says of itself (`levels`, `vocabulary`); an
    objective takes it from the data.
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
        f"model.encoders are for {', '.join(self.encoders)}; the data hold "
        + ", ".join(names)
      )
    parts = [view(batch, names, name) for name in names]
    everyone = jnp.ones(batch["id"].shape, bool)
    present = jnp.stack(
      [jnp.asarray(part.pop(PRESENT, everyone)) for part in parts], 1
    )
    kept = self._kept(present, batch["id"], train)
    read = [
      self._read(name, part, kept[:, index], batch, train)
      for index, (name, part) in enumerate(zip(names, parts, strict=True))
    ]
    x = nn.Dense(self.width, dtype=self.dtype, name="hidden")(
      jnp.concatenate(read, -1)
    )
    x = activation(self.activation)(x).astype(jnp.float32)
    result = {"embedding": x}
    if self.outputs:
      x = dropout.Dropout(self.dropout)(x, batch["id"], train=train)
      result["logits"] = nn.Dense(self.outputs, name="head")(x)
    return result

  def _kept(self, present: jax.Array, ids: jax.Array, train: bool):
    """[B,inputs] bool: which inputs are read."""
    cut = dropout.cut_of(self.hide)
    if not train or not cut:
      return present
    key = self.make_rng("dropout")
    drawn = dropout.draws(key, ids, present.shape[1:]) >= cut
    kept = present & drawn
    return jnp.where(kept.any(1, keepdims=True), kept, present)

  def _read(
    self, name: str, part: Batch, kept: jax.Array, batch: Batch, train: bool
  ) -> jax.Array:
    """[B,width] of one input, the learnt vector where it is not kept."""
    mine = {
      array: _where(kept, values, jnp.zeros((), values.dtype))
      for array, values in part.items()
      if f"{name}/{array}" in batch
    }
    mine |= {"id": batch["id"]}
    if "weight" in batch:
      mine["weight"] = batch["weight"] * kept
    encoder = self.encoders[name](
      outputs=0, **self.inputs[name], name=f"encoder_{name}"
    )
    embedding = encoder(mine, train=train)["embedding"]
    dense = nn.Dense(self.width, dtype=self.dtype, name=f"project_{name}")
    missing = self.param(f"missing_{name}", _normal, (self.width,))
    projected = dense(embedding)
    return _where(kept, projected, missing.astype(projected.dtype)[None])


def _where(kept: jax.Array, values: jax.Array, other: jax.Array) -> jax.Array:
  """Values [B,...] of the rows kept [B], else the other."""
  shape = (-1,) + (1,) * (values.ndim - 1)
  return jnp.where(kept.reshape(shape), values, other)
