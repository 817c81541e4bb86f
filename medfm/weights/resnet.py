"""ResNet in the layouts of Hugging Face, torchvision and timm."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.types import UserError
from medfm.weights import hugging_face as hf
from medfm.weights.mapping import CONV, SAME, Leaf, dense

TYPE = "resnet"
_BLOCKS = {
  ("basic", (1, 1, 1, 1)): 10,
  ("bottleneck", (1, 1, 1, 1)): 14,
  ("basic", (2, 2, 2, 2)): 18,
  ("basic", (3, 4, 6, 3)): 34,
  ("bottleneck", (3, 4, 6, 3)): 50,
}
_SHAPES = {depth: shape for shape, depth in _BLOCKS.items()}


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """Of `models.resnet.ResNet`, from config.json."""
  hf.expect(
    config,
    hidden_act="relu",
    downsample_in_first_stage=False,
    downsample_in_bottleneck=False,
  )
  kind = config.get("layer_type", "bottleneck")
  blocks = tuple(config.get("depths", ()))
  width = hf.size("embedding_size", config.get("embedding_size", 64))
  if (kind, blocks) not in _BLOCKS:
    raise UserError(
      f"config.json describes a {kind} ResNet of stages {blocks}; the depths "
      "known here are 18, 34 and 50"
    )
  hf.expect(config, hidden_sizes=_widths(kind, width))
  return {
    "depth": _BLOCKS[kind, blocks],
    "width": width,
    "stem": "imagenet",
    "norm": "batch",
    "channels": hf.size("num_channels", config.get("num_channels", 3)),
  }


def inferred(tensors: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
  """A config of a file that has none, where its names are a ResNet's."""
  found = canonical(tensors)
  stem = found.get(f"{_STEM}.convolution.weight")
  if stem is None or stem.ndim != 4:
    return None
  layers = re.compile(r"resnet\.encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.0")
  blocks = [0] * 4
  for name in found:
    if match := layers.match(name):
      stage, index = map(int, match.groups())
      blocks[stage] = max(blocks[stage], index + 1)
  deep = "resnet.encoder.stages.0.layers.0.layer.2.convolution.weight" in found
  kind, width = "bottleneck" if deep else "basic", len(stem)
  return {
    "model_type": TYPE,
    "layer_type": kind,
    "depths": blocks,
    "embedding_size": width,
    "hidden_sizes": _widths(kind, width),
    "num_channels": stem.shape[1],
  }


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json of a model; kind: what is on top of it.

  Raises:
    UserError: a variant that the layout does not have.
  """
  for key, value in (("stem", "imagenet"), ("norm", "batch")):
    if settings[key] != value:
      raise UserError(
        f"the layout of ResNet has no model of {key}={settings[key]}"
      )
  layer, blocks = _SHAPES[settings["depth"]]
  width = settings["width"]
  return {
    "model_type": TYPE,
    "architectures": [f"ResNet{kind}"],
    "layer_type": layer,
    "depths": list(blocks),
    "embedding_size": width,
    "hidden_sizes": _widths(layer, width),
    "hidden_act": "relu",
    "num_channels": settings["channels"],
    "downsample_in_first_stage": False,
  }


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Names as Hugging Face has them, of theirs, torchvision's or timm's."""
  found = {}
  for name, tensor in tensors.items():
    if name.endswith("num_batches_tracked"):
      continue
    for pattern, replacement in _TORCHVISION:
      name = re.sub(pattern, replacement, name)
    if re.match(r"(embedder|encoder)\.", name):
      name = f"resnet.{name}"
    found[name] = tensor
  return found


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table."""
  layer, blocks = _SHAPES[settings["depth"]]
  convolutions = 3 if layer == "bottleneck" else 2
  table = _convolution("conv1", "norm1", _STEM)
  for stage, count in enumerate(blocks):
    for index in range(count):
      ours = f"layer{stage + 1}_{index}"
      theirs = f"resnet.encoder.stages.{stage}.layers.{index}"
      for number in range(convolutions):
        table += _convolution(
          f"{ours}/conv{number + 1}",
          f"{ours}/norm{number + 1}",
          f"{theirs}.layer.{number}",
        )
      if index == 0:
        table += _convolution(
          f"{ours}/downsample_conv",
          f"{ours}/downsample_norm",
          f"{theirs}.shortcut",
        )
  return table + dense("params/model/head", "classifier.1")


def kind(params: Mapping[str, Any]) -> str:
  """What is on top of a model, in their words."""
  return "ForImageClassification" if "head" in params["model"] else "Model"


def completed(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """With the batch counts that torch's normalisations keep beside the rest."""
  counts = {
    name.replace("running_mean", "num_batches_tracked"): np.zeros((), np.int64)
    for name in tensors
    if name.endswith("running_mean")
  }
  return {**tensors, **counts}


def _widths(layer: str, width: int) -> list[int]:
  """Channels at the end of each stage."""
  factor = 4 if layer == "bottleneck" else 1
  return [factor * width * 2**stage for stage in range(4)]


def _convolution(conv: str, norm: str, theirs: str) -> list[Leaf]:
  """A convolution without bias and its batch normalisation."""
  parts = {
    f"params/model/{norm}/scale": "weight",
    f"params/model/{norm}/bias": "bias",
    f"batch_stats/model/{norm}/mean": "running_mean",
    f"batch_stats/model/{norm}/var": "running_var",
  }
  return [
    Leaf(
      f"params/model/{conv}/kernel", (f"{theirs}.convolution.weight",), CONV
    ),
    *(
      Leaf(ours, (f"{theirs}.normalization.{name}",), SAME)
      for ours, name in parts.items()
    ),
  ]


_STEM = "resnet.embedder.embedder"


def _block(match: re.Match) -> str:
  """layer1.0.conv2 -> resnet.encoder.stages.0.layers.0.layer.1.convolution."""
  stage, index, part, number = match.groups()
  where = f"resnet.encoder.stages.{int(stage) - 1}.layers.{index}"
  if part == "downsample.":
    kind = ("convolution", "normalization")[int(number)]
    return f"{where}.shortcut.{kind}."
  kind = "convolution" if part == "conv" else "normalization"
  return f"{where}.layer.{int(number) - 1}.{kind}."


_TORCHVISION: tuple = (
  (r"^conv1\.", f"{_STEM}.convolution."),
  (r"^bn1\.", f"{_STEM}.normalization."),
  (r"^layer([1-4])\.(\d+)\.(conv|bn)([123])\.", _block),
  (r"^layer([1-4])\.(\d+)\.(downsample\.)([01])\.", _block),
  (r"^fc\.", "classifier.1."),
)
