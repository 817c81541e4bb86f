"""ChemProt: how a chemical acts on a protein, from one sentence.

10,065 sentences with both entities marked, << one >> and [[ the other ]]; 13
relations. Converted by SciBERT's authors (Beltagy et al. 2019).
"""

import numpy as np

from medfm.data.tables.table import shortened
from medfm.data.text import text_files, texts, tokenizers
from medfm.tasks import multiclass as columns
from medfm.types import UserError

_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}


class ChemProt(texts.Builder, skip_registration=True):
  """Marked sentences; `raw` is the folder of train, dev and test.txt."""

  def rows(self) -> texts.Rows:
    examples = [
      (part, self.raw / file, row, example["text"], example["label"])
      for part, file in _FILES.items()
      for row, example in text_files.json_lines(self.raw / file)
    ]
    names = {label for part, *_, label in examples if part == "train"}
    classes = tuple(sorted(names))
    for _, path, row, text, label in examples:
      if label not in classes:
        raise UserError(
          f"{path}, row {row}: the label {shortened(label)} does not occur in "
          "training"
        )
      for mark in tokenizers.MARKERS:
        if mark not in text:
          raise UserError(f"{path}, row {row}: the text has no {mark}")
    parts, _, rows, text, labels = zip(*examples, strict=True)
    contents = [texts.content(tokenizers.unmarked(string)) for string in text]
    return texts.Rows(
      texts={"text": text},
      ids=[f"{part}:{row}" for part, row in zip(parts, rows, strict=True)],
      truth={"label": np.array(list(map(classes.index, labels)), np.int32)},
      names=classes,
      patients=list(map("{}:{}".format, parts, contents)),
      part=np.array(parts),
    )


chemprot, source = texts.public(
  ChemProt,
  "chemprot_scibert.zip",
  "chemprot",
  url="https://github.com/allenai/scibert/tree/master/data/text_classification/chemprot",
  card={
    "source": "BioCreative VI ChemProt as in SciBERT",
    "licence": "none stated (public task data)",
    "citation": "Kringelum et al.: ChemProt-3.0: a global chemical biology "
    "diseases mapping. Database (2016)",
    "notes": [
      "Official split, 13 relations; BLURB's version has 5 classes and other "
      "numbers.",
      "A sentence comes once for each pair of entities; splits share none by "
      "their documents, which the files do not name.",
    ],
    "application": "target discovery from literature: what a chemical does to "
    "a gene",
    "published": "micro-F1 over 13 relations, which is accuracy: BERT-base "
    ".791, SciBERT .836 (pre-trained on 1.14 million papers)",
  },
  target=columns.Columns().target,
  length=256,
  around_markers=True,
)
"""Sentence with two marked entities -> one of 13 relations."""
