"""Segmentation: what every place of a picture or volume belongs to."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from medfm.nn import forward, windows
from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import backbone, expect_task
from medfm.tasks import regions as task
from medfm.types import Info, Objective, UserError


def regions(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  overlap: float = 0.5,
  mirror: tuple[int, ...] = (),
  dice: float = 1.0,
) -> Objective:
  """Dice loss plus cross-entropy on `regions` [B,*S] (Isensee et al. 2021).

  Learns from patches of the size that the data's plan says, and predicts whole
  pictures by windows of that size (`nn.windows.slid`). The loss of the
  network's smaller stages counts half of the stage above (deep supervision).
  An example's Dice loss is 1 minus the mean of the soft Dice over structures,
  by example; a place marked `task.UNKNOWN` is left out of both losses.

  Terms: `loss`, `dice` (of the largest stage), `weight`. `predict`: `regions`
  uint8 [B,*S], the most probable class of each place.

  overlap: of neighbouring windows in prediction, of a patch's extent.
  mirror: axes of space along which pictures are mirrored in prediction, whose
    logits are averaged; () for none. Three axes take eight times as long.
  dice: weight of the Dice loss beside the cross-entropy.
  """
  expect_task(info, task)
  plan = getattr(info.only, "plan", None)
  if plan is None or not plan.patch:
    raise UserError(
      f"objective: {info.name} holds {info.describe()} without a plan; "
      "segmentation needs the data of configs/own_volumes.py or own_masks.py"
    )
  if not 0 <= overlap < 1:
    raise UserError(f"overlap={overlap}: expected 0 or more, below 1")
  if not set(mirror) <= set(range(info.only.axes)):
    raise UserError(
      f"mirror={mirror}: expected axes from 0 to {info.only.axes - 1}"
    )
  classes = task.classes(info.target)
  net = backbone(info, model, outputs=classes)

  def init(key, batch):
    # One patch is enough, whatever the size of the pictures.
    channels = batch["image"].shape[-1]
    patch = jax.ShapeDtypeStruct((1, *plan.patch, channels), jnp.float32)
    return forward.init(net, key, {"image": patch})

  def loss(variables, batch, key):
    outputs, updates = forward.apply(
      net, variables, inputs(batch, info), train=True, key=key
    )
    truth = batch["regions"].astype(jnp.int32)
    if info.target.instances:
      truth = with_borders(truth)
    logits = [outputs["logits"], *outputs.get("coarse", ())]
    total, weights = 0.0, 0.0
    for stage, each in enumerate(logits):
      steps = [
        a // b for a, b in zip(truth.shape[1:], each.shape[1:], strict=False)
      ]
      there = truth[(slice(None), *(slice(None, None, step) for step in steps))]
      overlaps, entropy = _terms(each, there, classes)
      total += 0.5**stage * (entropy + dice * (1 - overlaps))
      weights += 0.5**stage
      if not stage:
        largest = overlaps
    places = (truth != task.UNKNOWN).reshape(len(truth), -1)
    weight = places.any(1).astype(jnp.float32)
    return {"loss": total / weights, "dice": largest, "weight": weight}, updates

  def logits(variables):
    def of(image):
      outputs, _ = forward.apply(net, variables, {"image": image})
      return outputs["logits"]

    return windows.mirrored(of, mirror) if mirror else of

  def predict(variables, batch):
    image = inputs(batch, info)["image"]
    predicted = windows.slid(
      logits(variables),
      image,
      batch.get("image/size"),
      patch=plan.patch,
      overlap=overlap,
    )
    return {"regions": predicted}

  return Objective(init, loss, predict, task=task, net=net)


def _terms(logits, truth, classes):
  """Mean soft Dice of the structures [B], and mean cross-entropy [B]."""
  known = truth != task.UNKNOWN
  count = jnp.maximum(known.reshape(len(truth), -1).sum(1), 1)
  axes = tuple(range(1, truth.ndim))
  label = jnp.where(known, truth, 0)
  entropy = optax.softmax_cross_entropy_with_integer_labels(logits, label)
  entropy = jnp.where(known, entropy, 0).sum(axes) / count
  probs = jnp.where(known[..., None], jax.nn.softmax(logits), 0)[..., 1:]
  marked = label[..., None] == jnp.arange(1, classes).reshape(
    *(1,) * label.ndim, -1
  )
  marked = (marked & known[..., None]).astype(jnp.float32)
  both = (probs * marked).sum(axes)
  overlaps = (2 * both + 1e-5) / (probs.sum(axes) + marked.sum(axes) + 1e-5)
  return overlaps.mean(-1), entropy


def with_borders(label: jax.Array) -> jax.Array:
  """Classes 0 outside, 1 inside and 2 border of instances [B,*S] (0 is none).

  The border are the places of an instance with a neighbour along an axis, one
  place away, that belongs to another or to none; so that instances that touch
  are parted by it.
  """
  border = jnp.zeros(label.shape, bool)
  for axis in range(1, label.ndim):
    differs = jnp.diff(label, axis=axis) != 0
    for edge in ((0, 1), (1, 0)):
      edges = [edge if a == axis else (0, 0) for a in range(label.ndim)]
      border |= jnp.pad(differs, edges)
  return jnp.where(label > 0, jnp.where(border, 2, 1), 0)
