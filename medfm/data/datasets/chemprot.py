"""ChemProt: how a chemical acts on a protein, from one sentence.

10,065 sentences with both entities marked, << one >> and [[ the other ]]; 13
relations. Kringelum et al., "ChemProt-3.0: a global chemical biology diseases
mapping", 2016; converted by SciBERT's authors (Beltagy et al. 2019).
"""

import pathlib
from collections.abc import Callable

import numpy as np

from medfm.data.tables.table import shortened
from medfm.data.text import text_files, texts, tokenizers
from medfm.data.text.sequences import TooLong
from medfm.tasks.multiclass import own as columns
from medfm.types import Dataset, Folders, UserError

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
    text, label, ids, part, documents = [], [], [], [], []
    classes: tuple[str, ...] = ()
    for name, file in _FILES.items():
      path = pathlib.Path(self.raw) / file
      found = list(text_files.json_lines(path))
      classes = classes or tuple(sorted({each["label"] for _, each in found}))
      for row, each in found:
        if each["label"] not in classes:
          raise UserError(
            f"{path}, row {row}: the label {shortened(each['label'])} does "
            "not occur in training"
          )
        text.append(_marked(path, row, each["text"]))
        label.append(classes.index(each["label"]))
        ids.append(f"{name}:{row}")
        part.append(name)
        documents.append(
          f"{name}:{texts.content(tokenizers.unmarked(text[-1]))}"
        )
    return texts.Rows(
      texts={"text": text},
      ids=ids,
      truth={"label": np.array(label, np.int32)},
      names=classes,
      documents=documents,
      part=np.array(part),
    )


SET = texts.Public(
  name="chemprot",
  builder=ChemProt,
  names=("chemprot_scibert.zip", "chemprot"),
  url=_URL,
  card=CARD,
  target=columns.target,
  reads={"around_markers": True},
)


def chemprot(
  folders: Folders,
  *,
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 256,
  too_long: TooLong = "windows",
) -> Dataset:
  """Sentence with two marked entities -> one of 13 relations."""
  return SET.dataset(folders, tokenizer, length, too_long)


def source(folders: Folders) -> texts.Source:
  """The recorded sentences, and their card."""
  return SET.source(folders)


def _marked(path: pathlib.Path, row: int, text: str) -> str:
  for mark in tokenizers.MARKERS:
    if mark not in text:
      raise UserError(f"{path}, row {row}: the text has no {mark}")
  return text
