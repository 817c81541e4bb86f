"""Contrastive pre-training of an image tower and a text tower."""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.data.captions import pairs
from medfm.nn import forward
from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import backbone
from medfm.tasks import pretext
from medfm.types import PRESENT, Batch, Info, Objective, UserError, key

Same = Literal["positive", "ignored", "negative"]


def clip(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  temperature: float = 0.07,
  largest_scale: float = 100.0,
  same_caption: Same = "positive",
) -> Objective:
  """Finds the text of a picture, and the picture of a text, in a batch (CLIP).

  The cross-entropy of Radford et al. 2021 over the rows and the columns of
  cosines times a learnt scale; an example's `loss` is the mean of both.

  Medical captions are often templates, so that a batch holds the same caption
  several times. By default all examples with an equal caption (equal tokens)
  are right answers of each other, in equal shares (Yang et al. 2022, UniCL);
  the shares' entropy, a constant, is taken off, so that 0 is the least loss.
  Where no caption repeats, this is CLIP's loss.

  An example without a picture or a text has weight 0, and like padding it is no
  rival. Terms: `loss`, `weight`; `matched`, whether the nearest text says
  the same as the picture's own; and the learnt `scale`. `predict` gives these
  by comparing within its batch, and the model's outputs.

  model: `models.two_towers.TwoTowers`.
  temperature: the first scale is 1 / temperature.
  largest_scale: the scale is clipped there (CLIP: 100).
  same_caption: "positive" as above; "ignored" leaves such pairs out; with
    "negative" they are rivals, as in the paper.
  """
  if temperature <= 0 or largest_scale <= 0:
    raise UserError(
      f"temperature={temperature}, largest_scale={largest_scale}: expected "
      "more than 0"
    )

  def losses(cosines, same, known, learnt):
    scale = jnp.exp(_at_most(learnt["log_scale"], math.log(largest_scale)))
    loss = contrasted(cosines * scale, same, known, same_caption)
    return loss, scale

  first = {"log_scale": -math.log(temperature)}
  return _objective(info, model, inputs, same_caption, first, losses)


def siglip(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  temperature: float = 0.1,
  bias: float = -10.0,
  same_caption: Same = "positive",
) -> Objective:
  """Asks of every picture and text of a batch whether they belong together.

  SigLIP's loss (Zhai et al. 2023, algorithm 1): the log-sigmoid of cosines
  times a learnt scale plus a learnt bias, summed over the texts for each
  picture. Terms, outputs and settings are as in `clip`; two examples with an
  equal caption belong together by default.

  temperature, bias: the first scale is 1 / temperature (SigLIP: 10 and -10).
  """
  if temperature <= 0:
    raise UserError(f"temperature={temperature}: expected more than 0")

  def losses(cosines, same, known, learnt):
    scale = jnp.exp(learnt["log_scale"])
    logits = cosines * scale + learnt["bias"]
    return paired(logits, same, known, same_caption), scale

  first = {"log_scale": -math.log(temperature), "bias": bias}
  return _objective(info, model, inputs, same_caption, first, losses)


def contrasted(
  logits: jax.Array, same: jax.Array, known: jax.Array, how: Same = "positive"
) -> jax.Array:
  """CLIP's loss [B]: of rows (pictures) and columns (texts) of [B,B], halved.

  same: [B,B] bool, whether two examples have equal captions. known: [B] bool;
  examples that are not are no rivals.
  """
  own = jnp.eye(len(logits), dtype=bool)
  seen = known[None] | own  # Its own stays in, for a finite loss.
  if how == "ignored":
    seen &= own | ~same
  right = (own | same) & seen if how == "positive" else own
  share = right / right.sum(1, keepdims=True)
  entropy = jnp.log(right.sum(1))
  total = 0
  for each in (logits, logits.T):
    log_probs = jax.nn.log_softmax(jnp.where(seen, each, -jnp.inf), 1)
    crossed = jnp.where(right, share * log_probs, 0).sum(1)
    total += -crossed - entropy
  return total / 2


def paired(
  logits: jax.Array, same: jax.Array, known: jax.Array, how: Same = "positive"
) -> jax.Array:
  """SigLIP's loss [B]: summed over the texts (columns) of logits [B,B].

  same, known: as in `contrasted`.
  """
  own = jnp.eye(len(logits), dtype=bool)
  counted = known[None] | own
  if how == "ignored":
    counted &= own | ~same
  right = own | same if how == "positive" else own
  losses = -jax.nn.log_sigmoid(jnp.where(right, logits, -logits))
  return jnp.where(counted, losses, 0).sum(1)


def _objective(
  info: Info,
  model: Callable,
  inputs: Callable,
  same_caption: Same,
  first: dict[str, float],
  losses: Callable,
) -> Objective:
  """The objective of a loss.

  first: learnt numbers, by name, and their first values.
  losses: (cosines [B,B], same [B,B], known [B], learnt) -> (loss [B], scale).
  """
  if same_caption not in ("positive", "ignored", "negative"):
    raise UserError(
      f"same_caption={same_caption!r}: expected positive, ignored or negative"
    )
  picture, text = pairs.sides(info)
  net, numbers = backbone(info, model, outputs=0), Numbers(first)

  def init(init_key, batch):
    variables = forward.init(net, init_key, inputs(batch, info))
    return forward.with_decoder(variables, numbers, init_key)

  def terms_of(variables, batch, loss_key, *, train):
    outputs, updates = forward.apply(
      net, variables, inputs(batch, info), train=train, key=loss_key
    )
    vectors = [outputs.get(f"{side}_embedding") for side in ("image", "text")]
    if vectors[0] is None or vectors[1] is None:
      raise UserError(
        "objective: image and text need a model with two towers; use "
        "medfm.models.two_towers.TwoTowers"
      )
    learnt, _ = forward.apply(numbers, variables, scope="decoder")
    cosines = vectors[0] @ vectors[1].T
    here = _here(batch, info, (picture, text))
    known = (batch["weight"] > 0) & (here > 0)
    same = _same(batch, info, text)
    loss, scale = losses(cosines, same, known, learnt)
    rivals = jnp.where(known[None] & ~same, cosines, -jnp.inf).max(1)
    right = jnp.where(known[None] & same, cosines, -jnp.inf).max(1)
    terms = {
      "loss": loss,
      "weight": here,
      "matched": (right > rivals).astype(jnp.float32),
      "scale": jnp.broadcast_to(scale, loss.shape),
    }
    return terms, outputs, updates

  def loss(variables, batch, loss_key):
    terms, _, updates = terms_of(variables, batch, loss_key, train=True)
    return terms, updates

  def predict(variables, batch):
    terms, outputs, _ = terms_of(variables, batch, None, train=False)
    return terms | outputs

  return Objective(init, loss, predict, task=pretext, coupled=True, net=net)


class Numbers(nn.Module):
  """Learnt numbers without an input, by name."""

  first: dict[str, float]

  @nn.compact
  def __call__(self, *, train: bool = False) -> dict[str, jax.Array]:
    return {
      name: self.param(name, nn.initializers.constant(value), ())
      for name, value in self.first.items()
    }


def _here(batch: Batch, info: Info, names: tuple[str, ...]) -> jax.Array:
  """[B] float32, 1 for examples that have both inputs."""
  here = jnp.ones(batch["weight"].shape, jnp.float32)
  for name in names:
    here *= batch.get(key(info, name, PRESENT), here)
  return here


def _same(batch: Batch, info: Info, text: str) -> jax.Array:
  """[B,B] bool: whether two captions are equal, token by token."""
  tokens, segment = (
    batch[key(info, text, name)] for name in ("tokens", "segment")
  )
  said = jnp.where(segment > 0, tokens, -1)
  return (said[:, None] == said[None]).all(-1)


@jax.custom_vjp
def _at_most(x: jax.Array, top: float) -> jax.Array:
  """min(x, top), whose gradient at the top can only lead down.

  So a step never carries x further beyond, and it comes back at once, as if it
  had been clipped after each step (as CLIP does).
  """
  return jnp.minimum(x, top)


def _forward(x, top):
  return _at_most(x, top), x >= top


def _backward(above, slope):
  return jnp.where(above, jnp.maximum(slope, 0), slope), None


_at_most.defvjp(_forward, _backward)
