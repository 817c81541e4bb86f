"""BreakHis: stained breast tumours at 40x to 400x; names carry the patient.

7,909 images of 82 patients. A name is procedure_class_subtype-year-slide-
magnification-number: SOB_B_TA-14-4659-40-001.png.
"""

import collections
import re
from typing import Any

from medfm.data.datasets import pictures
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

SUBTYPES = {
  "A": "adenosis",
  "F": "fibroadenoma",
  "PT": "phyllodes tumour",
  "TA": "tubular adenoma",
  "DC": "ductal carcinoma",
  "LC": "lobular carcinoma",
  "MC": "mucinous carcinoma",
  "PC": "papillary carcinoma",
}
BINARY = ("benign", "malignant")
MAGNIFICATIONS = (40, 100, 200, 400)
_NAME = re.compile(
  rf"(?:.*/)?(SOB_([BM])_({'|'.join(SUBTYPES)})-(\d+)-(\d+)[A-Z]*-"
  r"(40|100|200|400)-\d+)\.png"
)
_FEWEST = 3  # Patients of a class, one for each split.
_URL = "https://web.inf.ufpr.br/vri/databases/breakhis"
CARD = {
  "source": _URL,
  "licence": "CC BY 4.0",
  "citation": "Spanhol, Oliveira, Petitjean, Heutte: A dataset for breast "
  "cancer histopathological image classification. IEEE Transactions on "
  "Biomedical Engineering 63 (2016) 1455",
  "published": "patient-level accuracy at 400x about .82 (five folds, 2016; "
  "not checked here); another split",
  "notes": [
    "The patient is year and slide number in the name; letters after the "
    "number are blocks of one case, which stay together.",
  ],
}


@forwards(pictures.dataset)
def breakhis(
  folders: Folders,
  *,
  label: str = "malignant",
  magnification: int = 400,
  **settings: Any,
) -> Dataset:
  """Benign or malignant, or the subtype, at one magnification.

  label: malignant or subtype. magnification: 40, 100, 200 or 400; 0 for all.
  UserError if a class has fewer than three patients.
  """
  if label not in ("malignant", "subtype"):
    raise UserError(f"breakhis label={label!r}: expected malignant or subtype")
  if magnification not in (0, *MAGNIFICATIONS):
    raise UserError(
      f"breakhis magnification={magnification}: expected 40, 100, 200, 400, or "
      "0 for all"
    )
  root = pictures.source(
    folders,
    "BreaKHis_v1",
    "BreaKHis_v1.tar.gz",
    "BreaKHis_v1.zip",
    "breakhis_400x_7.zip",
    url=_URL,
    what="BreakHis",
    holds=(),
  )
  changes: dict[str, int] = {}
  listed, others = [], 0
  for match, file in pictures.matching(root, _NAME, changes):
    name, side, subtype, year, slide, times = match.groups()
    if magnification and int(times) != magnification:
      others += 1
      continue
    of = SUBTYPES[subtype] if label == "subtype" else BINARY[side == "M"]
    owner = f"{year}-{slide}"
    listed.append(pictures.Picture(name, file, of, owner, (f"{times}x",)))
  if not listed:
    raise UserError(f"{root.name}: no image at {magnification}x")
  _refuse_too_few(listed)
  changes["images at other magnifications, dropped as asked"] = others
  classes = tuple(SUBTYPES.values()) if label == "subtype" else BINARY
  return pictures.dataset(
    folders,
    pictures.Listed(listed, classes, ("magnification",), changes=changes),
    "breakhis",
    CARD,
    **settings,
  )


def _refuse_too_few(listed: list[pictures.Picture]) -> None:
  """Raises UserError for a class that cannot be in every split."""
  held = collections.defaultdict(set)
  for each in listed:
    held[each.label].add(each.patient)
  label, patients = min(held.items(), key=lambda item: len(item[1]))
  if len(patients) < _FEWEST:
    raise UserError(
      f"breakhis: {label} has {len(patients)} of the {_FEWEST} patients that "
      f"train, validation and test need; get all images from {_URL}, or set "
      "label=malignant"
    )
