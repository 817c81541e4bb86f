"""What happens to a batch on the device before a model sees it.

Each function is `(batch, info) -> batch`; only what it names is replaced.
"""

import jax.numpy as jnp
import numpy as np

from medfm.types import Batch, Info, UserError


def image(
  batch: Batch,
  info: Info,
  *,
  mean: float | tuple[float, ...] = 0.5,
  std: float | tuple[float, ...] = 0.5,
  channels: int = 0,
) -> Batch:
  """Scales `image` [B,H,W,C] to float32 (x - mean) / std.

  uint8 and uint16 are first divided by 255 and 65535; float images are taken
  to be in [0, 1] already.

  mean, std: one number, or one per channel (after copying).
  channels: a grey image is copied to this many; 0 keeps what there is.

  Raises:
    UserError: a colour image with another number of channels than asked for.
  """
  x = batch["image"]
  top = np.iinfo(x.dtype).max if np.issubdtype(x.dtype, np.integer) else 1
  x = x.astype(jnp.float32) / top
  if channels and x.shape[-1] != channels:
    if x.shape[-1] != 1:
      raise UserError(
        f"inputs.channels: {info.name} has images of {x.shape[-1]} channels, "
        f"and only grey ones can be copied to {channels}; set channels=0"
      )
    x = jnp.broadcast_to(x, (*x.shape[:-1], channels))
  x = (x - _per_channel(mean)) / _per_channel(std)
  return {**batch, "image": x}


def table(batch: Batch, info: Info) -> Batch:
  """Standardises `features` [B,F] by the training split; NaN stays NaN.

  A column that never varied is only centred. `categories` stay as they are.
  """
  if "features" not in batch:
    return batch
  mean, std = moments(info)
  return {**batch, "features": (batch["features"] - mean) / std}


def standard(batch: Batch, info: Info) -> Batch:
  """`image` and `table` with their defaults, for whichever the batch has."""
  if "image" in batch:
    batch = image(batch, info)
  return table(batch, info)


def moments(info: Info) -> tuple[np.ndarray, np.ndarray]:
  """Mean and divisor [1,F] float32 of the numeric columns."""
  mean = np.asarray(info.numeric_mean, np.float32)[None]
  std = np.asarray(info.numeric_std, np.float32)[None]
  return mean, np.where(std > 0, std, 1).astype(np.float32)


def _per_channel(value):
  return np.asarray(value, np.float32).reshape(1, 1, 1, -1)
