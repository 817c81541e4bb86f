"""Diabetes 130-US hospitals: readmission within 30 days of a discharge.

101,766 encounters of 71,518 patients, 1999 to 2008. Encounters that end in
death or a hospice are dropped, since those patients cannot be readmitted.
"""

import re
from typing import Any

import numpy as np

from medfm.data import files, records
from medfm.data.tables import encoding, tabular
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import forwards
from medfm.tasks import multiclass as columns
from medfm.types import Dataset, Folders

_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/00296/dataset_diabetes.zip"
_ZIP, _CSV = "dataset_diabetes.zip", "diabetic_data.csv"

CARD = {
  "source": "UCI, Diabetes 130-US hospitals for years 1999-2008, "
  "doi.org/10.24432/C5230J",
  "licence": "CC BY 4.0",
  "citation": "Strack et al.: Impact of HbA1c measurement on hospital "
  "readmission rates. BioMed Research International (2014)",
  "notes": [
    "Several encounters per patient: split by patient_nbr.",
    "Diagnoses are grouped by ICD-9 chapter, diabetes apart.",
    "Weight is known for 3 % of the encounters only.",
    "Race, sex and age are among the features.",
  ],
}
CLASSES = ("no readmission within 30 days", "readmission within 30 days")
LABEL, PATIENT, ID = "readmitted", "patient_nbr", "encounter_id"
_GROUPS = ("race", "gender", "age")
_DIAGNOSES = ("diag_1", "diag_2", "diag_3")
_DEATH_OR_HOSPICE = ("11", "13", "14", "19", "20", "21")
NUMERIC = (
  "time_in_hospital", "num_lab_procedures", "num_procedures",
  "num_medications", "number_outpatient", "number_emergency",
  "number_inpatient", "number_diagnoses",
)  # fmt: skip
_CODE = re.compile(r"\s*(?:([EV])(\d*)|(\d{1,3}))(\.\d*)?\s*", re.ASCII)
_CHAPTERS = (
  (139, "infectious"), (239, "neoplasms"), (279, "endocrine"), (289, "blood"),
  (319, "mental"), (389, "nervous"), (459, "circulatory"),
  (519, "respiratory"), (579, "digestive"), (629, "genitourinary"),
  (679, "pregnancy"), (709, "skin"), (739, "musculoskeletal"),
  (759, "congenital"), (779, "perinatal"), (799, "symptoms"), (999, "injury"),
)  # fmt: skip
"""(last code, name) of each ICD-9-CM chapter."""


class Diabetes130(tabular.Builder, skip_registration=True):
  """Encounters by row: 8 numbers, 39 categories, readmission or none."""

  def rows(self) -> tabular.Rows:
    raw = tables.read(self.raw)
    dropped = np.isin(raw["discharge_disposition_id"], _DEATH_OR_HOSPICE)
    kept = raw.take(np.flatnonzero(~dropped))
    table = cleaned(kept)
    others = (*NUMERIC, LABEL, PATIENT, ID)
    categorical = [name for name in table.columns if name not in others]
    missing, empty = (
      sum(each[name].count("") for name in categorical)
      for each in (kept, table)
    )
    counts = {
      "dropped encounters that end in death or a hospice": int(dropped.sum()),
      "relabelled: readmission after 30 days counts as none": (
        table[LABEL].count(">30")
      ),
      "values missing in the source": missing,
      "genders and diagnosis codes without a meaning taken for missing": (
        empty - missing
      ),
    }
    label = tables.coded(table, LABEL, {"NO": 0, ">30": 0, "<30": 1})
    return tabular.Rows(
      columns=encoding.parsed(table, NUMERIC, categorical),
      truth={"label": np.array(label, np.int32)},
      names=CLASSES,
      ids=encoding.ids(table, ID),
      patients=np.array(table[PATIENT]),
      groups={name: encoding.group(table, name) for name in _GROUPS},
      changes=tuple({"what": w, "count": n} for w, n in counts.items()),
    )


@forwards(tabular.dataset, "seed", "fractions")
def diabetes130(folders: Folders, **split: Any) -> Dataset:
  """Readmission within 30 days, from what is known at the discharge."""
  path = files.find(
    folders, _CSV, _ZIP, url=_URL, what="Diabetes 130-US hospitals"
  )
  member = files.member(folders, path, _CSV)
  return tabular.dataset(
    records.prepared(Diabetes130, folders, raw=member),
    name="diabetes130",
    target=columns.Columns().target,
    card={**CARD, "file": files.origin(path, url=_URL)},
    **split,
    id=ID,
    patient=PATIENT,
    groups=_GROUPS,
    clean=cleaned,
  )


def cleaned(table: Table) -> Table:
  """Diagnoses by chapter; a gender other than male or female is missing."""
  for name in _DIAGNOSES:
    table = table.mapped(name, chapter)
  return table.mapped("gender", lambda cell: "" if "/" in cell else cell)


def chapter(code: str) -> str:
  """The chapter of an ICD-9-CM code such as `250.83` or `V57`; "" for none.

  Diabetes (250) is a chapter apart from other endocrine diseases. E codes are
  `external`, V codes `services`.
  """
  match = _CODE.fullmatch(code)
  if match is None:
    return ""
  letter, _, number, _ = match.groups()
  if letter:
    return "external" if letter == "E" else "services"
  if int(number) == 250:
    return "diabetes"
  return next(name for last, name in _CHAPTERS if int(number) <= last)
