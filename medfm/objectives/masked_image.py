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

  Terms: `loss`. `predict` hides by a fixed key and returns it, with `embedding`
  [B,E] of the whole picture; `restored` [B,*S,C], each patch as guessed, in
  the picture's units divided by the largest integer of its kind, with the
  patch's true mean and deviation where those are not guessed
  (`standardised` [B]); and `hidden` [B,*S], 1 where patches were.

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
    place = jnp.argsort(order, 1)  # Of each patch in the drawn order.
    return (guess, place >= seen), updates

  def error(batch, guess, hidden):
    pixels = patches.cut(batch[name], net.patch).astype(jnp.float32)
    if normalised:
      pixels = standardised(pixels)
    return known_mean(jnp.square(guess - pixels).mean(-1), hidden)

  def loss(variables, batch, key):
    batch = inputs(batch, info)
    (guess, hidden), updates = restored(variables, batch, key, train=True)
    return {"loss": error(batch, guess, hidden)}, updates

  def predict(variables, batch):
    given = views.unit(batch[name])
    batch = inputs(batch, info)
    key = rng.stream(0, "masked_image/evaluation")
    (guess, hidden), _ = restored(variables, batch, key, train=False)
    whole, _ = forward.apply(net, variables, batch)
    cut = functools.partial(patches.cut, patch=net.patch)
    known = cut(given) if normalised else cut(batch[name])
    counts = patches.grid(given.shape, net.patch)
    back = functools.partial(patches.joined, counts=counts, patch=net.patch)
    pixels = back(of_patches(guess, known) if normalised else guess)
    if not normalised:
      pixels = rescaled(pixels, batch[name], given)
    flags = jnp.broadcast_to(hidden[..., None], known.shape).astype(jnp.float32)
    return {
      "loss": error(batch, guess, hidden),
      "embedding": whole["embedding"],
      "restored": pixels,
      "hidden": back(flags)[..., 0],
      "standardised": jnp.full(len(guess), float(normalised)),
    }

  return Objective(init, loss, predict, task=pretext, net=net)


def of_patches(guess: jax.Array, pixels: jax.Array) -> jax.Array:
  """Guesses [B,P,N] with the mean and deviation of these pixels [B,P,N]."""
  return pixels.mean(-1, keepdims=True) + guess * _deviation(pixels)


def rescaled(guess: jax.Array, scaled: jax.Array, given: jax.Array):
  """A guess [B,*S,C] of `scaled` in the units of `given`.

  The scaling is one line for each channel, through its least and greatest
  value in the batch.
  """
  axes = tuple(range(given.ndim - 1))

  def ends(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return x.min(axes, keepdims=True), x.max(axes, keepdims=True)

  (low, high), (bottom, top) = ends(scaled), ends(given)
  slope = (top - bottom) / jnp.maximum(high - low, 1e-12)
  return bottom + (guess - low) * slope


def standardised(pixels: jax.Array) -> jax.Array:
  """Pixels of each patch [B,P,N] with mean 0 and variance 1."""
  return (pixels - pixels.mean(-1, keepdims=True)) / _deviation(pixels)


def _deviation(pixels: jax.Array) -> jax.Array:
  return jnp.sqrt(pixels.var(-1, keepdims=True, ddof=1) + 1e-6)


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
