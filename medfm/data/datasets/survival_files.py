"""The files of eleven public cohorts with censored follow-up, and their tables.

Three are DeepSurv's HDF5 files with their fixed training and test rows, eight
the ARFF files of scikit-survival. What is known only after the time that a
prediction is made is dropped.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from medfm.data.tables.table import Table
from medfm.types import UserError

SOURCES = {
  ".h5": (
    "https://raw.githubusercontent.com/jaredleekatzman/DeepSurv/master/"
    "experiments/data",
    "deepsurv_h5.zip",
    "MIT (of the repository DeepSurv)",
  ),
  ".arff": (
    "https://raw.githubusercontent.com/sebp/scikit-survival/master/sksurv/"
    "datasets/data",
    "sksurv_arff.zip",
    "freely available (the words of the repository scikit-survival)",
  ),
}
"""By a file's suffix: the folder it is fetched from, archive, licence."""

_DEATH = {"0": "", "1": "death"}
_HOSMER = "Hosmer, Lemeshow, May: Applied Survival Analysis. Wiley (2008)"
_KATZMAN = (
  "Katzman et al.: DeepSurv: personalized treatment recommender system using "
  "a Cox proportional hazards deep neural network. BMC Medical Research "
  "Methodology 18:24 (2018)"
)


@dataclasses.dataclass(frozen=True)
class Cohort:
  """One file: what its columns are, and what ends the follow-up.

  file: its name; sha256: of the published one.
  horizons: times at which risks are scored by default, in its unit.
  event: the column and its cells, {cell: name of the cause, "" if censored}.
  names: the columns of an HDF5 file, which does not name them.
  categorical: columns that hold codes; the other features are numbers.
  recoded: column -> {cell: what it means, "" if missing}.
  drop: columns that are not features.
  """

  file: str
  sha256: str
  horizons: tuple[float, ...]
  time: str = "time"
  event: tuple[str, dict[str, str]] = ("event", _DEATH)
  unit: str = "days"
  names: tuple[str, ...] = ()
  categorical: tuple[str, ...] = ()
  recoded: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
  drop: tuple[str, ...] = ()
  groups: tuple[str, ...] = ()
  patient: str = ""
  citation: str = ""
  notes: tuple[str, ...] = ()

  @property
  def causes(self) -> tuple[str, ...]:
    """Names of the events, in order."""
    return tuple(dict.fromkeys(filter(None, self.event[1].values())))


COHORTS = {
  "metabric": Cohort(
    file="metabric_IHC4_clinical_train_test.h5",
    sha256="e959131973c906c7e8b1e662c81160914768156a6da145a9bfed9b9ee8bf3e72",
    names=(
      "expression_1", "expression_2", "expression_3", "expression_4",
      "hormone_therapy", "radiotherapy", "chemotherapy", "er_positive", "age",
    ),
    unit="months",
    horizons=(60, 120),
    groups=("age",),
    citation=f"Curtis et al.: The genomic and transcriptomic architecture of "
    f"2,000 breast tumours. Nature 486 (2012); {_KATZMAN}",
    notes=(
      "The file names no columns. The four expressions are of MKI67, EGFR, "
      "PGR and ERBB2, in an order that is not documented.",
    ),
  ),
  "gbsg": Cohort(
    file="gbsg_cancer_train_test.h5",
    sha256="bd455f4395322a8b23040c15cedbef00ad51a447d02c95f1f1d686a6b196484b",
    names=(
      "hormone_therapy", "tumour_size_class", "postmenopausal", "age",
      "positive_nodes", "progesterone_receptor", "oestrogen_receptor",
    ),
    event=("event", {"0": "", "1": "recurrence or death"}),
    unit="months",
    horizons=(24, 60),
    groups=("age",),
    citation=f"Foekens et al.: The urokinase system of plasminogen activation "
    f"and prognosis in 2780 breast cancer patients. Cancer Research 60 (2000); "
    f"Schumacher et al.: Randomized 2 x 2 trial evaluating hormonal treatment. "
    f"J. Clin. Oncol. 12 (1994); {_KATZMAN}",
    notes=(
      "Trained on the Rotterdam tumour bank, tested on the GBSG trial: another "
      "hospital's patients.",
      "Tumour size is 0 up to 20 mm, 1 up to 50 mm, 2 above.",
    ),
  ),
  "whas": Cohort(
    file="whas_train_test.h5",
    sha256="2ed86f073fdbe34be10f7e485eeaf67b61004521390c46b9a18aa9b82d5e8f9c",
    names=("unnamed", "age", "female", "bmi", "heart_failure", "recurrent_mi"),
    horizons=(365, 1095),
    groups=("age",),
    citation=f"{_HOSMER}; {_KATZMAN}",
    notes=(
      "Most test rows are also training rows (229 of 328, with the same "
      "follow-up): scores on this test split are no estimate for new patients.",
      "The file names no columns; all but the first were identified by "
      "comparison with whas500.",
    ),
  ),
  "gbsg2": Cohort(
    file="GBSG2.arff",
    sha256="8c1ba1df4d80216b58695d6bbc9f51284664ab37124e101d56df089851645b04",
    event=("cens", {"0": "", "1": "recurrence or death"}),
    horizons=(730, 1825),
    categorical=("horTh", "menostat", "tgrade"),
    groups=("age", "menostat", "tgrade"),
    citation="Schumacher et al.: Randomized 2 x 2 trial evaluating hormonal "
    "treatment. J. Clin. Oncol. 12 (1994)",
    notes=("The same patients as the test rows of gbsg.",),
  ),
  "actg320": Cohort(
    file="actg320.arff",
    sha256="f0613690853c36fc7b9b936cfae4c95ba460b64df1989cc1ccc126b729eae455",
    event=("censor", {"0": "", "1": "AIDS or death"}),
    horizons=(180, 300),
    categorical=(
      "tx", "txgrp", "strat2", "sex", "raceth", "ivdrug", "hemophil",
    ),
    recoded={"sex": {"1": "male", "2": "female"}},
    drop=("time_d", "censor_d"),
    groups=("age", "sex"),
    citation=_HOSMER,
    notes=("The other end point, death alone, is left out: 26 events.",),
  ),
  "breast_cancer": Cohort(
    file="breast_cancer_GSE7390-metastasis.arff",
    sha256="233f4c1c06b2ee299fffcba0f9881f6ed66a3566ccbec30b5004f0d298b52570",
    time="t.tdm",
    event=("e.tdm", {"0": "", "1": "distant metastasis"}),
    horizons=(1826, 3652),
    categorical=("grade", "er"),
    recoded={"grade": {"unkown": ""}},
    groups=("age", "er"),
    citation="Desmedt et al.: Strong time dependence of the 76-gene prognostic "
    "signature for node-negative breast cancer patients. Clin. Cancer Res. 13 "
    "(2007)",
  ),
  "flchain": Cohort(
    file="flchain.arff",
    sha256="bf2600ec437dd19071f73bdad82de681780457d1141ec36ed551b0026e6e5773",
    time="futime",
    event=("death", {"alive": "", "dead": "death"}),
    horizons=(1826, 3652),
    categorical=("sex", "mgus"),
    recoded={"sex": {"F": "female", "M": "male"}},
    drop=("chapter",),
    groups=("age", "sex"),
    citation="Dispenzieri et al.: Use of nonclonal serum immunoglobulin free "
    "light chains to predict overall survival in the general population. Mayo "
    "Clinic Proceedings 87 (2012)",
    notes=("Dropped `chapter`, the cause of death.",),
  ),
  "veteran": Cohort(
    file="veteran.arff",
    sha256="71dbc9e235f3cc2ed10b3a254e39f985c092346d1c845736ed21b13fbe263456",
    time="Survival_in_days",
    event=("Status", {"censored": "", "dead": "death"}),
    horizons=(90, 180),
    categorical=("Treatment", "Celltype", "Prior_therapy"),
    groups=("Celltype",),
    citation="Kalbfleisch, Prentice: The Statistical Analysis of Failure Time "
    "Data. Wiley (2002)",
  ),
  "whas500": Cohort(
    file="whas500.arff",
    sha256="f64040c91398875137822eca306a927208df6896808cd9764af7065722fa53d6",
    time="lenfol",
    event=("fstat", _DEATH),
    horizons=(365, 1095),
    categorical=(
      "gender", "cvd", "afb", "sho", "chf", "av3", "miord", "mitype",
    ),
    recoded={"gender": {"0": "male", "1": "female"}},
    drop=("los",),
    groups=("age", "gender"),
    citation=_HOSMER,
    notes=(
      "Dropped `los`, the length of the stay: it is known at the discharge, "
      "and is the follow-up of who died in hospital.",
    ),
  ),
  "bmt": Cohort(
    file="bmt.arff",
    sha256="c910a1f3bb4096c050028725883aaec8fdbc96c9d08424cd534bc96ad807ea7b",
    time="ftime",
    event=(
      "status", {"0": "", "1": "transplant-related death", "2": "relapse"},
    ),
    unit="months",
    horizons=(12,),
    categorical=("dis",),
    recoded={"dis": {"0": "ALL", "1": "AML"}},
    citation="Scrucca, Santucci, Aversa: Competing risk analysis using R: an "
    "easy guide for clinicians. Bone Marrow Transplant 40 (2007)",
    notes=("35 patients with one feature: an example, no evidence.",),
  ),
  "cgvhd": Cohort(
    file="cgvhd.arff",
    sha256="d25c54a98ef825a3290bfbd6242e11589cbabd3990c02835cab5318d7eb9557f",
    event=(
      "first", {"0": "", "1": "chronic GVHD", "2": "relapse", "3": "death"},
    ),
    unit="years",
    horizons=(0.5, 1),
    categorical=("dx", "tx", "extent"),
    drop=(
      "agvhdgd", "survtime", "reltime", "agvhtime", "cgvhtime", "stat",
      "rcens", "agvh", "cgvh",
    ),
    groups=("dx", "tx"),
    patient="stnum",
    citation="Pintilie: Competing Risks: A Practical Perspective. Wiley (2006)",
    notes=(
      "The event is the first of chronic graft-versus-host disease, relapse "
      "and death; 5 patients each had the latter two.",
    ),
  ),
}  # fmt: skip


def read(path: pathlib.Path, cohort: Cohort) -> Table:
  """The table as text, with the columns `time`, event and, given, `part`."""
  columns = _hdf5(path, cohort) if cohort.names else _arff(path)
  if cohort.time not in columns:  # cgvhd: the time of the first event.
    columns |= _first(columns)
  count = len(columns[cohort.time])
  return Table(
    (str(path),), columns, np.arange(1, count + 1), np.zeros(count, np.int64)
  )


def _hdf5(path: pathlib.Path, cohort: Cohort) -> dict[str, list[str]]:
  try:
    import h5py
  except ImportError:
    raise UserError(
      f"{path.name} is read with h5py, which is not installed: pip install h5py"
    ) from None
  columns: dict[str, list[str]] = {}
  with h5py.File(path, "r") as file:
    for part in ("train", "test"):
      values = [*file[part]["x"][:].T, file[part]["t"][:], file[part]["e"][:]]
      names = (*cohort.names, cohort.time, cohort.event[0])
      for name, column in zip(names, values, strict=True):
        columns.setdefault(name, []).extend(map(_text, column))
      columns.setdefault("part", []).extend([part] * len(values[0]))
  return columns


def _arff(path: pathlib.Path) -> dict[str, list[str]]:
  from scipy.io import arff

  rows, meta = arff.loadarff(path)
  return {
    name: [
      cell.decode().replace("?", "") if isinstance(cell, bytes) else _text(cell)
      for cell in rows[name]
    ]
    for name in meta.names()
  }


def _text(value: Any) -> str:
  """A number with all its digits; "" for NaN."""
  return "" if np.isnan(value) else np.format_float_positional(value, trim="-")


def _first(columns: dict[str, list[str]]) -> dict[str, list[str]]:
  """`time` and `first`: what came first of chronic GVHD, relapse and death.

  As scikit-survival reads the file; no two of them have the same time.
  """
  times = [columns[name] for name in ("cgvhtime", "reltime", "survtime")]
  events = [columns[name] for name in ("cgvh", "rcens", "stat")]
  at = np.array(times, float)
  came = (at == at.min(0)) & (np.array(events) == "1")
  return {
    "time": list(map(_text, at.min(0))),
    "first": ["".join(map(str, np.flatnonzero(c) + 1)) or "0" for c in came.T],
  }
