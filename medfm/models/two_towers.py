"""An image tower and a text tower, into one space."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.forward import with_logits
from medfm.types import Batch, UserError, view


class TwoTowers(nn.Module):
  """CLIP's model (Radford et al. 2021): a picture and a text, as two vectors.

  Each tower's `embedding` is mapped to `width` without a bias and scaled to
  length 1: `image_embedding` and `text_embedding` [B,width], whose products are
  cosines. `embedding` is the image tower's own, which CLIP's probes read.
  `logits` [B,K] are of both vectors side by side.

  Reads `<input>/<array>` of two inputs, and `id`. The text tower is that of
  the input with `tokens`.

  encoders: input -> its model, called with `outputs=0`.
  inputs: input -> its settings for a model; an objective takes them from the
    data.
  """

  outputs: int
  encoders: Mapping[str, Callable]
  inputs: Mapping[str, Mapping]
  width: int = 512
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    names = tuple(self.inputs)
    if set(names) != set(self.encoders):
      raise UserError(
        f"model.encoders are for {', '.join(self.encoders)}; give one for each "
        "input of the data: " + ", ".join(names)
      )
    parts = {name: view(batch, names, name) for name in names}
    texts = [name for name, part in parts.items() if "tokens" in part]
    if len(names) != 2 or len(texts) != 1:
      raise UserError(
        f"two towers read a picture and a text, not {', '.join(names)}"
      )
    states, vectors = {}, {}
    for name, part in parts.items():
      role = "text" if name in texts else "image"
      encoder = self.encoders[name](outputs=0, **self.inputs[name], name=role)
      states[role] = encoder(part, train=train)["embedding"]
      project = nn.Dense(
        self.width,
        use_bias=False,
        dtype=self.dtype,
        kernel_init=_scaled,
        name=f"project_{role}",
      )
      vectors[role] = unit(project(states[role]))
    both = jnp.concatenate([vectors["image"], vectors["text"]], -1)
    result = {
      "image_embedding": vectors["image"],
      "text_embedding": vectors["text"],
      "embedding": states["image"],
    }
    return with_logits(result, self.outputs, both)


def unit(x: jax.Array) -> jax.Array:
  """Vectors [B,E] scaled to length 1, in float32; a vector of 0 stays 0."""
  x = x.astype(jnp.float32)
  square = jnp.square(x).sum(-1, keepdims=True)
  return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))


_scaled = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
"""A standard deviation of width^-0.5, as in CLIP."""
