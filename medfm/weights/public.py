"""Reads public weights, and writes ours in the same layouts."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
from flax import linen as nn

from medfm import spec, tree
from medfm.types import UserError
from medfm.weights import (
  bert,
  clip,
  gpt2,
  mapping,
  resnet,
  safetensors_file,
  torch_file,
  transfer,
  vit,
)

_MODELS = {
  "Bert": bert,
  "GPT": gpt2,
  "ViT": vit,
  "ResNet": resnet,
  "TwoTowers": clip,
}
LAYOUTS = {layout.TYPE: layout for layout in _MODELS.values()}
_SAFE = (safetensors_file.NAME, safetensors_file.INDEX)
_TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_SUFFIXES = (".bin", ".pt", ".pth", ".safetensors")
_UNSEEN = (
  "activation", "epsilon", "pre_norm", "norm", "rotary", "gated", "norm_first",
)  # fmt: skip
"""Settings that change what a model computes but no leaf's shape."""


def holds(path: Path) -> bool:
  """Whether there are public weights: a file of them, or a folder with one."""
  if path.is_file():
    return path.suffix in _SUFFIXES
  return any((path / name).is_file() for name in _SAFE + _TORCH)


def read(path: Path, model: nn.Module | None = None) -> dict[str, Any]:
  """Variables of public weights; `params/unread` has tensors without a place.

  path: a folder in the Hugging Face layout (config.json beside safetensors,
    shards and their index, or pytorch_model.bin), or such a file; a ResNet of
    torchvision or timm needs no config.json.
  model: the model to start from them; it is refused if it would compute
    something else from these weights.

  Raises: UserError for a damaged or hostile file, or an unknown kind of model.
  """
  tensors = _tensors(path)
  layout, config = described(path, tensors)
  settings = _settings(path, layout, config)
  _expect(path, settings, model)
  kind = str([*(config.get("architectures") or ()), "Model"][0])
  table = layout.leaves(settings, kind)
  return mapping.imported(table, layout.canonical(tensors), str(path))


def settings(path: Path) -> dict[str, Any]:
  """The settings of the model that fits public weights, for a config."""
  layout, config = described(path)
  chosen = _settings(path, layout, config)
  if layout is clip:
    return clip.bound(chosen)
  return {key: value for key, value in chosen.items() if key != "channels"}


def vocabulary(path: Path) -> int | None:
  """How many token ids public weights have; None for models without text."""
  chosen = _settings(path, *described(path))
  return chosen.get("encoders", {}).get("text", chosen).get("vocabulary")


def model(
  path: str, among: Mapping[str, Callable], named: str = ""
) -> tuple[str, ml_collections.ConfigDict]:
  """The name and the config entry of the model that public weights fit.

  among: name -> class of the models that are allowed; UserError for others.
  named: the one that is wanted; "" takes that of the weights.
  """
  place = Path(path).expanduser()
  if not holds(place):
    there = "is not a file of weights" if place.exists() else "does not exist"
    raise UserError(
      f"weights={path}: {there}; expected a folder with config.json and "
      f"{safetensors_file.NAME} or {_TORCH[0]}, or such a file"
    )
  layout, _ = described(place)
  fitting = [k for k, v in among.items() if _MODELS.get(v.__name__) is layout]
  if not fitting or named not in ("", fitting[0]):
    raise UserError(
      f"weights={path}: the weights are of the kind {layout.TYPE!r}, expected "
      f"{named or ' or '.join(among)}"
    )
  return fitting[0], spec.bind(among[fitting[0]], **settings(place))


def write(
  folder: Path,
  variables: Mapping[str, Any],
  model: nn.Module,
  *,
  shard_bytes: int = 5 * 10**9,
  classes: Sequence[str] = (),
  notes: Mapping[str, Any] = {},
) -> list[str]:
  """Writes variables in the Hugging Face layout; returns the tensors' names.

  variables: of the model, {"params": {"model": ...}, ...}; UserError for a
    leaf, or a model, that has no place in the layout.
  shard_bytes: a larger model is divided into shards of this size.
  classes: the names of the head's outputs.
  notes: further entries of config.json.
  """
  name = type(model).__name__
  if name not in _MODELS:
    raise UserError(
      f"{name} has no public layout; those that have are {', '.join(_MODELS)}"
    )
  layout = _MODELS[name]
  flat = transfer.apart(tree.paths(variables))
  if isinstance(model, clip.TwoTowers):
    chosen = clip.chosen(model, flat)
  else:
    chosen = {field: getattr(model, field) for field in model.__annotations__}
    chosen |= _sizes(flat, chosen)
  kind = "Model"
  for part, name in reversed(layout.KINDS.items()):
    if any(path.startswith(f"params/{part}") for path in flat):
      kind = name
  config = {"model_type": layout.TYPE} | layout.config(chosen, kind)
  tensors = mapping.exported(layout.leaves(chosen, kind), flat)
  config |= _classes(tensors, classes)
  config = clip.noted(config, notes) if layout is clip else {**config, **notes}
  # torch's batch normalisation also has a count of batches.
  tensors |= {
    name.replace("running_mean", "num_batches_tracked"): np.zeros((), np.int64)
    for name in tensors
    if name.endswith("running_mean")
  }
  safetensors_file.write(folder, tensors, config, shard_bytes=shard_bytes)
  return list(tensors)


def described(
  path: Path, tensors: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
  """The layout and config of public weights; tensors: those already read."""
  folder = path.parent if path.is_file() else path
  config: dict[str, Any] = {}
  if (folder / "config.json").is_file():
    config = safetensors_file.read_config(folder)
  if config.get("model_type") is None:
    tensors = _tensors(path) if tensors is None else tensors
    config |= resnet.inferred(tensors) or {}
  kind = config.get("model_type")
  if not config:
    raise UserError(
      f"{folder} has no config.json to say which model its weights are for; "
      "get it from where the weights came from"
    )
  if not isinstance(kind, str) or kind not in LAYOUTS:
    raise UserError(
      f"{folder / 'config.json'} says model_type={kind!r}; expected "
      f"{', '.join(LAYOUTS)}"
    )
  return LAYOUTS[kind], config


def _settings(path: Path, layout: Any, config: Mapping) -> dict[str, Any]:
  """Our model's settings, from a layout's config; errors name the file."""
  folder = path.parent if path.is_file() else path
  try:
    return layout.settings(config)
  except UserError as error:
    raise UserError(f"{folder}/{error}") from None
  except (TypeError, ValueError, AttributeError) as error:
    raise UserError(f"{folder}/config.json is damaged: {error}") from None


def _expect(
  path: Path, settings: Mapping[str, Any], model: Any, prefix: str = "model"
) -> None:
  """UserError if a model would compute something else from these settings."""
  for key in _UNSEEN:
    given = settings.get(key)
    if key in settings and getattr(model, key, given) != given:
      raise UserError(
        f"the weights of {path} are for a model with {key}={given!r}, but this "
        f"one has {key}={getattr(model, key)!r}; set {prefix}.{key}"
      )
  if isinstance(model, clip.TwoTowers):
    for role, name in clip.towers(model).items():
      tower = clip.built(model, name)
      within = f"{prefix}.encoders.{name}"
      _expect(path, settings["encoders"][role], tower, within)


def _tensors(path: Path) -> dict[str, Any]:
  if path.is_file() and path.suffix != ".safetensors":
    return torch_file.read(path)
  if path.is_file() or any((path / name).is_file() for name in _SAFE):
    return safetensors_file.read(path)
  files, tensors = {_TORCH[0]}, {}
  if (path / _TORCH[1]).is_file():
    files = set(safetensors_file.placed(path / _TORCH[1]).values())
  for name in sorted(files):
    tensors |= torch_file.read(path / name)
  return tensors


def _sizes(flat: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict:
  """Sizes for a layout's config that a module takes from its first batch."""
  model = "params/model"
  if f"{model}/conv1/kernel" in flat:
    return {"channels": flat[f"{model}/conv1/kernel"].shape[2]}
  sizes = {"hidden": chosen["hidden"] or 4 * chosen["width"]}
  if f"{model}/positions" in flat:
    places = flat[f"{model}/positions"].shape[1] - 1
    rows = len(flat[f"{model}/embed_patches/kernel"])
    sizes["image"] = round(places**0.5) * chosen["patch"]
    sizes["channels"] = rows // chosen["patch"] ** 2
  return sizes


def note(path: Path, content: Mapping[str, Any]) -> None:
  """Writes a JSON file beside the weights."""
  path.write_text(json.dumps(dict(content), indent=2) + "\n")


def _classes(
  tensors: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, Any]:
  """Names for the outputs of a head; by default there would be two."""
  for name in ("classifier.bias", "classifier.1.bias", "score.weight"):
    if name in tensors:
      labels = classes or [f"LABEL_{i}" for i in range(len(tensors[name]))]
      return {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
      }
  return {}
