"""Adapters in a separate file, without the model that they change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from medfm import tree
from medfm.types import UserError
from medfm.weights import safetensors_file


def write(folder: Path, leaves: Mapping[str, Any], *, alpha: float) -> None:
  """Writes leaves by path (`lora.trained`) and their alpha."""
  tensors = {path: np.asarray(leaf) for path, leaf in leaves.items()}
  config = {"model_type": "medfm_lora", "alpha": alpha}
  safetensors_file.write(folder, tensors, config)


def read(folder: Path, params: Any) -> tuple[Any, float]:
  """`params` with the leaves of a folder in their places, and their alpha.

  UserError for a leaf that has no place there.
  """
  config = safetensors_file.read_config(folder)
  if config.get("model_type") != "medfm_lora":
    raise UserError(f"{folder} holds no adapters")
  saved = safetensors_file.read(folder)
  places = tree.paths(params)
  for path, leaf in saved.items():
    if path not in places or places[path].shape != leaf.shape:
      raise UserError(
        f"{folder}: {path} {leaf.shape} has no place in this model; set rank "
        "and targets as in the run that trained it"
      )
  filled = jax.tree_util.tree_map_with_path(
    lambda path, leaf: saved.get(tree.name(path), leaf), params
  )
  return filled, float(config["alpha"])
