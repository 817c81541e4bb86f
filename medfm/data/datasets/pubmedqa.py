"""PubMedQA: does an abstract answer its title's question yes, no or maybe?

1,000 questions labelled by experts; the official test is 500 of them. The
question is read with the abstract without its conclusion (the paper's
reasoning-required setting).
"""

import pathlib
from typing import Any

import numpy as np

from medfm import jsons
from medfm.data.text import texts
from medfm.tasks import multiclass as columns
from medfm.types import UserError

CLASSES = ("no", "maybe", "yes")
_QUESTIONS = "ori_pqal.json"
_TEST = "test_ground_truth.json"


class PubMedQA(texts.Builder, skip_registration=True):
  """Question and abstract; `raw` is the folder of both JSON files."""

  def rows(self) -> texts.Rows:
    folder = self.raw
    questions, test = _json(folder / _QUESTIONS), _json(folder / _TEST)
    for pmid in test:
      if pmid not in questions:
        raise UserError(f"{folder / _TEST}: {pmid} is not in {_QUESTIONS}")
    for pmid, entry in questions.items():
      if (answer := entry["final_decision"]) not in CLASSES:
        raise UserError(
          f"{folder / _QUESTIONS}: {pmid} has the answer {answer[:20]!r}, "
          f"expected {', '.join(CLASSES)}"
        )
    entries = questions.values()
    label = [CLASSES.index(entry["final_decision"]) for entry in entries]
    return texts.Rows(
      texts={
        "text": [entry["QUESTION"] for entry in entries],
        "pair": [" ".join(entry["CONTEXTS"]) for entry in entries],
      },
      ids=list(questions),
      truth={"label": np.array(label, np.int32)},
      names=CLASSES,
      patients=list(questions),
      part=np.array(["test" if p in test else "train" for p in questions]),
    )


pubmedqa, source = texts.public(
  PubMedQA,
  "pubmedqa_pqal.zip",
  _QUESTIONS,
  url="https://github.com/pubmedqa/pubmedqa",
  card={
    "source": "PubMedQA, expert-labelled part (PQA-L)",
    "licence": "MIT",
    "citation": "Jin et al.: PubMedQA: a dataset for biomedical research "
    "question answering. EMNLP (2019)",
    "notes": [
      "Official test of 500; the paper cross-validates on the other 500.",
      "Always saying yes is right in 55.2 % of the test.",
    ],
    "application": "evidence for clinical questions",
    "published": "accuracy on this test: always yes .552, PubMedBERT .558 "
    "(BLURB; pre-trained on 14 million abstracts), BioBERT with PQA-A and "
    "PQA-U .681, one human .780 (Jin et al. 2019)",
  },
  target=columns.Columns().target,
  length=512,
  fractions=(0.9, 0.1),
  parent=True,
  text="question",
  pair="context",
)
"""Question and abstract -> no, maybe, yes.

fractions: of the 500 questions that are not the test, for training and
  validation.
"""


def _json(path: pathlib.Path) -> dict[str, Any]:
  try:
    return jsons.read(path)
  except (OSError, ValueError) as error:
    raise UserError(
      f"{path}: cannot be read as JSON ({str(error)[:80]}): fetch it again"
    ) from None
