"""Medical Abstracts: which of five kinds of condition a patient text is of.

The 2,888 abstracts of the corpus' test part, split anew; equal texts, which
are there partly with different labels, stay together. Schopf et al.,
"Evaluating unsupervised text classification: zero-shot and similarity-based
approaches", 2022.
"""

from collections.abc import Callable

import numpy as np

from medfm.data.tables import table as tables
from medfm.data.text import texts, tokenizers
from medfm.data.text.sequences import TooLong
from medfm.tasks.multiclass import own as columns
from medfm.types import Dataset, Folders

CLASSES = (
  "neoplasms",
  "digestive system diseases",
  "nervous system diseases",
  "cardiovascular diseases",
  "general pathological conditions",
)
_URL = "https://github.com/sebischair/Medical-Abstracts-TC-Corpus"
_LABEL, _TEXT = "condition_label", "medical_abstract"

CARD = {
  "source": f"Medical Abstracts TC corpus, its test part, {_URL}",
  "licence": "CC BY-SA 3.0",
  "citation": "Schopf et al.: Evaluating unsupervised text classification: "
  "zero-shot and similarity-based approaches. NLPIR (2022)",
  "notes": [
    "The split is ours, so that no published number compares.",
    "Some abstracts come twice with different labels; they are in one split.",
  ],
  "application": "patient text triage: which speciality a text belongs to",
  "published": "none that compares: the split is ours",
}


class MedicalAbstracts(texts.Builder, skip_registration=True):
  """Abstracts by row; `raw` is the CSV file."""

  def rows(self) -> texts.Rows:
    table = tables.read(self.raw, missing=("",))
    label = []
    for index, cell in enumerate(table[_LABEL]):
      if cell not in "12345" or len(cell) != 1:
        raise table.error(index, _LABEL, "expected a number from 1 to 5")
      if not table[_TEXT][index]:
        raise table.error(index, _TEXT, "the text is empty")
      label.append(int(cell) - 1)
    documents = [texts.content(text) for text in table[_TEXT]]
    repeats = len(documents) - len(set(documents))
    return texts.Rows(
      texts={"text": table[_TEXT]},
      ids=[f"test:{row}" for row in table.rows],
      truth={"label": np.array(label, np.int32)},
      names=CLASSES,
      documents=documents,
      changes=(
        {
          "what": "abstracts that repeat another, kept in its split",
          "count": repeats,
        },
      ),
    )


SET = texts.Public(
  name="medical_abstracts",
  builder=MedicalAbstracts,
  names=("medical_abstracts_test.zip", "medical_tc_test.csv"),
  url=_URL,
  card=CARD,
  target=columns.target,
  reads={"text": _TEXT},
)


def medical_abstracts(
  folders: Folders,
  *,
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 384,
  too_long: TooLong = "windows",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Dataset:
  """Abstract -> one of five kinds of condition."""
  return SET.dataset(
    folders, tokenizer, length, too_long, seed=seed, fractions=fractions
  )


def source(
  folders: Folders,
  *,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> texts.Source:
  """The recorded abstracts, and their card."""
  return SET.source(folders, seed=seed, fractions=fractions)
