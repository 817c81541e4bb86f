"""Brain tumour MRI: glioma, meningioma, pituitary tumour, or none.

3,264 slices in two folders, Training and Testing. No slice names its patient,
and 64 files are in both folders.
"""

import re
from typing import Any

from medfm.data.datasets import pictures
from medfm.data.images import alike
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

COPIES = ("equal", "near", "none")
CLASSES = ("none", "glioma", "meningioma", "pituitary")
_NAME = re.compile(
  r"(?:.*/)?((Training|Testing)/(no|glioma|meningioma|pituitary)_tumor/[^/]+)"
  r"\.(?:jpe?g|png)"
)
_URL = (
  "https://www.kaggle.com/datasets/sartajbhuvaji/brain-tumor-classification-mri"
)
CARD = {
  "source": _URL,
  "licence": "MIT",
  "citation": "Bhuvaji et al.: Brain tumor classification (MRI), Kaggle "
  "(2020); in part Cheng's figshare set (CC BY 4.0)",
  "published": "none that compares: copies cross the official folders, and "
  "published splits divide patients",
  "notes": [
    "No patient ids: slices of one patient can be in Training and Testing.",
    "The labels of the gliomas in Testing are widely doubted.",
  ],
}


@forwards(pictures.dataset)
def brain_mri(
  folders: Folders,
  *,
  copies: str = "equal",
  channels: int = 1,
  **settings: Any,
) -> Dataset:
  """The kind of tumour: image [N,128,128,1], label [N]; Testing is the test.

  copies: which pictures of Training that are in Testing too are left out: equal
    ones, near ones as well, or none. The card counts those left out, and the
    report those that are left.
  """
  if copies not in COPIES:
    raise UserError(
      f"brain_mri copies={copies!r}: expected {', '.join(COPIES)}"
    )
  root = pictures.source(
    folders,
    "Brain-Tumor-Images",
    "brain-tumor-classification-mri",
    "brain-tumor-classification-mri.zip",
    "brain_tumor_mri_4class_144.zip",
    url=_URL,
    what="the brain tumour slices",
    holds=("Testing", "Training"),
  )
  changes: dict[str, int] = {}
  listed = []
  for match, file in pictures.matching(root, _NAME, changes):
    label = "none" if match[3] == "no" else match[3]
    part = "train" if match[2] == "Training" else "test"
    listed.append(pictures.Picture(match[1], file, label, part=part))
  if copies != "none":
    # Read for a trained model, nothing is left out that is not there twice.
    equal = copies == "equal" or bool(folders.reading)
    raw = {each.name: each.file for each in listed}
    group = alike.groups(folders, raw, equal=equal)
    tested = {group[each.name] for each in listed if each.part == "test"}
    kept = [
      each
      for each in listed
      if each.part == "test" or group[each.name] not in tested
    ]
    kind = "equal" if equal else "near"
    what = f"dropped from Training: {kind} copies of a picture of Testing"
    changes[what] = len(listed) - len(kept)
    listed = kept
  return pictures.dataset(
    folders,
    pictures.Listed(listed, CLASSES, changes=changes),
    "brain_mri",
    CARD,
    channels=channels,
    **settings,
  )
