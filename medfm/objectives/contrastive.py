"""Contrastive pre-training: two views of a picture against all others."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import rng
from medfm.augment import views
from medfm.nn import forward
from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import backbone
from medfm.tasks import pretext
from medfm.types import Info, Objective, UserError


def simclr(
  info: Info,
  *,
  model: Callable,
  changes: Sequence[Callable],
  inputs: Callable = device_inputs.standard,
  temperature: float = 0.1,
  hidden: int = 512,
  width: int = 128,
) -> Objective:
  """Finds a picture's other view among all views of a batch (SimCLR).

  The normalised-temperature cross-entropy of Chen et al. 2020 (equation 1) on
  a projection of the embedding by two layers. Each of an example's two views
  looks for the other among the 2B - 1 others; its `loss` is the mean of both.
  Padding is no rival. All views of a batch are compared, wherever they lie, so
  that devices change nothing.

  Terms: `loss`, and `matched`, how often the other view is the nearest.
  `predict` draws views by a fixed key and compares within its batch; it returns
  both, and `embedding` [B,E] of the picture as it is.

  changes: of `medfm.augment`, by which views are drawn.
  temperature: the cosine is divided by it.
  hidden, width: of the projection.
  """
  if temperature <= 0:
    raise UserError(f"temperature={temperature}: expected more than 0")
  if not changes:
    raise UserError("simclr needs changes, by which two views of one differ")
  name = views.pictures(info)
  net = backbone(info, model, outputs=0)
  projector = Projector(hidden, width)

  def init(key, batch):
    key, other = jax.random.split(key)
    batch = inputs(batch, info)
    variables = forward.init(net, key, batch)
    outputs, _ = forward.apply(net, variables, batch)
    return forward.with_decoder(
      variables, projector, other, outputs["embedding"]
    )

  def terms_of(variables, batch, key, *, train):
    view_key, key = jax.random.split(key)
    both = jnp.concatenate(
      views.pair(batch[name], view_key, batch["id"], changes)
    )
    twice = {
      each: jnp.concatenate([batch[each], batch[each]])
      for each in ("weight", "id")
    }
    outputs, updates = forward.apply(
      net,
      variables,
      inputs({name: both, **twice}, info),
      train=train,
      key=key,
    )
    z, _ = forward.apply(
      projector, variables, outputs["embedding"], scope="decoder"
    )
    loss, matched = contrasted(z, twice["weight"], temperature)
    halves = {"loss": loss, "matched": matched}
    return {k: v.reshape(2, -1).mean(0) for k, v in halves.items()}, updates

  def loss(variables, batch, key):
    return terms_of(variables, batch, key, train=True)

  def predict(variables, batch):
    key = rng.stream(0, "simclr/evaluation")
    terms, _ = terms_of(variables, batch, key, train=False)
    whole, _ = forward.apply(net, variables, inputs(batch, info))
    return {**terms, "embedding": whole["embedding"]}

  return Objective(init, loss, predict, task=pretext, coupled=True, net=net)


def contrasted(
  z: jax.Array, weight: jax.Array, temperature: float
) -> tuple[jax.Array, jax.Array]:
  """Of each view [2B], whose other is B rows away: its loss, and whether the
  other is the nearest.

  z: [2B,E], of any length. weight: [2B], 0 for rows that are no rivals.
  """
  z = z.astype(jnp.float32)
  square = jnp.square(z).sum(1, keepdims=True)
  z = z * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
  count = len(z)
  rows = jnp.arange(count)
  other = (rows + count // 2) % count
  # A view's partner stays in, for padding to have a finite loss.
  seen = (weight > 0)[None] | (rows[None] == other[:, None])
  seen &= rows[None] != rows[:, None]
  likeness = jnp.where(seen, z @ z.T / temperature, -jnp.inf)
  right = likeness[rows, other]
  loss = jax.nn.logsumexp(likeness, axis=1) - right
  rivals = likeness.at[rows, other].set(-jnp.inf)
  return loss, (rivals.max(1) < right).astype(jnp.float32)


class Projector(nn.Module):
  """Embeddings [B,E] -> [B,width] by two layers."""

  hidden: int
  width: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    x = nn.relu(nn.Dense(self.hidden, name="in")(x))
    return nn.Dense(self.width, use_bias=False, name="out")(x)
