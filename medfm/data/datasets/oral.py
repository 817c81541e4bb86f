"""Oral squamous cell carcinoma: stained tissue at 100x and 400x.

1,224 images of 230 patients, none of which is named.
"""

import re
from typing import Any

from medfm.data.datasets import pictures
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

CLASSES = ("normal", "carcinoma")
MAGNIFICATIONS = ("100x", "400x")
OFFICIAL = 1_224
_NAME = re.compile(r"(?:.*/)?((Normal|OSCC)_(100x|400x)_\d+)\.(?:jpe?g|png)")
_URL = "https://data.mendeley.com/datasets/ftmp4cvtmb"
CARD = {
  "source": _URL,
  "licence": "CC BY 4.0",
  "citation": "Rahman, Mahanta, Das, Sarma: Histopathological imaging database "
  "for oral cancer analysis. Data in Brief 29 (2020) 105114",
  "published": "none that compares: accuracies above .95 were reached on "
  "augmented copies that cross the splits",
  "notes": [
    "No patient ids: tiles of one slide can be in two splits, so that scores "
    "are too good.",
    "Magnification and batches of stain differ visibly.",
  ],
}


@forwards(pictures.dataset)
def oral(folders: Folders, *, trained_at: str = "", **settings: Any) -> Dataset:
  """Normal or carcinoma, with the magnification as a group.

  trained_at: 100x or 400x to train and validate on one magnification and test
    on the other; "" to divide both.
  """
  if trained_at not in ("", *MAGNIFICATIONS):
    raise UserError(
      f"oral trained_at={trained_at!r}: expected 100x, 400x or nothing"
    )
  root = pictures.source(
    folders,
    "Oral_Cancer_Images",
    "ftmp4cvtmb",
    "ftmp4cvtmb.zip",
    "oral_oscc_224_200.zip",
    url=_URL,
    what="the oral histology images",
    holds=(),
  )
  changes: dict[str, int] = {}  # Among them the augmented copies, aug_*.
  listed = []
  for match, file in pictures.matching(root, _NAME, changes):
    label = CLASSES[match[2] == "OSCC"]
    part = {"": "", match[3]: "train"}.get(trained_at, "test")
    listed.append(
      pictures.Picture(match[1], file, label, cells=(match[3],), part=part)
    )
  few = f"{len(listed):,} of the {OFFICIAL:,} images"
  notes = [] if len(listed) == OFFICIAL else [few]
  return pictures.dataset(
    folders,
    pictures.Listed(listed, CLASSES, ("magnification",), changes=changes),
    "oral",
    {**CARD, "notes": [*CARD["notes"], *notes]},
    **settings,
  )
