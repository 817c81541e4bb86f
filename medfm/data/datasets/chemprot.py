"""ChemProt: how a chemical acts on a protein, from one sentence.

10,065 sentences with both entities marked, << one >> and [[ the other ]]; 13
relations. Kringelum et al., "ChemProt-3.0: a global chemical biology diseases
mapping", 2016; converted by SciBERT's authors (Beltagy et al. 2019).
"""

import pathlib

import numpy as np

from medfm.data.tables.table import shortened
from medfm.data.text import text_files, texts, tokenizers
from medfm.tasks.multiclass import own as columns
from medfm.types import UserError

_URL = "https://github.com/allenai/scibert/tree/master/data/text_classification/chemprot"
_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}

CARD = {
  "source": f"BioCreative VI ChemProt as in SciBERT, {_URL}",
  "licence": "none stated (public task data)",
  "citation": "Kringelum et al.: ChemProt-3.0: a global chemical biology "
  "diseases mapping. Database (2016)",
  "notes": [
    "Official split, 13 relations; BLURB's version has 5 classes and other "
    "numbers.",
    "A sentence comes once for each pair of entities; splits share none by "
    "their documents, which the files do not name.",
  ],
  "application": "target discovery from literature: what a chemical does to a "
  "gene",
  "published": "micro-F1 over 13 relations, which is accuracy: BERT-base .791, "
  "SciBERT .836 (pre-trained on 1.14 million papers)",
}


class ChemProt(texts.Builder, skip_registration=True):
  """Marked sentences; `raw` is the folder of train, dev and test.txt."""

  def rows(self) -> texts.Rows:
    examples = [
      (part, pathlib.Path(self.raw) / file, row, example)
      for part, file in _FILES.items()
      for row, example in text_files.json_lines(pathlib.Path(self.raw) / file)
    ]
    names = {e["label"] for part, *_, e in examples if part == "train"}
    classes = tuple(sorted(names))
    for _, path, row, example in examples:
      if example["label"] not in classes:
        raise UserError(
          f"{path}, row {row}: the label {shortened(example['label'])} does "
          "not occur in training"
        )
      for mark in tokenizers.MARKERS:
        if mark not in example["text"]:
          raise UserError(f"{path}, row {row}: the text has no {mark}")
    plain = [tokenizers.unmarked(e["text"]) for *_, e in examples]
    parts = [part for part, *_ in examples]
    labels = [classes.index(e["label"]) for *_, e in examples]
    return texts.Rows(
      texts={"text": [e["text"] for *_, e in examples]},
      ids=[f"{part}:{row}" for part, _, row, _ in examples],
      truth={"label": np.array(labels, np.int32)},
      names=classes,
      documents=[
        f"{part}:{texts.content(text)}"
        for part, text in zip(parts, plain, strict=True)
      ],
      part=np.array(parts),
    )


chemprot, source = texts.public(
  ChemProt,
  "chemprot_scibert.zip",
  "chemprot",
  url=_URL,
  card=CARD,
  target=columns.target,
  length=256,
  around_markers=True,
)
"""Sentence with two marked entities -> one of 13 relations."""
