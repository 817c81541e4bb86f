"""Diabetes progression after a year, from 10 baseline variables.

442 patients, one row each, in raw units (years, kg/m², mmHg, serum values).
The copy within scikit-learn is used, so that nothing is downloaded.
"""

from typing import Any

import numpy as np

from medfm.data import records
from medfm.data.tables import encoding, tabular
from medfm.spec import forwards
from medfm.tasks import regression as columns
from medfm.types import Dataset, Folders

CARD = {
  "source": "scikit-learn's load_diabetes(scaled=False), a copy of "
  "www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
  "licence": "none stated by the source; distributed with scikit-learn",
  "citation": "Efron, Hastie, Johnstone, Tibshirani: Least angle regression. "
  "Annals of Statistics 32 (2004)",
  "notes": [
    "One row for each patient; ids are row numbers of the source.",
    "The target is an index of disease progression one year after baseline; "
    "the source states no unit.",
    "The source codes sex as 1 and 2 and does not say which is which; the "
    "code is kept as a number, as in the published regressions.",
  ],
}


class DiabetesProgression(tabular.Builder, skip_registration=True):
  """442 patients, 10 numbers and the progression index."""

  def rows(self) -> tabular.Rows:
    from sklearn.datasets import load_diabetes

    source = load_diabetes(scaled=False)
    values = dict(zip(source.feature_names, source.data.T, strict=True))
    ids = np.array([f"patient-{i}" for i in range(len(source.data))])
    return tabular.Rows(
      columns=encoding.of_numbers(source.data, list(values)),
      truth={"label": source.target.astype(np.float32)[:, None]},
      names=("progression",),
      ids=ids,
      patients=ids,
      groups={
        "age": encoding.age_bands(values["age"]),
        "sex": np.where(values["sex"] == 2, "2", "1"),
      },
    )


@forwards(tabular.dataset, "seed", "fractions")
def diabetes(folders: Folders, **split: Any) -> Dataset:
  """Disease progression (25 to 346) from 10 baseline variables."""
  labels = columns.Columns(("progression",), ("points of the index",))
  return tabular.dataset(
    records.prepared(DiabetesProgression, folders, raw=None),
    name="diabetes",
    target=labels.target,
    card=CARD,
    **split,
    id="id",
    patient="patient",
    groups=("age", "sex"),
  )
