"""A trained image model as what turns tiles of a slide into numbers.

A data set does not know of trained runs; its config hands the model in.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import jax
import numpy as np

from medfm import setup, spec, stages
from medfm.data.images import decode
from medfm.data.images import input as image_input
from medfm.data.slides import encoders
from medfm.data.slides.encoders import Encoder
from medfm.types import UserError


def encoder(
  *, workdir: str = "", stage: str = "", batch_size: int = 64
) -> Encoder:
  """The `embedding` of a finished image stage, frozen.

  workdir, stage: of the run, its last stage by default; without a workdir it is
    `encoders.colour_and_texture`, which needs no training.
  batch_size: tiles at a time.

  Tiles are resized to the images that the model was trained on. Raises:
  UserError if the run is not one of images, or has no embedding.
  """
  if not workdir:
    return encoders.colour_and_texture()
  name, _, model, variables = stages.opened(Path(workdir), stage or None)
  described = model.info.only
  if not isinstance(described, image_input.Image):
    raise UserError(
      f"{workdir}: was trained on {model.info.describe()}, and tiles of slides "
      "need a model of images"
    )
  high, wide = described.size
  if high != wide:
    raise UserError(f"{workdir}: its images are {high} x {wide}, not square")
  key = _key(variables, model)
  run = dataclasses.replace(model.run, batch_size=batch_size)
  model = dataclasses.replace(model, run=run)

  def embedding(tiles: np.ndarray) -> np.ndarray:
    images = np.stack([_as_trained(tile, described) for tile in tiles])
    rows = np.arange(batch_size) % len(images)  # One shape, compiled once.
    batch = {
      "image": images[rows],
      "weight": (np.arange(batch_size) < len(images)).astype(np.float32),
      "id": np.arange(batch_size, dtype=np.int32),
    }
    outputs = model.predict(variables, setup.placed(model, batch))
    if "embedding" not in outputs:
      raise UserError(f"{workdir}: the stage {name} gives no embedding")
    found = np.asarray(jax.device_get(outputs["embedding"]))[: len(images)]
    return found.reshape(len(images), -1).astype(np.float32)

  words = f"the embedding of {Path(workdir).name}, stage {name} ({key[:8]})"
  return Encoder(words, key, embedding, batch_size)


def _as_trained(tile: np.ndarray, described: image_input.Image) -> np.ndarray:
  image = decode.with_channels(tile, described.channels)
  image = decode.resized(image, described.size[0], "stretch")
  return decode.with_dtype(image, np.dtype(described.dtype), "a tile")


def _key(variables, model: setup.Inference) -> str:
  """The hash of the weights, and of what the model does to an image."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(np.ascontiguousarray(leaf).tobytes())
  for part in (model.info, model.run.objective):  # Scaling, pooling, ...
    digest.update(json.dumps(spec.plain(part), default=str).encode())
  return digest.hexdigest()
