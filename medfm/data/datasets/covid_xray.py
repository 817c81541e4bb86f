"""COVID-19 image data collection: chest X-rays from published cases.

Pictures of reports and case sites, so that neither the share of COVID-19 nor
the contrast to the other findings is that of any clinic.
"""

import collections
import csv
import pathlib
from typing import Any

import numpy as np

from medfm.data import files
from medfm.data.datasets import pictures
from medfm.data.images import alike
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

CLASSES = ("other", "COVID-19")
UNKNOWN = ("", "todo")
AGES = ((40, "0-39"), (60, "40-59"), (75, "60-74"))
_TABLE = "metadata.csv"
URL = "https://github.com/ieee8023/covid-chestxray-dataset"
CARD = {
  "source": URL,
  "citation": "Cohen, Morrison, Dao, Roth, Duong, Ghassemi: COVID-19 image "
  "data collection: prospective predictions are the future. arXiv:2006.11988 "
  "(2020)",
  "published": "none that compares: a growing collection without a split",
  "notes": [
    "Cases chosen for publication: no prevalence, and no benchmark.",
    "Some pictures are photographs or carry arrows and side marks, which may "
    "go with the finding.",
    "COVID-19 includes COVID-19 with ARDS; all other findings are the other "
    "class.",
  ],
}


@forwards(pictures.dataset)
def covid_xray(
  folders: Folders, *, channels: int = 1, **settings: Any
) -> Dataset:
  """COVID-19 or another finding, with age, sex and view as groups."""
  return pictures.dataset(
    folders,
    listed(root(folders)),
    "covid_xray",
    CARD,
    channels=channels,
    **settings,
  )


def root(folders: Folders) -> pathlib.Path:
  """The folder with the table and the images."""
  return pictures.source(
    folders,
    "covid-chestxray-dataset",
    "covid-chestxray-dataset-master",
    "covid-chestxray-dataset-master.zip",
    "covid_chestxray_subset.zip",
    url=URL,
    what="the COVID-19 image data collection",
    holds=(_TABLE, "images"),
  )


def listed(root: pathlib.Path) -> pictures.Listed:
  """The X-rays there with a known finding, one row for each file."""
  table = _table(root / _TABLE)
  rows, changes = _rows(root, table)
  patients = _patients(table, rows)
  first = [
    min(rows[file], key=lambda row: (table["offset"][row] == "", row))
    for file in rows
  ]
  found = [
    pictures.Picture(file, root / "images" / file, label, patient, cells)
    for file, row, patient in zip(rows, first, patients, strict=True)
    for label, cells in [_facts(table, row)]
  ]
  for file, of_file in rows.items():
    if len({_facts(table, row)[0] for row in of_file}) > 1:
      raise table.error(of_file[1], "finding", f"{file} has two findings")
  licences = collections.Counter(
    table["license"][row] or "none stated" for row in first
  )
  words = ", ".join(f"{name} ({n})" for name, n in licences.most_common())
  changes["repeated rows of a file, merged"] = sum(
    len(of_file) - 1 for of_file in rows.values()
  )
  changes["patient ids that share a file, taken for one patient"] = len(
    {table["patientid"][row] for each in rows.values() for row in each}
  ) - len({*patients})
  return pictures.Listed(
    found,
    CLASSES,
    ("age", "sex", "view"),
    changes=changes,
    card={"licence": f"each image has its own: {words}"},
  )


def _table(path: pathlib.Path) -> Table:
  """The table; its header ends in a comma, so that a column has no name."""
  with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
    header = next(csv.reader(file), [])
  names = [name or f"column {i}" for i, name in enumerate(header)]
  table = tables.read(path, names=names)
  return table.take(np.arange(1, len(table)))


def _rows(
  root: pathlib.Path, table: Table
) -> tuple[dict[str, list[int]], dict[str, int]]:
  """file -> the rows of X-rays with a known finding; and what was left out."""
  rows: dict[str, list[int]] = {}
  changes = collections.Counter()
  for row, name in enumerate(table["filename"]):
    if table["modality"][row] != "X-ray":
      changes["dropped rows that are not of X-rays"] += 1
    elif table["finding"][row] in UNKNOWN:
      changes["dropped rows without a finding"] += 1
    elif not (root / "images" / name).is_file():
      changes["rows without an image here, dropped"] += 1
    else:
      try:
        files.inside(root / "images", name)
      except ValueError as error:
        raise table.error(row, "filename", str(error)) from None
      rows.setdefault(name, []).append(row)
  if not rows:
    raise UserError(
      f"{root.name}: images/ holds none of the X-rays of {_TABLE}: get them "
      f"from {URL}"
    )
  return rows, dict(changes)


def _patients(table: Table, rows: dict[str, list[int]]) -> list[str]:
  """The patient of each file; ids that one file has are one patient."""
  ids = sorted(
    {table["patientid"][row] for each in rows.values() for row in each}
  )
  number = {name: i for i, name in enumerate(ids)}
  pairs = [
    (number[table["patientid"][of_file[0]]], number[table["patientid"][row]])
    for of_file in rows.values()
    for row in of_file
  ]
  same = alike.linked(len(ids), pairs)
  lowest = {
    int(group): name for name, group in [*zip(ids, same, strict=True)][::-1]
  }
  return [
    lowest[int(same[number[table["patientid"][of_file[0]]]])]
    for of_file in rows.values()
  ]


def _facts(table: Table, row: int) -> tuple[str, tuple[str, ...]]:
  """The class of a row, and its age band, sex and view."""
  label = CLASSES[table["finding"][row].startswith("COVID-19")]
  cell, years = table["age"][row], ""
  if cell:
    try:
      age = float(cell)
    except ValueError:
      raise table.error(row, "age", f"{cell!r} is no age in years") from None
    years = next((words for below, words in AGES if age < below), "75+")
  return label, (years, table["sex"][row], table["view"][row])
