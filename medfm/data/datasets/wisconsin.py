"""Wisconsin diagnostic breast cancer: 30 features of cell nuclei [B,30].

Fine-needle aspirates of 569 patients, one row each: 357 benign, 212 malignant.
The copy within scikit-learn is used, so that nothing is downloaded.
"""

from typing import Any

import numpy as np

from medfm.data import records
from medfm.data.tables import encoding, tabular
from medfm.spec import forwards
from medfm.tasks import multiclass as columns
from medfm.types import Dataset, Folders

CARD = {
  "source": "scikit-learn's load_breast_cancer, a copy of UCI's Breast Cancer "
  "Wisconsin (Diagnostic), doi.org/10.24432/C5DW2B",
  "licence": "CC BY 4.0",
  "citation": "Street, Wolberg, Mangasarian: Nuclear feature extraction for "
  "breast tumor diagnosis. IS&T/SPIE 1905 (1993)",
  "notes": [
    "One row for each patient; ids are row numbers of the source.",
    "The positive class is malignant; scikit-learn counts benign as 1, so "
    "published scores may have benign as positive.",
    "No age, sex or site is recorded: no subgroup can be examined.",
  ],
}


class WisconsinDiagnostic(tabular.Builder, skip_registration=True):
  """569 patients, 30 numbers, benign 0 or malignant 1."""

  def rows(self) -> tabular.Rows:
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    label = 1 - source.target.astype(np.int32)
    names = tuple(map(str, source.feature_names))
    ids = np.array([f"patient-{i}" for i in range(len(label))])
    what = (
      "relabelled: malignant is 1 and benign 0, scikit-learn's coding is the "
      "reverse"
    )
    return tabular.Rows(
      columns=encoding.of_numbers(source.data, names),
      truth={"label": label},
      names=("benign", "malignant"),
      ids=ids,
      patients=ids,
      changes=({"what": what, "count": len(label)},),
    )


@forwards(tabular.dataset, "seed", "fractions")
def wisconsin(folders: Folders, **split: Any) -> Dataset:
  """Malignant or benign from 30 measured features."""
  return tabular.dataset(
    records.prepared(WisconsinDiagnostic, folders, raw=None),
    name="wisconsin",
    target=columns.Columns().target,
    card=CARD,
    **split,
    id="id",
    patient="patient",
  )
