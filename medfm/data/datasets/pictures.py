"""Published pictures with one class each: from a list of files to a dataset."""

import collections
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import archives, cards, files, records, splits
from medfm.data.images import alike, crops, listing, own, trained
from medfm.data.images import files as image_files
from medfm.tasks import multiclass
from medfm.types import Dataset, Folders, Split, UserError

FEW = 30
"""Patients of the test split below which nothing can be concluded."""
_PARTS = 3
_COPIES = "copy group"


class Picture(NamedTuple):
  """An example.

  name: its id. label: the name of its class. patient: what must not be divided
  over splits, or "" in every picture of a set that does not name patients.
  cells: of the groups, "" if unknown. part: the split, if the source gives it.
  box: as in `images.crops`; () for the whole file.
  """

  name: str
  file: pathlib.Path
  label: str
  patient: str = ""
  cells: tuple[str, ...] = ()
  part: str = ""
  box: tuple[int, ...] = ()


class Listed(NamedTuple):
  """The pictures of a source, none of them decoded yet.

  classes: in their order; those without a picture are left out, and said.
  groups: names of the cells. owner: what `patient` is, as "lesion".
  changes: what was left out or merged -> how often. card: further entries.
  """

  pictures: Sequence[Picture]
  classes: tuple[str, ...]
  groups: tuple[str, ...] = ()
  owner: str = "patient"
  changes: Mapping[str, int] = {}
  card: Mapping[str, Any] = {}


def source(
  folders: Folders, *names: str, url: str, what: str, holds: Sequence[str]
) -> pathlib.Path:
  """The folder of a set that has entries `holds`, from a folder or archive.

  names: of the archive or folder in the folder of raw data. Raises: UserError
    that says what is missing, where it is to be had and where to put it.
  """
  path = files.find(folders, *names, url=url, what=what, download=False)
  root = path
  if path.is_file():
    cache = pathlib.Path(folders.cache).expanduser()
    root = archives.unpacked(path, cache / "unpacked" / path.name)
  for place, inner, outer in os.walk(root):
    inner.sort()
    if set(holds) <= {*inner, *outer}:
      return pathlib.Path(place)
  raise UserError(
    f"{path.name}: no folder in it holds {' and '.join(holds)}: not {what}; "
    f"get it from {url}"
  )


def matching(
  root: pathlib.Path, pattern: re.Pattern[str], changes: dict[str, int]
) -> Iterator[tuple[re.Match[str], pathlib.Path]]:
  """(match, file) of the images below a folder whose path fits, sorted.

  changes: gets the number of those whose path does not.
  """
  names, _, _ = image_files.under(root)
  found = [(pattern.fullmatch(name), root / name) for name in names]
  kept = [(match, path) for match, path in found if match]
  if not kept:
    raise UserError(
      f"{root.name}: no image is named as expected, such as {names[0]} is not"
    )
  changes["images of other names, ignored"] = len(found) - len(kept)
  yield from kept


def dataset(
  folders: Folders,
  listed: Listed,
  name: str,
  card: Mapping[str, Any],
  *,
  size: int = 128,
  channels: int = 3,
  resize: str = "pad",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Dataset:
  """Pictures as image [N,size,size,channels] with `label` [N].

  channels: 3 (colour) or 1 (grey). resize: pad, crop or stretch. seed,
  fractions: of the split by patient, as far as the source gives none; where no
  picture names a patient, near copies stay together.
  """
  reading = folders.reading
  raw = {each.name: each.file for each in listed.pictures}
  if len(raw) < len(listed.pictures):
    names = collections.Counter(each.name for each in listed.pictures)
    raise UserError(f"{name}: {names.most_common(1)[0][0]} comes twice")
  pictures, owner, changes = _owned(folders, listed, raw)
  present = {each.label for each in pictures}
  classes = tuple(c for c in listed.classes if c in present)
  label = np.array([classes.index(each.label) for each in pictures], np.int32)
  parts = np.full(len(pictures), splits.WHOLE, object)
  how = ""
  if not reading:
    parts[:] = [each.part for each in pictures]
    ids, owners = (
      np.array([each[k] for each in pictures], object) for k in (0, 3)
    )
    how = listing.divide(ids, owners, parts, label, tuple(fractions), seed)
    how = how.replace("patient", owner)
  shape = {"size": size, "channels": channels, "resize": resize}
  shape |= {"window": (), "frame": ""}
  asked = trained.shape(reading, name, shape) if reading else shape
  boxes = {each.name: each.box for each in pictures if each.box}
  prepared = records.prepared(
    crops.Crops if boxes else own.OwnImages,
    folders,
    raw=raw,
    examples=[
      (each.name, each.patient, each.cells, part)
      for each, part in zip(pictures, parts, strict=True)
    ],
    truth={"label": ("int32", label.tolist())},
    groups=listed.groups,
    bad="error",
    max_bad_fraction=0.0,
    **({"boxes": boxes} if boxes else {}),
    **asked,
  )
  *made, summary = prepared.changes
  changes += [
    {"what": what, "count": count} for what, count in summary["made"].items()
  ]
  train = next(iter(prepared.splits.values()))
  lacking = [each for each in listed.classes if each not in present]
  doubts = [] if reading else _doubts(prepared.splits, classes, owner)
  return image_files.dataset(
    prepared.splits,
    name=name,
    target=multiclass.fitted(classes, train.arrays),
    card={
      **card,
      **listed.card,
      "notes": [
        *card.get("notes", ()),
        *([f"no picture here of: {', '.join(lacking)}"] if lacking else []),
      ],
      "changes": [*changes, *made],
      "split": how,
      "grouped_by": owner,
      "fingerprint": prepared.fingerprint,
      **cards.warned(doubts),
    },
    **shape,
  )


def _owned(
  folders: Folders, listed: Listed, raw: Mapping[str, pathlib.Path]
) -> tuple[list[Picture], str, list[dict[str, Any]]]:
  """The pictures with their patients; what these are; and the changes.

  Where no patient is named, a group of near copies stands for one. Groups do
  not reach over splits that the source gives: the report counts such copies.
  """
  pictures, changes = [*listed.pictures], dict(listed.changes)
  if any(each.patient for each in pictures):
    return pictures, listed.owner, records.counted(changes)
  groups = alike.groups(folders, raw)
  owned = [
    each._replace(patient=f"{each.part} {groups[each.name]}".strip())
    for each in pictures
  ]
  sizes = collections.Counter(each.patient for each in owned)
  more = sum(sizes.values()) - len(sizes)
  changes["near copies of another picture, kept in its split"] = more
  return owned, _COPIES, records.counted(changes)


def too_few(test: Split, owner: str = "patient") -> list[str]:
  """That a test split is too small, if it is; in a list."""
  owners = len(set(test.patients))
  if owners >= FEW:
    return []
  named = "" if owner == _COPIES else f" of {cards.amount(owners, owner)}"
  return [
    f"test holds {cards.amount(len(test), 'picture')}{named}: too few to "
    "conclude anything about a model; this shows that the format is read, and "
    "no more"
  ]


def _doubts(
  parts: Mapping[str, Split], classes: Sequence[str], owner: str
) -> list[str]:
  """What the sizes of the splits do not allow to conclude."""
  lines = too_few(parts["test"], owner)
  for part, split in parts.items():
    held = set(np.asarray(split.arrays["label"]).tolist())
    lost = [each for k, each in enumerate(classes) if k not in held]
    if lost:
      lines.append(f"{part} holds no {', '.join(lost)}")
  return lines
