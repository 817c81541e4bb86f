"""What happens to a batch on the device before a model sees it.

Each function is `(batch, info) -> batch`; it replaces only the arrays it names.
"""

from collections.abc import Callable

import jax.numpy as jnp

from medfm.types import Batch, Info, UserError, key, view


def standard(batch: Batch, info: Info) -> Batch:
  """Scales every input as its description says; changes nothing else."""
  return _scaled(batch, info, lambda name, part: info.inputs[name].scale(part))


def image(
  batch: Batch,
  info: Info,
  *,
  mean: float | tuple[float, ...] = 0.5,
  std: float | tuple[float, ...] = 0.5,
  channels: int = 0,
) -> Batch:
  """Scales `image` [B,H,W,C] to float32 (x - mean) / std; see `Image.scale`.

  Inputs that are not images are scaled as by `standard`.

  mean, std: one number, or one per channel (after copying).
  channels: a grey image is copied to this many channels, a colour image with
    another number is refused; 0 keeps the channels as they are.
  """

  def scaled(name: str, part: Batch) -> Batch:
    if "image" not in info.inputs[name].arrays:
      return info.inputs[name].scale(part)
    x = part["image"]
    if channels and x.shape[-1] not in (1, channels):
      raise UserError(
        f"inputs.channels: {info.name} has images of {x.shape[-1]} channels, "
        f"and only grey images can be copied to {channels}; set channels=0"
      )
    x = jnp.broadcast_to(x, (*x.shape[:-1], channels or x.shape[-1]))
    return info.inputs[name].scale({**part, "image": x}, mean=mean, std=std)

  return _scaled(batch, info, scaled)


def _scaled(
  batch: Batch, info: Info, scaled: Callable[[str, Batch], Batch]
) -> Batch:
  """The batch with the arrays of each input replaced."""
  changed = dict(batch)
  for name, each in info.inputs.items():
    part = scaled(name, view(batch, info.inputs, name))
    kept = [array for array in each.arrays if array in part]
    changed |= {key(info, name, array): part[array] for array in kept}
  return changed
