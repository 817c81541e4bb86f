"""How public image models want their images, read; and written for ours."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfm import jsons
from medfm.types import UserError
from medfm.weights import clip, public, vit

NAME = "preprocessor_config.json"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLIP = {
  "mean": (0.48145466, 0.4578275, 0.40821073),
  "std": (0.26862954, 0.26130258, 0.27577711),
}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def wanted(path: str) -> dict[str, Any]:
  """size, channels, mean and std of the images that public weights learnt from.

  From preprocessor_config.json, or timm's pretrained_cfg, beside the weights;
  without either 224 pixels and ImageNet's moments (a ViT's are all 0.5, and
  CLIP has its own). The moments are of values in [0, 1]. UserError for other
  numbers.
  """
  place = Path(path).expanduser()
  layout, config = public.described(place)
  file = (place.parent if place.is_file() else place) / NAME
  if layout is clip:
    config = clip.described(config)
  channels = config.get("num_channels", 3)
  moments = {"vit": HALF, "clip": CLIP}.get(layout.TYPE, IMAGENET)
  values = {"size": 224, **moments}
  try:
    if file.is_file():
      values |= _processor(jsons.read(file))
    elif "pretrained_cfg" in config:
      timm = config["pretrained_cfg"]
      values |= {key: timm[key] for key in ("mean", "std") if key in timm}
      if "input_size" in timm:
        values["size"] = timm["input_size"][-1]
    if layout in (vit, clip):  # Its positions are for this size alone.
      values["size"] = config.get("image_size", 224)
    for key in ("mean", "std"):
      numbers = [float(value) for value in values[key]]
      # Grey models are described by one number or by three equal ones.
      values[key] = tuple(numbers if len(numbers) == channels else numbers[:1])
    values["size"] = int(values["size"])
    if not 0 < values["size"] <= 4096:
      raise ValueError(f"size={values['size']}, expected 1 to 4096")
    if not all(0 < value < math.inf for value in values["std"]):
      raise ValueError(f"std={values['std']}, expected numbers above 0")
    if not all(map(math.isfinite, values["mean"])):
      raise ValueError(f"mean={values['mean']}, expected finite numbers")
  except (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError,
  ) as error:  # fmt: skip
    raise UserError(
      f"{file} does not say the size and scaling of images: {error!r}"
    ) from None
  return {**values, "channels": channels}


def described(size: int, inputs: Mapping[str, Any]) -> dict[str, Any]:
  """preprocessor_config.json of a model; inputs: settings of `inputs.image`."""

  def three(value):
    values = value if isinstance(value, list | tuple) else [value]
    return [*values] * (3 if len(values) == 1 else 1)

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
  """The size and scaling in the config of a Hugging Face image processor."""
  values = {}
  if not config.get("do_normalize", True):
    values = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
  elif "image_mean" in config:
    values = {"mean": config["image_mean"], "std": config["image_std"]}
  rescaled = config.get("do_rescale", True)
  top = 255 * (config.get("rescale_factor", 1 / 255) if rescaled else 1)
  values = {key: [x / top for x in each] for key, each in values.items()}
  size = config.get("crop_size") or config.get("size")
  if isinstance(size, Mapping):
    size = size.get("height") or size.get("shortest_edge")
  return values | ({"size": size} if size else {})
