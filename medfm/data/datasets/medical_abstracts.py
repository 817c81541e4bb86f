"""Medical Abstracts: which of five kinds of condition a text is about.

The 2,888 abstracts of the corpus' test part, split here; equal texts, some of
which have different labels, stay together.
"""

import numpy as np

from medfm.data.tables import table as tables
from medfm.data.text import text_files, texts
from medfm.tasks import multiclass as columns

CLASSES = (
  "neoplasms",
  "digestive system diseases",
  "nervous system diseases",
  "cardiovascular diseases",
  "general pathological conditions",
)
_LABEL, _TEXT = "condition_label", "medical_abstract"


class MedicalAbstracts(texts.Builder, skip_registration=True):
  """Abstracts by row; `raw` is the CSV file."""

  def rows(self) -> texts.Rows:
    table = tables.read(self.raw, missing=("",))
    codes = {str(code + 1): code for code in range(len(CLASSES))}
    label = tables.coded(table, _LABEL, codes)
    strings = text_files.strings(table, text=_TEXT)
    documents = [texts.content(text) for text in strings["text"]]
    what = "abstracts that repeat another, kept in its split"
    repeats = len(documents) - len(set(documents))
    return texts.Rows(
      texts=strings,
      ids=[f"test:{row}" for row in table.rows],
      truth={"label": np.array(label, np.int32)},
      names=CLASSES,
      patients=documents,
      changes=({"what": what, "count": repeats},),
    )


medical_abstracts, source = texts.public(
  MedicalAbstracts,
  "medical_abstracts_test.zip",
  "medical_tc_test.csv",
  url="https://github.com/sebischair/Medical-Abstracts-TC-Corpus",
  card={
    "source": "Medical Abstracts TC corpus, its test part",
    "licence": "CC BY-SA 3.0",
    "citation": "Schopf et al.: Evaluating unsupervised text classification: "
    "zero-shot and similarity-based approaches. NLPIR (2022)",
    "notes": [
      "The split is ours, so that no published number compares.",
      "Some abstracts come twice with different labels; they are in one split.",
    ],
    "application": "patient text triage: which speciality a text belongs to",
    "published": "none that compares: the split is ours",
  },
  target=columns.Columns().target,
  length=384,
  fractions=(0.7, 0.1, 0.2),
  text=_TEXT,
)
"""Abstract -> one of five kinds of condition."""
