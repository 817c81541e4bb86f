"""How public image models want their images, and ours as others read it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfm.types import UserError
from medfm.weights import public, vit

LARGEST = 4096
NAME = "preprocessor_config.json"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def wanted(path: str) -> dict[str, Any]:
  """size, channels, mean and std of the images that public weights learnt from.

  From preprocessor_config.json, or timm's pretrained_cfg, beside the weights;
  without either 224 pixels and ImageNet's moments (a ViT's are all 0.5). The
  moments are of values in [0, 1].

  Raises:
    UserError: numbers that are no size or moments.
  """
  place = Path(path).expanduser()
  layout, config = public.described(place)
  folder = place.parent if place.is_file() else place
  channels = config.get("num_channels", 3)
  found = {"size": 224, **(HALF if layout is vit else IMAGENET)}
  try:
    if (folder / NAME).is_file():
      found |= _processor(json.loads((folder / NAME).read_text()))
    elif "pretrained_cfg" in config:
      found |= _timm(config["pretrained_cfg"])
    if layout is vit:  # Its positions are for this size alone.
      found["size"] = config.get("image_size", 224)
    for key in ("mean", "std"):
      values = [float(value) for value in found[key]]
      # Grey models are described by one number or by three equal ones.
      found[key] = tuple(values if len(values) == channels else values[:1])
    found["size"] = int(found["size"])
    _check(found)
  except (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError,
  ) as error:  # fmt: skip
    raise UserError(
      f"{folder / NAME} does not say how large and how scaled images are: "
      f"{error!r}"
    ) from None
  return {**found, "channels": channels}


def _check(found: Mapping[str, Any]) -> None:
  if not 0 < found["size"] <= LARGEST:
    raise ValueError(f"size={found['size']}, expected 1 to {LARGEST}")
  if not all(0 < value < math.inf for value in found["std"]):
    raise ValueError(f"std={found['std']}, expected numbers above 0")
  if not all(map(math.isfinite, found["mean"])):
    raise ValueError(f"mean={found['mean']}, expected finite numbers")


def described(size: int, inputs: Mapping[str, Any]) -> dict[str, Any]:
  """preprocessor_config.json of a model; inputs: settings of `inputs.image`."""

  def three(value):
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * 3 if len(values) == 1 else values

  return {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": size, "width": size},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": three(inputs.get("mean", 0.5)),
    "image_std": three(inputs.get("std", 0.5)),
  }


def _processor(config: Mapping[str, Any]) -> dict[str, Any]:
  """Of Hugging Face's image processors."""
  found = {}
  if config.get("do_normalize", True) and "image_mean" in config:
    found = {"mean": config["image_mean"], "std": config["image_std"]}
  elif not config.get("do_normalize", True):
    found = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
  factor = config.get("rescale_factor", 1 / 255)
  factor = factor if config.get("do_rescale", True) else 1
  found = {
    key: [value / (255 * factor) for value in values]
    for key, values in found.items()
  }
  size = config.get("crop_size") or config.get("size")
  if isinstance(size, Mapping):
    size = size.get("height") or size.get("shortest_edge")
  return found | ({"size": size} if size else {})


def _timm(config: Mapping[str, Any]) -> dict[str, Any]:
  found = {key: config[key] for key in ("mean", "std") if key in config}
  if "input_size" in config:
    found["size"] = config["input_size"][-1]
  return found
