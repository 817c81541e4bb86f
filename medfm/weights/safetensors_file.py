"""Weights as Hugging Face keeps them: config.json and safetensors files."""

import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors import numpy as safetensors_numpy

from medfm import jsons
from medfm.types import UserError

Tensors = dict[str, np.ndarray]

NAME = "model.safetensors"
INDEX = "model.safetensors.index.json"
HEADER_BYTES = 32 * 2**20
"""A header beyond this is refused: the largest models need some 10 MB."""

_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16} | {
  f"{kind}{bits}": bits for kind in "IU" for bits in (8, 16, 32, 64)
}
_BITS["BOOL"] = 8


def read(path: Path) -> Tensors:
  """Name -> array of a safetensors file, or of a folder's file or shards.

  Headers are checked against the files before anything is allocated. UserError
  for a missing, damaged or hostile file.
  """
  if not (path / INDEX).is_file():
    file = path if path.is_file() else path / NAME
    if not file.is_file():
      raise UserError(f"{path} has no {NAME}")
    return _read_file(file)
  where = placed(path / INDEX)
  tensors: Tensors = {}
  for file in sorted(set(where.values())):
    shard = _read_file(path / file)
    for name in shard:
      if where.get(name) != file:
        raise UserError(f"{path / file} holds {name}, which {INDEX} does not")
    tensors |= shard
  if missing := sorted(set(where) - set(tensors)):
    raise UserError(f"{path} lacks {len(missing)} tensors: {missing[0]}, ...")
  return tensors


def write(
  folder: Path,
  tensors: Mapping[str, np.ndarray],
  config: Mapping[str, Any],
  *,
  shard_bytes: int = 5 * 10**9,
) -> None:
  """Writes config.json and model.safetensors, or shards and their index."""
  folder.mkdir(parents=True, exist_ok=True)
  shards: list[Tensors] = [{}]
  size = 0
  for name, tensor in tensors.items():
    if shards[-1] and size + tensor.nbytes > shard_bytes:
      shards.append({})
      size = 0
    # np.ascontiguousarray would give a scalar an axis.
    shards[-1][name] = np.asarray(tensor, order="C")
    size += tensor.nbytes
  placed, count = {}, len(shards)
  for number, shard in enumerate(shards, 1):
    name = f"model-{number:05d}-of-{count:05d}.safetensors"
    name = name if count > 1 else NAME
    # The metadata tell torch's readers that the layout is torch's.
    safetensors_numpy.save_file(shard, folder / name, {"format": "pt"})
    placed |= dict.fromkeys(shard, name)
  if count > 1:
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
  text = json.dumps(dict(config), indent=2, sort_keys=True) + "\n"
  (folder / "config.json").write_text(text)


def read_config(folder: Path) -> dict[str, Any]:
  """The folder's config.json."""
  path = folder / "config.json"
  try:
    config = jsons.read(path)
  except (OSError, ValueError):
    raise UserError(f"{path} is missing or is not JSON text") from None
  if not isinstance(config, dict):
    raise UserError(f"{path} holds no JSON object")
  return config


def placed(index: Path) -> dict[str, str]:
  """Tensor -> the file beside an index that holds it.

  UserError for a damaged index, a missing file or one outside the folder.
  """
  try:
    places = dict(jsons.read(index)["weight_map"])
  except (OSError, ValueError, KeyError, TypeError):
    raise UserError(f"{index} is damaged: it has no weight_map") from None
  names = set(map(str, places.values()))
  for name in sorted(names):
    if not re.fullmatch(r"[\w-][\w.-]*", name):
      raise UserError(f"{index} names {name!r}, which is outside its folder")
    if not (index.parent / name).is_file():
      raise UserError(
        f"{index} names {name}, which is missing; get that file too, of "
        f"{len(names)} shards"
      )
  return {tensor: str(name) for tensor, name in places.items()}


def _read_file(path: Path) -> Tensors:
  _check_header(path)
  try:
    with safetensors.safe_open(path, "numpy") as file:
      return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
  except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
    raise UserError(f"{path} is damaged: {error}") from None


def _check_header(path: Path) -> None:
  """Refuses a header that does not describe the file byte for byte."""
  try:
    size = path.stat().st_size
    with path.open("rb") as file:
      start = file.read(8)
      length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
      if length > min(HEADER_BYTES, size - 8):
        raise UserError(
          f"{path} is truncated or not a safetensors file: its header claims "
          f"{length} bytes of {size}; get the file again"
        )
      header = jsons.parsed(file.read(length), pairs=_without_twins)
    header.pop("__metadata__", None)
    spans = sorted(_span(name, entry) for name, entry in header.items())
  except OSError:
    raise UserError(f"{path} cannot be read") from None
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise UserError(f"{path} has a damaged header: {error}") from None
  place = 0
  for begin, end, name in spans:
    if begin != place:
      raise UserError(f"{path}: {name} overlaps another tensor or leaves a gap")
    place = end
  if place != size - 8 - length:
    raise UserError(
      f"{path} is truncated or longer than its header says: expected {place} "
      f"bytes, found {size - 8 - length}; get the file again"
    )


def _span(name: str, entry: Mapping[str, Any]) -> tuple[int, int, str]:
  """The place of a tensor, checked to be filled by its shape and type."""
  shape, (begin, end) = entry["shape"], entry["data_offsets"]
  if entry["dtype"] not in _BITS:
    raise ValueError(f"{name} has the type {entry['dtype']}, which is unknown")
  numbers = [*shape, begin, end]
  if not all(type(n) is int and n >= 0 for n in numbers):
    raise ValueError(f"{name} has a size that is not a whole number")
  if math.prod(shape) * _BITS[entry["dtype"]] != (end - begin) * 8:
    raise ValueError(f"{name} of shape {shape} does not fill its bytes")
  return begin, end, name


def _without_twins(pairs):
  if len({key for key, _ in pairs}) != len(pairs):
    raise ValueError("a name occurs twice")
  return dict(pairs)
