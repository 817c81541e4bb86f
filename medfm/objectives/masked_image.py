"""Masked autoencoding of images and volumes: hide patches, restore them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import rng
from medfm.augment import views
from medfm.nn import forward, patches
from medfm.nn import inputs as device_inputs
from medfm.nn.transformer import normal, normalisation, run_blocks
from medfm.objectives.backbone import backbone, known_mean
from medfm.tasks import pretext
from medfm.types import Info, Objective, UserError


def masked_image(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  mask_rate: float = 0.75,
  width: int = 512,
  depth: int = 8,
  heads: int = 16,
  normalised: bool = True,
) -> Objective:
  """Restores hidden patches from the others; needs no label (He et al. 2022).

  The model sees the visible patches alone; a light decoder sees their states
  and, in place of each hidden patch, one learned token, all with sines and
  cosines for positions, and gives the pixels. Unlike the paper's, the model's
  own positions are as it learns them, and [CLS] does not reach the decoder. An
  example's `loss` is the mean squared error over its hidden patches.

  Terms: `loss`. `predict` hides by a fixed key and returns it, with
  `embedding` [B,E] of the whole picture.

  model: one that reads `visible` and returns `tokens`, as `vit.ViT` does.
  mask_rate: the share of the patches that is hidden, rounded.
  width, depth, heads: of the decoder.
  normalised: pixels to restore are standardised within each patch.
  """
  if not 0 < mask_rate < 1:
    raise UserError(f"mask_rate={mask_rate} is outside (0, 1)")
  name = views.pictures(info)
  net = backbone(info, model, outputs=0)
  if not hasattr(net, "patch"):
    raise UserError(
      f"masked_image needs a model of patches, not {type(net).__name__}; use "
      "medfm.models.vit.ViT"
    )

  def decoder(picture: jax.Array) -> "Decoder":
    counts = patches.grid(picture.shape, net.patch)
    pixels = patches.cut(picture[:1], net.patch).shape[-1]
    return Decoder(counts, pixels, width, depth, heads, dtype=net.dtype)

  def drawn(batch, key):
    """[B,P] the patches in a random order; how many of them are seen."""
    counts = patches.grid(batch[name].shape, net.patch)
    total = functools.reduce(int.__mul__, counts)
    seen = total - min(max(round(mask_rate * total), 1), total - 1)
    if total < 2:
      raise UserError(
        f"masked_image: a picture is one patch of {net.patch}; set a smaller "
        "model.patch"
      )
    keys = rng.per_example(key, batch["id"])
    order = jax.vmap(lambda k: jax.random.permutation(k, total))(keys)
    return order, seen

  def init(key, batch):
    key, other = jax.random.split(key)
    batch = inputs(batch, info)
    variables = forward.init(net, key, batch)
    order, seen = drawn(batch, key)
    states = jnp.zeros((len(order), seen, net.width))
    parts = decoder(batch[name]), other, states, order, batch["id"]
    return forward.with_decoder(variables, *parts)

  def restored(variables, batch, key, *, train):
    mask_key, key = jax.random.split(key)
    order, seen = drawn(batch, mask_key)
    outputs, updates = forward.apply(
      net,
      variables,
      {**batch, "visible": order[:, :seen]},
      train=train,
      key=key,
    )
    if "tokens" not in outputs:
      raise UserError("masked_image needs a model that returns tokens")
    guess, _ = forward.apply(
      decoder(batch[name]),
      variables,
      outputs["tokens"],
      order,
      batch["id"],
      scope="decoder",
    )
    pixels = patches.cut(batch[name], net.patch).astype(jnp.float32)
    if normalised:
      pixels = standardised(pixels)
    error = jnp.square(guess - pixels).mean(-1)
    place = jnp.argsort(order, 1)  # Of each patch in the drawn order.
    return known_mean(error, place >= seen), updates

  def loss(variables, batch, key):
    batch = inputs(batch, info)
    value, updates = restored(variables, batch, key, train=True)
    return {"loss": value}, updates

  def predict(variables, batch):
    batch = inputs(batch, info)
    key = rng.stream(0, "masked_image/evaluation")
    value, _ = restored(variables, batch, key, train=False)
    whole, _ = forward.apply(net, variables, batch)
    return {"loss": value, "embedding": whole["embedding"]}

  return Objective(init, loss, predict, task=pretext, net=net)


def standardised(pixels: jax.Array) -> jax.Array:
  """Pixels of each patch [B,P,N] with mean 0 and variance 1."""
  mean = pixels.mean(-1, keepdims=True)
  variance = pixels.var(-1, keepdims=True, ddof=1)
  return (pixels - mean) / jnp.sqrt(variance + 1e-6)


class Decoder(nn.Module):
  """States of the visible patches [B,V,E] -> pixels of all [B,P,N].

  counts: patches along each axis. pixels: N, of a patch.
  """

  counts: tuple[int, ...]
  pixels: int
  width: int
  depth: int
  heads: int
  hidden: int = 0
  activation: str = "gelu"
  dropout: float = 0.0
  epsilon: float = 1e-6
  scan_layers: bool = False
  remat: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self,
    states: jax.Array,
    order: jax.Array,
    ids: jax.Array,
    *,
    train: bool = False,
  ) -> jax.Array:
    """order: [B,P] the patches, the visible ones first, as `states` are."""
    x = nn.Dense(self.width, dtype=self.dtype, name="embed")(states)
    token = self.param("mask", normal, (1, 1, self.width)).astype(x.dtype)
    hidden = order.shape[1] - x.shape[1]
    token = jnp.broadcast_to(token, (len(x), hidden, self.width))
    x = jnp.concatenate([x, token], 1)
    place = jnp.argsort(order, 1)
    x = jnp.take_along_axis(x, place[:, :, None], 1)
    x = x + jnp.asarray(patches.waves(self.counts, self.width)[None], x.dtype)
    x = run_blocks(self, x, ids, train=train)
    x = normalisation("layer", "norm", self.epsilon)(x)
    x = nn.Dense(self.pixels, dtype=self.dtype, name="pixels")(x)
    return x.astype(jnp.float32)
