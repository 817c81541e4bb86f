"""ResNet in the layouts of Hugging Face, torchvision and timm."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.models.resnet import STAGES
from medfm.types import UserError
from medfm.weights import mapping
from medfm.weights.mapping import CONV, Leaf, dense

TYPE = "resnet"
KINDS = {"model/head": "ForImageClassification"}
_STEM = "resnet.embedder.embedder"
_PARTS = {"conv": "convolution", "bn": "normalization"} | {
  "downsample.0": "convolution",
  "downsample.1": "normalization",
}


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of `models.resnet.ResNet`, from config.json."""
  kind = config.get("layer_type", "bottleneck")
  blocks = tuple(config.get("depths", ()))
  width = mapping.size(config, "embedding_size", 64)
  channels = mapping.size(config, "num_channels", 3)
  depths = [depth for depth, known in STAGES.items() if known == (kind, blocks)]
  if not depths:
    raise UserError(
      f"config.json describes a {kind} ResNet of stages {blocks}; expected a "
      "depth of 18, 34 or 50"
    )
  mapping.expect(
    "config.json",
    config,
    hidden_act="relu",
    downsample_in_first_stage=False,
    downsample_in_bottleneck=False,
    hidden_sizes=_described(kind, blocks, width, channels)["hidden_sizes"],
  )
  return {
    "depth": depths[0],
    "width": width,
    "stem": "imagenet",
    "norm": "batch",
    "channels": channels,
  }


def inferred(tensors: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
  """A config for tensors without one, if their names are a ResNet's."""
  named = canonical(tensors)
  stem = named.get(f"{_STEM}.convolution.weight")
  if stem is None or stem.ndim != 4:
    return None
  layers = re.compile(r"resnet\.encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.0")
  places = {match.groups() for match in map(layers.match, named) if match}
  blocks = [sum(stage == str(i) for stage, _ in places) for i in range(4)]
  deep = "resnet.encoder.stages.0.layers.0.layer.2.convolution.weight" in named
  kind = "bottleneck" if deep else "basic"
  return _described(kind, blocks, len(stem), stem.shape[1])


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json for the head `kind`; UserError if the layout has no such."""
  mapping.expect("ResNet's layout", settings, stem="imagenet", norm="batch")
  sizes = settings["width"], settings["channels"]
  described = _described(*STAGES[settings["depth"]], *sizes)
  return described | {"architectures": [f"ResNet{kind}"]}


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Hugging Face's names for tensors of theirs, torchvision's or timm's."""
  rules = (
    (r"^conv1\.", f"{_STEM}.convolution."),
    (r"^bn1\.", f"{_STEM}.normalization."),
    (r"^layer([1-4])\.(\d+)\.(conv|bn|downsample\.[01])([123]?)\.", _block),
    (r"^fc\.", "classifier.1."),
    (r"^(embedder|encoder)\.", r"resnet.\1."),
  )
  return mapping.renamed(tensors, rules, r"num_batches_tracked$")


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table."""
  layer, blocks = STAGES[settings["depth"]]
  table = _convolution("", "{}1", _STEM)
  for stage, count in enumerate(blocks):
    for index in range(count):
      ours = f"layer{stage + 1}_{index}/"
      theirs = f"resnet.encoder.stages.{stage}.layers.{index}"
      for number in range(3 if layer == "bottleneck" else 2):
        block = f"{theirs}.layer.{number}"
        table += _convolution(ours, f"{{}}{number + 1}", block)
      if index == 0:
        table += _convolution(ours, "downsample_{}", f"{theirs}.shortcut")
  return table + dense("params/model/head", "classifier.1")


def _described(kind, blocks, width: int, channels: int) -> dict[str, Any]:
  widest = width * (4 if kind == "bottleneck" else 1)
  return {
    "model_type": TYPE,
    "layer_type": kind,
    "depths": list(blocks),
    "embedding_size": width,
    "hidden_sizes": [widest * 2**stage for stage in range(4)],
    "hidden_act": "relu",
    "num_channels": channels,
    "downsample_in_first_stage": False,
  }


def _convolution(ours: str, name: str, theirs: str) -> list[Leaf]:
  """A convolution and its batch normalisation; name: such as "{}1"."""
  conv, norm = f"{ours}{name.format('conv')}", f"{ours}{name.format('norm')}"
  places = {
    f"params/model/{norm}/scale": "weight",
    f"params/model/{norm}/bias": "bias",
    f"batch_stats/model/{norm}/mean": "running_mean",
    f"batch_stats/model/{norm}/var": "running_var",
  }
  kernel = f"{theirs}.convolution.weight"
  return [Leaf(f"params/model/{conv}/kernel", (kernel,), CONV)] + [
    Leaf(place, (f"{theirs}.normalization.{part}",))
    for place, part in places.items()
  ]


def _block(match: re.Match) -> str:
  """layer1.0.conv2 -> resnet.encoder.stages.0.layers.0.layer.1.convolution."""
  stage, index, part, number = match.groups()
  layer = f"layer.{int(number) - 1}" if number else "shortcut"
  where = f"resnet.encoder.stages.{int(stage) - 1}.layers.{index}"
  return f"{where}.{layer}.{_PARTS[part]}."
