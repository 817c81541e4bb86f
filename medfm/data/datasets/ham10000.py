"""HAM10000: dermatoscopic images of pigmented skin lesions.

10,015 images of 7,470 lesions; images of one lesion stay in one split. Age, sex
and site are groups, so that the report compares them.
"""

import pathlib
from typing import Any

from medfm.data.datasets import pictures
from medfm.data.images import files as image_files
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

DIAGNOSES = {
  "nv": "naevus",
  "mel": "melanoma",
  "bkl": "benign keratosis",
  "bcc": "basal cell carcinoma",
  "akiec": "actinic keratosis",
  "vasc": "vascular lesion",
  "df": "dermatofibroma",
}
MALIGNANT = ("mel", "bcc", "akiec")
BINARY = {
  "malignant": (("benign", "malignant"), MALIGNANT),
  "melanoma": (("other", "melanoma"), ("mel",)),
}
"""Names of the two classes, and the diagnoses of the second."""
AGES = ((30, "0-29"), (45, "30-44"), (60, "45-59"), (75, "60-74"))
OFFICIAL = 10_015
_TABLES = (
  "HAM10000_metadata.csv",
  "HAM10000_metadata.tab",
  "HAM10000_metadata",
)
_URL = "https://doi.org/10.7910/DVN/DBW86T"
CARD = {
  "source": _URL,
  "licence": "CC BY-NC 4.0",
  "citation": "Tschandl, Rosendahl, Kittler: The HAM10000 dataset. Scientific "
  "Data 5 (2018) 180161",
  "published": "seven classes, ISIC 2018 task 3, its own hidden test set: "
  "balanced accuracy of the winner .885 (not checked here); another split",
  "notes": [
    "Patients are not named: one person's lesions can be in two splits.",
    "malignant: melanoma, basal cell carcinoma and actinic keratosis (or "
    "intraepithelial carcinoma).",
    "How the diagnosis was made (dx_type) goes with the diagnosis and is no "
    "input.",
  ],
}


@forwards(pictures.dataset)
def ham10000(
  folders: Folders, *, label: str = "malignant", **settings: Any
) -> Dataset:
  """Malignant or benign, melanoma or other, or one of seven diagnoses.

  label: malignant, melanoma or diagnosis.
  """
  if label not in (*BINARY, "diagnosis"):
    raise UserError(
      f"ham10000 label={label!r}: expected malignant, melanoma or diagnosis"
    )
  root = pictures.source(
    folders,
    "HAM10000",
    "HAM10000.zip",
    "dataverse_files",
    "dataverse_files.zip",
    "ham10000_fairness_subset.zip",
    url=_URL,
    what="HAM10000",
    holds=(),
  )
  table = _table(root)
  names, _, _ = image_files.under(root)
  place = {pathlib.PurePosixPath(name).stem: root / name for name in names}
  listed = []
  for row, image in enumerate(table["image_id"]):
    file = place.pop(image, None)
    if file is not None:
      listed.append(_picture(table, row, file, label))
  changes = {
    "rows without an image here, dropped": len(table) - len(listed),
    "images without a row, dropped": len(place),
  }
  few = f"{len(listed):,} of the {OFFICIAL:,} images"
  notes = [] if len(listed) == OFFICIAL else [few]
  classes = tuple(DIAGNOSES.values())
  return pictures.dataset(
    folders,
    pictures.Listed(
      listed,
      classes if label == "diagnosis" else BINARY[label][0],
      ("age", "sex", "site"),
      "lesion",
      changes,
    ),
    "ham10000",
    {**CARD, "notes": [*CARD["notes"], *notes]},
    **settings,
  )


def _table(root: pathlib.Path) -> Table:
  """The table of all images, with commas or tabs."""
  for name in _TABLES:
    for path in sorted(root.rglob(name)):
      with path.open(errors="replace") as file:
        tabs = "\t" in file.readline()
      return tables.read(path, delimiter="\t" if tabs else ",")
  raise UserError(
    f"{root.name}: {' or '.join(_TABLES[:2])} is missing: get it from {_URL} "
    "and put it beside the folders of images"
  )


def _picture(
  table: Table, row: int, file: pathlib.Path, label: str
) -> pictures.Picture:
  code = table["dx"][row]
  if code not in DIAGNOSES:
    known = ", ".join(DIAGNOSES)
    raise table.error(row, "dx", f"{code!r} is not one of {known}")
  name = DIAGNOSES[code]
  if label in BINARY:
    words, positive = BINARY[label]
    name = words[code in positive]
  sex, site = (
    "" if cell == "unknown" else cell
    for cell in (table["sex"][row], table["localization"][row])
  )
  cells = (_age(table, row), sex, site)
  lesion = table["lesion_id"][row]
  return pictures.Picture(table["image_id"][row], file, name, lesion, cells)


def _age(table: Table, row: int) -> str:
  """The band of an age in years; "" if it is unknown."""
  cell = table["age"][row]
  if cell in ("", "unknown"):
    return ""
  try:
    years = float(cell)
  except ValueError:
    raise table.error(row, "age", f"{cell!r} is not an age in years") from None
  return next((words for below, words in AGES if years < below), "75+")
