"""Images and masks in the layout of the Medical Segmentation Decathlon.

nnU-Net's is the same but for what dataset.json holds.
"""

import pathlib
import re

from medfm import jsons
from medfm.data.volumes import pairs
from medfm.data.volumes.cases import Case
from medfm.types import UserError


def decathlon(root: pathlib.Path) -> pairs.Pairs:
  """The decathlon's layout: imagesTr, labelsTr and perhaps dataset.json.

  dataset.json names the structures and their values; files of imagesTr may end
  in _0000, _0001, ... for channels, as nnU-Net writes them.
  """
  images, labels = root / "imagesTr", root / "labelsTr"
  pictures, masks = pairs.offered(images, 3), pairs.offered(labels, 3)
  channels: dict[str, list[str]] = {}
  by_stem = {pairs.stem(name, 3): name for name in masks}
  for name in sorted(pictures):
    stem = pairs.stem(name, 3)
    if stem not in by_stem:
      stem = re.sub(r"_\d{4}$", "", stem)
    channels.setdefault(stem, []).append(name)
  most = max(map(len, channels.values()), default=0)
  for stem, names in channels.items():
    if stem not in by_stem:
      raise UserError(f"{root.name}: labelsTr holds no mask of {names[0]}")
    ends = [re.search(r"_(\d{4})$", pairs.stem(name, 3)) for name in names]
    numbers = [int(end[1]) for end in ends if end]
    if most > 1 and numbers != [*range(most)]:
      raise UserError(
        f"{root.name}: imagesTr holds {', '.join(names)} of {stem}; expected "
        f"{most} channels, _0000 to _{most - 1:04d}"
      )
  if lost := [name for stem, name in by_stem.items() if stem not in channels]:
    raise UserError(f"{root.name}: imagesTr holds no image of {lost[0]}")
  raw = {f"imagesTr/{name}": path for name, path in pictures.items()}
  raw |= {f"labelsTr/{name}": path for name, path in masks.items()}
  cases = [
    Case(
      stem,
      tuple(f"imagesTr/{name}" for name in names),
      (f"labelsTr/{by_stem[stem]}",),
    )
    for stem, names in channels.items()
  ]
  names, values, ignored = _described(root / "dataset.json")
  return pairs.Pairs(cases, raw, names, values=values, ignored=ignored)


def _described(
  path: pathlib.Path,
) -> tuple[tuple[str, ...], tuple[int, ...], int]:
  """(structures, their values, the value of places not known or -1).

  Of dataset.json, without the background: the decathlon's {"1": "anterior"} and
  nnU-Net's {"anterior": 1, "ignore": 2}.
  """
  if not path.is_file():
    return (), (), -1
  labels = jsons.read(path).get("labels", {})
  table = {}
  for key, value in labels.items():
    name, number = (value, key) if str(key).isdecimal() else (key, value)
    if isinstance(number, list):
      raise UserError(
        f"{path.name}: the label {key} joins several values {number}; regions "
        "of several labels are not supported: give each structure its value"
      )
    if not str(number).isdecimal():
      raise UserError(
        f"{path.name}: the label {key} has the value {value!r}; expected a "
        "whole number"
      )
    if int(number):
      table[int(number)] = str(name)
  ignored = [value for value, name in table.items() if name == "ignore"]
  values = tuple(sorted({*table} - {*ignored}))
  return tuple(table[value] for value in values), values, *(ignored or [-1])


def in_order(found: pairs.Pairs, structures: tuple[str, ...]) -> pairs.Pairs:
  """With the structures of dataset.json in the order that was asked for.

  Raises: UserError if it names others.
  """
  if not found.values:
    return found
  values = dict(zip(found.names, found.values, strict=True))
  if set(structures) != set(values):
    raise UserError(
      f"structures={','.join(structures)}: dataset.json names "
      f"{', '.join(found.names)}; for others give --config.data.values="
    )
  ordered = tuple(values[name] for name in structures)
  return found._replace(names=structures, values=ordered)
