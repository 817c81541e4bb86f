"""BCCD: cells cut out of pictures of blood, by the boxes of its annotations.

364 pictures of 640 x 480 with 4,888 boxes, in Pascal VOC's layout and with its
authors' split. Cells of one picture stay in one split.
"""

import collections
import pathlib
from typing import Any
from xml.etree import ElementTree

from medfm.data.datasets import pictures
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

CELLS = {"RBC": "red cell", "WBC": "white cell", "Platelets": "platelet"}
PARTS = {"train": "train", "val": "validation", "test": "test"}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_URL = "https://github.com/Shenggan/BCCD_Dataset"
CARD = {
  "source": _URL,
  "licence": "MIT",
  "citation": "Shenggan, cosmicad and akshaylamba: BCCD dataset, GitHub (2018)",
  "published": "none: the set is for detection, and cells were cut out here",
  "notes": [
    "Patients are not named: the split is the authors', by picture.",
    "Red cells are round and look alike: most near copies that the report "
    "counts between splits are different cells.",
    "Annotations are known to be incomplete; each cell is shown without what "
    "is around it, and made square by black edges.",
  ],
}


@forwards(pictures.dataset)
def bccd(folders: Folders, *, size: int = 48, **settings: Any) -> Dataset:
  """Red cell, white cell or platelet: image [N,48,48,3], label [N]."""
  root = pictures.source(
    folders,
    "BCCD",
    "BCCD_Dataset",
    "BCCD_Dataset-master.zip",
    "bccd.zip",
    url=_URL,
    what="BCCD",
    holds=("Annotations", "ImageSets", "JPEGImages"),
  )
  parts = _parts(root)
  listed, changes = [], collections.Counter()
  for path in sorted((root / "Annotations").glob("*.xml")):
    if path.stem not in parts:
      raise UserError(
        f"{path.name}: is in none of {', '.join(PARTS)} of ImageSets/Main"
      )
    file = root / "JPEGImages" / f"{path.stem}.jpg"
    if not file.is_file():
      raise UserError(f"JPEGImages/{file.name} is missing: get it from {_URL}")
    for place, (name, box) in enumerate(_cells(path, changes)):
      listed.append(
        pictures.Picture(
          f"{path.stem} {place:02}",
          file,
          CELLS[name],
          path.stem,
          part=parts[path.stem],
          box=box,
        )
      )
  return pictures.dataset(
    folders,
    pictures.Listed(
      listed, tuple(CELLS.values()), owner="picture", changes=changes
    ),
    "bccd",
    CARD,
    size=size,
    **settings,
  )


def _parts(root: pathlib.Path) -> dict[str, str]:
  """picture -> its split, by the authors' lists."""
  parts: dict[str, str] = {}
  for name, part in PARTS.items():
    path = root / "ImageSets" / "Main" / f"{name}.txt"
    if not path.is_file():
      raise UserError(f"{path.name} is missing in ImageSets/Main: see {_URL}")
    for word in path.read_text().split():
      if parts.setdefault(word, part) != part:
        raise UserError(f"{path.name}: {word} is in {parts[word]} as well")
  return parts


def _cells(
  path: pathlib.Path, changes: collections.Counter
) -> list[tuple[str, tuple[int, ...]]]:
  """(name, box) of the cells of an annotation; boxes as in `images.crops`.

  VOC counts pixels from 1 on, and the last one is within the box.
  """
  try:
    tree = ElementTree.parse(path).getroot()
    size = [int(tree.findtext(f"size/{k}", "")) for k in ("width", "height")]
    boxes = [
      (
        each.findtext("name", ""),
        [round(float(each.findtext(f"bndbox/{k}", ""))) for k in _CORNERS],
      )
      for each in tree.iter("object")
    ]
  except (OSError, ElementTree.ParseError, ValueError, OverflowError) as error:
    raise UserError(
      f"{path.name}: is not a VOC annotation ({error}): fetch it again"
    ) from None
  held: dict[tuple[int, ...], set[str]] = {}
  for name, (left, top, right, bottom) in boxes:
    if name not in CELLS:
      known = ", ".join(CELLS)
      raise UserError(f"{path.name}: {name!r} is not one of {known}")
    if right <= left or bottom <= top:
      changes["boxes without an area, dropped"] += 1
      continue
    whole = left - 1, top - 1, right, bottom
    box = (
      max(whole[0], 0),
      max(whole[1], 0),
      min(right, size[0]),
      (min(bottom, size[1])),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
      changes["boxes outside the picture, dropped"] += 1
      continue
    changes["boxes beyond the picture's edge, cut at it"] += box != whole
    changes["repeated boxes, dropped"] += name in held.get(box, ())
    held.setdefault(box, set()).add(name)
  changes["boxes with two names, dropped"] += sum(
    len(names) > 1 for names in held.values()
  )
  return [
    (name, box)
    for box, names in held.items()
    for name in names
    if len(names) == 1
  ]
