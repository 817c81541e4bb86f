"""Seven small clinical tables of the UCI repository, chosen by name.

Files have no header rows; the names of the columns are those of the `.names`
files, and a CSV to predict on must have them. Codes for "missing" become
missing, and labels are put into words.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from medfm.data import files, records
from medfm.data.tables import encoding, tabular
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import chosen, forwards
from medfm.tasks import multiclass as columns
from medfm.types import Dataset, Folders

_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
_COPIES = "https://raw.githubusercontent.com/jbrownlee/Datasets/master"
_ZIP = "uci_clinical.zip"


@dataclasses.dataclass(frozen=True)
class Study:
  """One table: where it is, what its columns are, and what they predict.

  layouts: file name -> its columns in order; the first file is the one to
    download.
  labels: label column -> {cell: class name}, in the order of the classes;
    the first is the default, and none of them is ever a feature.
  zeros: numeric columns in which 0 means "not measured".
  recoded: column -> {cell: what it means}.
  drop: columns that are not features.
  """

  layouts: dict[str, tuple[str, ...]]
  labels: dict[str, dict[str, str]]
  numeric: tuple[str, ...]
  groups: tuple[str, ...] = ()
  patient: str = ""
  zeros: tuple[str, ...] = ()
  recoded: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
  drop: tuple[str, ...] = ()
  quote: str = '"'
  url: str = ""
  citation: str = ""
  notes: tuple[str, ...] = ()

  @property
  def categorical(self) -> tuple[str, ...]:
    """All other features, which hold codes."""
    used = (*self.numeric, *self.labels, self.patient, *self.drop)
    columns = next(iter(self.layouts.values()))
    return tuple(name for name in columns if name not in used)


_PIMA = (
  "pregnancies", "glucose", "blood_pressure", "skin_thickness", "insulin",
  "bmi", "pedigree", "age",
)  # fmt: skip
_CELLS = (
  "clump_thickness", "cell_size", "cell_shape", "adhesion",
  "epithelial_cell_size", "bare_nuclei", "chromatin", "nucleoli", "mitoses",
)  # fmt: skip
_RECURRENCE = (
  "age", "menopause", "tumor_size", "inv_nodes", "node_caps", "deg_malig",
  "breast", "breast_quad", "irradiat",
)  # fmt: skip
_HORSE = (
  "surgery", "age", "hospital_number", "rectal_temperature", "pulse",
  "respiratory_rate", "temperature_of_extremities", "peripheral_pulse",
  "mucous_membranes", "capillary_refill_time", "pain", "peristalsis",
  "abdominal_distension", "nasogastric_tube", "nasogastric_reflux",
  "reflux_ph", "rectal_examination", "abdomen", "packed_cell_volume",
  "total_protein", "abdominocentesis", "abdominal_protein", "outcome",
  "surgical_lesion", "lesion_1", "lesion_2", "lesion_3", "cp_data",
)  # fmt: skip
_THYROID = ("t3_uptake", "thyroxin", "triiodothyronine", "tsh", "tsh_response")

STUDIES = {
  "pima": Study(
    layouts={"pima-indians-diabetes.csv": (*_PIMA, "diabetes")},
    labels={"diabetes": {"0": "no diabetes", "1": "diabetes"}},
    numeric=_PIMA,
    groups=("age",),
    zeros=("glucose", "blood_pressure", "skin_thickness", "insulin", "bmi"),
    url=f"{_COPIES}/pima-indians-diabetes.csv",
    citation="Smith et al.: Using the ADAP learning algorithm to forecast the "
    "onset of diabetes mellitus. SCAMC (1988)",
    notes=("All are women of Pima heritage, 21 years or older.",),
  ),
  "wisconsin_original": Study(
    layouts={"breast-cancer-wisconsin.data": ("id", *_CELLS, "class")},
    labels={"class": {"2": "benign", "4": "malignant"}},
    numeric=_CELLS,
    patient="id",
    url=f"{_UCI}/breast-cancer-wisconsin/breast-cancer-wisconsin.data",
    citation="Wolberg, Mangasarian: Multisurface method of pattern separation "
    "for medical diagnosis applied to breast cytology. PNAS 87 (1990)",
    notes=("Several samples share an id, which is taken for the patient.",),
  ),
  "breast_cancer_recurrence": Study(
    layouts={
      "breast-cancer.data": ("class", *_RECURRENCE),
      "breast-cancer.csv": (*_RECURRENCE, "class"),
    },
    labels={
      "class": {
        "no-recurrence-events": "no recurrence",
        "recurrence-events": "recurrence",
      },
    },
    numeric=("deg_malig",),
    groups=("age", "menopause"),
    quote="'",
    url=f"{_UCI}/breast-cancer/breast-cancer.data",
    citation="Zwitter, Soklic: Breast cancer. University Medical Centre, "
    "Institute of Oncology, Ljubljana (1988)",
    notes=("Ages, tumour sizes and node counts are given as intervals.",),
  ),
  "haberman": Study(
    layouts=dict.fromkeys(
      ("haberman.data", "haberman.csv"), ("age", "year", "nodes", "survival")
    ),
    labels={"survival": {"1": "survived 5 years", "2": "died within 5 years"}},
    numeric=("age", "year", "nodes"),
    groups=("age",),
    url=f"{_UCI}/haberman/haberman.data",
    citation="Haberman: Generalized residuals for log-linear models. 9th "
    "International Biometrics Conference (1976)",
    notes=("Operations of 1958 to 1970; `year` is the year minus 1900.",),
  ),
  "horse_colic": Study(
    layouts={"horse-colic.csv": _HORSE},
    labels={
      "outcome": {"1": "lived", "2": "died", "3": "euthanised"},
      "surgical_lesion": {"2": "no", "1": "yes"},
    },
    numeric=(
      "rectal_temperature", "pulse", "respiratory_rate", "reflux_ph",
      "packed_cell_volume", "total_protein", "abdominal_protein",
    ),
    drop=("lesion_1", "lesion_2", "lesion_3", "cp_data"),
    groups=("age",),
    patient="hospital_number",
    recoded={"age": {"1": "adult", "2": "young", "9": "young"}},
    url=f"{_COPIES}/horse-colic.csv",
    citation="McLeish, Cecile: Horse colic. University of Guelph (1989)",
    notes=(
      "Veterinary data: the patients are horses.",
      "Only the 300 training rows; lesion codes are known in hindsight and "
      "are not features.",
      "Age is adult or young (under 6 months); the code 9 for young is not in "
      "the documentation.",
    ),
  ),
  "thyroid": Study(
    layouts={
      "new-thyroid.data": ("class", *_THYROID),
      "new-thyroid.csv": (*_THYROID, "class"),
    },
    labels={"class": {"1": "normal", "2": "hyperthyroid", "3": "hypothyroid"}},
    numeric=_THYROID,
    url=f"{_UCI}/thyroid-disease/new-thyroid.data",
    citation="Coomans et al.: Comparison of multivariate discriminant "
    "techniques for clinical data. Meth. Inform. Med. 22 (1983)",
  ),
  "cleveland": Study(
    layouts={
      "processed.cleveland.data": (
        "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach",
        "exang", "oldpeak", "slope", "ca", "thal", "num",
      ),
    },
    labels={"num": {"0": "no disease"} | dict.fromkeys("1234", "disease")},
    numeric=("age", "trestbps", "chol", "thalach", "oldpeak", "ca"),
    groups=("sex", "age"),
    recoded={"sex": {"0": "female", "1": "male"}},
    url=f"{_UCI}/heart-disease/processed.cleveland.data",
    citation="Detrano et al.: International application of a new probability "
    "algorithm for the diagnosis of coronary artery disease. Am. J. Cardiol. "
    "64 (1989)",
    notes=("Disease: any vessel narrowed by more than half (num above 0).",),
  ),
}  # fmt: skip


class UciClinical(tabular.Builder, skip_registration=True):
  """One of the seven tables, cleaned."""

  def __init__(self, *, study: str, label: str, **kwargs):
    self.study, self.label = study, label
    super().__init__(**kwargs)

  def rows(self) -> tabular.Rows:
    study, path = STUDIES[self.study], self.raw
    names = study.labels[self.label]
    table = tables.read(path, names=study.layouts[path.name], quote=study.quote)
    counts = {}
    if unlabelled := table[self.label].count(""):
      counts[f"dropped rows without a label ({self.label})"] = unlabelled
      table = table.take(np.flatnonzero(np.array(table[self.label]) != ""))
    used = (*study.numeric, *study.categorical)
    if missing := sum(table[name].count("") for name in used):
      counts["values missing in the source"] = missing
    for name in study.zeros:
      zeros = int((tables.numbers(table, name) == 0).sum())
      counts[f"zeros of {name} taken for missing"] = zeros
    table = cleaned(table, study=self.study)
    classes = tuple(dict.fromkeys(names.values()))
    codes = {cell: classes.index(name) for cell, name in names.items()}
    label = tables.coded(table, self.label, codes)
    several = [list(codes.values()).count(code) > 1 for code in label]
    if any(several):
      meaning = "; ".join(f"{cell} is {name}" for cell, name in names.items())
      counts[f"relabelled {self.label}: {meaning}"] = sum(several)
    return tabular.Rows(
      columns=encoding.parsed(table, study.numeric, study.categorical),
      truth={"label": np.array(label, np.int32)},
      names=classes,
      ids=np.array([f"row-{row}" for row in table.rows]),
      patients=np.array(table[study.patient]) if study.patient else None,
      groups={name: encoding.group(table, name) for name in study.groups},
      changes=tuple({"what": w, "count": n} for w, n in counts.items()),
    )


@forwards(tabular.dataset, "seed", "fractions")
def uci_clinical(
  folders: Folders, *, name: str = "cleveland", label: str = "", **split: Any
) -> Dataset:
  """One of seven clinical tables.

  name: pima, wisconsin_original, breast_cancer_recurrence, haberman,
    horse_colic, thyroid or cleveland.
  label: the label column where there are two (horse_colic: outcome, or
    surgical_lesion); "" for the first.
  """
  study = chosen("name", name, STUDIES)
  label = label or next(iter(study.labels))
  chosen("label", label, study.labels)
  path = files.find(
    folders, *study.layouts, _ZIP, url=study.url, what=f"UCI's {name}"
  )
  path = files.member(folders, path, *study.layouts)
  return tabular.dataset(
    records.prepared(UciClinical, folders, raw=path, study=name, label=label),
    name=name,
    target=columns.Columns().target,
    card={
      "source": study.url,
      "licence": "CC BY 4.0 (the repository's statement for all its sets)",
      "citation": study.citation,
      "notes": list(study.notes),
      "file": files.origin(path, url=study.url),
    },
    **split,
    id="" if study.patient == "id" else "id",
    patient=study.patient or "patient",
    groups=study.groups,
    clean=functools.partial(cleaned, study=name),
  )


def cleaned(table: Table, *, study: str) -> Table:
  """The table with codes put into words, and zeros that mean missing gone."""
  for name in STUDIES[study].zeros:
    zero = tables.numbers(table, name) == 0
    table = table.replace(**{name: np.where(zero, "", table[name]).tolist()})
  for name in STUDIES[study].categorical:
    # `1.0` and `1` are the same code.
    table = table.mapped(name, lambda cell: cell.removesuffix(".0"))
  for name, meaning in STUDIES[study].recoded.items():
    table = table.mapped(name, lambda cell, m=meaning: m.get(cell, cell))
  return table
