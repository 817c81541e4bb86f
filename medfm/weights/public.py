"""Weights that others trained, in; and ours as others read them, out."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from flax import linen as nn

from medfm import spec, tree
from medfm.types import UserError
from medfm.weights import (
  bert,
  gpt2,
  layers,
  mapping,
  resnet,
  safetensors_file,
  torch_file,
  vit,
)

LAYOUTS = {layout.TYPE: layout for layout in (bert, gpt2, vit, resnet)}
_MODELS = {"Bert": bert, "GPT": gpt2, "ViT": vit, "ResNet": resnet}
_TORCH = ("pytorch_model.bin",)
_TORCH_INDEX = "pytorch_model.bin.index.json"
_SUFFIXES = (".bin", ".pt", ".pth", ".safetensors")
_UNSEEN = ("activation", "epsilon", "pre_norm", "norm", "rotary", "gated")
"""Settings that change what a model computes but no leaf's shape."""


def holds(path: Path) -> bool:
  """Whether there are public weights: a file of them, or a folder with one."""
  if path.is_file():
    return path.suffix in _SUFFIXES
  names = (safetensors_file.NAME, safetensors_file.INDEX, *_TORCH, _TORCH_INDEX)
  return any((path / name).is_file() for name in names)


def read(path: Path, model: nn.Module | None = None) -> dict[str, Any]:
  """Variables of public weights; `params/unread` has what has no place.

  path: a folder in the Hugging Face layout (config.json beside safetensors,
    shards and their index, or pytorch_model.bin), or such a file; a ResNet of
    torchvision or timm needs no config.json.
  model: what will be started from them; one that would compute something
    else from these weights is refused.

  Raises:
    UserError: a damaged or hostile file, an unknown kind of model, or other
      settings.
  """
  tensors = _tensors(path)
  layout, config = described(path, tensors)
  settings = _settings(path, layout, config)
  _compare(path, settings, model)
  kind = str([*(config.get("architectures") or ()), "Model"][0])
  table = layout.leaves(settings, kind)
  return mapping.imported(table, layout.canonical(tensors), str(path))


def settings(path: Path) -> dict[str, Any]:
  """The settings of the model that fits public weights, for a config.

  Raises:
    UserError: no config.json that describes a model known here.
  """
  layout, config = described(path)
  found = _settings(path, layout, config)
  return {key: value for key, value in found.items() if key != "channels"}


def model(
  path: str, among: Mapping[str, Callable], named: str = ""
) -> tuple[str, ml_collections.ConfigDict]:
  """The name, and the config entry, of the model that public weights are of.

  among: name -> class of the models that would do.
  named: the one that is wanted; "" takes what the weights have.

  Raises:
    UserError: no weights there, or those of a model that will not do.
  """
  place = Path(path).expanduser()
  if not holds(place):
    there = "is no file of weights" if place.exists() else "does not exist"
    raise UserError(
      f"weights={path}: {there}; expected a folder with config.json and "
      f"{safetensors_file.NAME} or {_TORCH[0]}, or such a file"
    )
  layout, _ = described(place)
  fitting = [k for k, v in among.items() if _MODELS.get(v.__name__) is layout]
  if not fitting or named not in ("", fitting[0]):
    raise UserError(
      f"weights={path}: are of the kind {layout.TYPE!r}, not of "
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

  variables: as objectives have them, {"params": {"model": ...}, ...}.
  model: the module of those variables.
  shard_bytes: a larger model is cut into shards.
  classes: the names of the head's outputs.
  notes: further entries of config.json.

  Raises:
    UserError: a model or a leaf for which there is no such layout.
  """
  name = type(model).__name__
  if name not in _MODELS:
    raise UserError(
      f"{name} has no public layout; those that have are {', '.join(_MODELS)}"
    )
  layout = _MODELS[name]
  flat = tree.paths(variables)
  variables = mapping.nested(layers.apart(flat))
  chosen = {field: getattr(model, field) for field in model.__annotations__}
  chosen |= _sizes(variables, chosen)
  kind = layout.kind(variables["params"])
  config = layout.config(chosen, kind)
  tensors = mapping.exported(layout.leaves(chosen, kind), variables)
  config |= {**_classes(tensors, classes), **notes}
  if layout is resnet:
    tensors = resnet.completed(tensors)
  safetensors_file.write(folder, tensors, config, shard_bytes=shard_bytes)
  return list(tensors)


def described(
  path: Path, tensors: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
  """The layout of public weights, and their config.

  tensors: of the file, where they have been read; torchvision's and timm's
    describe themselves.
  """
  folder = path.parent if path.is_file() else path
  config: dict[str, Any] = {}
  if (folder / "config.json").is_file():
    config = safetensors_file.read_config(folder)
  kind = config.get("model_type")
  if isinstance(kind, str) and kind in LAYOUTS:
    return LAYOUTS[kind], config
  if kind is None:
    guess = resnet.inferred(_tensors(path) if tensors is None else tensors)
    if guess is not None:
      return resnet, {**config, **guess}
  if not config:
    raise UserError(
      f"{folder} has no config.json, which would say what model its weights "
      "are of"
    )
  raise UserError(
    f"{folder / 'config.json'} says model_type={kind!r}; known here are "
    f"{', '.join(LAYOUTS)}"
  )


def _settings(path: Path, layout: Any, config: Mapping) -> dict[str, Any]:
  """Of the model that a config describes; what is wrong names the file."""
  folder = path.parent if path.is_file() else path
  try:
    return layout.settings(config)
  except UserError as error:
    raise UserError(f"{folder}/{error}") from None
  except (TypeError, ValueError, AttributeError) as error:
    raise UserError(f"{folder}/config.json is damaged: {error}") from None


def _tensors(path: Path) -> dict[str, Any]:
  if path.is_file():
    if path.suffix == ".safetensors":
      return safetensors_file.read(path)
    return torch_file.read(path)
  if (path / safetensors_file.NAME).is_file() or (
    path / safetensors_file.INDEX
  ).is_file():
    return safetensors_file.read(path)
  if (path / _TORCH_INDEX).is_file():
    return _torch_shards(path)
  return torch_file.read(path / _TORCH[0])


def _torch_shards(folder: Path) -> dict[str, Any]:
  found: dict[str, Any] = {}
  placed = safetensors_file.placed(folder / _TORCH_INDEX)
  for name in sorted(set(placed.values())):
    found |= torch_file.read(folder / name)
  return found


def _compare(path: Path, theirs: Mapping, model: nn.Module | None) -> None:
  for key in _UNSEEN:
    if key in theirs and getattr(model, key, theirs[key]) != theirs[key]:
      raise UserError(
        f"the weights of {path} are for a model of {key}={theirs[key]!r}, and "
        f"this one has {key}={getattr(model, key)!r}; set model.{key}"
      )


def _sizes(variables: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict:
  """What a layout's config says and a module learns from its first batch."""
  model = variables["params"]["model"]
  if "positions" in model:
    places = model["positions"].shape[1] - 1
    rows = model["embed_patches"]["kernel"].shape[0]
    return {
      "hidden": chosen["hidden"] or 4 * chosen["width"],
      "image": round(places**0.5) * chosen["patch"],
      "channels": rows // chosen["patch"] ** 2,
    }
  if "conv1" in model:
    return {"channels": model["conv1"]["kernel"].shape[2]}
  return {"hidden": chosen["hidden"] or 4 * chosen["width"]}


def note(path: Path, content: Mapping[str, Any]) -> None:
  """Writes a JSON file beside the weights."""
  path.write_text(json.dumps(dict(content), indent=2) + "\n")


def _classes(
  tensors: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, Any]:
  """Names for the outputs of a head; without them there would be two."""
  for name in ("classifier.bias", "classifier.1.bias", "score.weight"):
    if name in tensors:
      count = len(tensors[name])
      given = list(classes) or [f"LABEL_{i}" for i in range(count)]
      names = {str(i): label for i, label in enumerate(given)}
      return {
        "id2label": names,
        "label2id": {label: int(i) for i, label in names.items()},
      }
  return {}
