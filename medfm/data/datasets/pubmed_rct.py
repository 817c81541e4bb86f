"""PubMed 20k RCT: the role of each sentence of an abstract of a trial.

15,000, 2,500 and 2,500 abstracts, official split.
"""

import pathlib
from typing import Any

import numpy as np

from medfm.data import files
from medfm.data.tables.table import shortened
from medfm.data.text import text_files, texts
from medfm.spec import forwards
from medfm.tasks import multiclass as columns
from medfm.types import Dataset, Folders, UserError

CLASSES = ("BACKGROUND", "OBJECTIVE", "METHODS", "RESULTS", "CONCLUSIONS")
_PAGE = "https://github.com/Franck-Dernoncourt/pubmed-rct"
_RAW = "https://raw.githubusercontent.com/Franck-Dernoncourt/pubmed-rct/master"
_FOLDER = "PubMed_20k_RCT"
_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}

CARD = {
  "source": f"PubMed 20k RCT, {_PAGE}",
  "licence": "none stated (abstracts of PubMed)",
  "citation": "Dernoncourt & Lee: PubMed 200k RCT: a dataset for sequential "
  "sentence classification in medical abstracts. IJCNLP (2017)",
  "notes": ["Official split by abstract; published: weighted F1."],
  "application": "evidence for clinical questions: what a sentence reports",
  "published": "weighted F1: bi-ANN .900, HSLN-RNN .926 with the abstract "
  "around the sentence; BERT-base .862, SciBERT .868 on the sentence alone",
}


class PubMedRCT(texts.Builder, skip_registration=True):
  """Sentences with their neighbours; `raw` holds the three files."""

  def __init__(self, *, context: int, **kwargs):
    self.context = context
    super().__init__(**kwargs)

  def rows(self) -> texts.Rows:
    around = self.context
    examples = [
      (
        text,
        " ".join(t for _, t in sentences[max(0, i - around) : i + around + 1]),
        CLASSES.index(role),
        f"{pmid}:{i + 1}",
        part,
        pmid,
      )
      for part, path in self.raw.items()
      for pmid, sentences in _abstracts(path)
      for i, (role, text) in enumerate(sentences)
    ]
    text, context, label, ids, part, pmids = zip(*examples, strict=True)
    return texts.Rows(
      texts={"text": text} | ({"pair": context} if around else {}),
      ids=ids,
      truth={"label": np.array(label, np.int32)},
      names=CLASSES,
      patients=pmids,
      part=np.array(part),
    )


@forwards(texts.dataset, "tokenizer", "length", "too_long")
def pubmed_rct(
  folders: Folders, *, context: int = 0, **cutting: Any
) -> Dataset:
  """Sentence -> one of five roles.

  context: how many sentences before and after it are read with it.
  """
  return texts.dataset(
    source(folders, context=context),
    folders,
    name="pubmed_rct",
    target=columns.Columns().target,
    pair="context" if context else "",
    **cutting,
  )


def source(folders: Folders, *, context: int = 0) -> texts.Source:
  """The recorded sentences, and their card.

  The files are looked for in a folder PubMed_20k_RCT, then downloaded.
  """
  raw, origins = {}, []
  for part, name in _FILES.items():
    file = f"{_FOLDER}/{name}"
    url = f"{_RAW}/{file}"
    what = f"PubMed 20k RCT ({_PAGE})"
    raw[part] = files.find(folders, file, url=url, what=what)
    origins.append(files.origin(raw[part], url=url))
  recorded = texts.raw(PubMedRCT, folders, raw=raw, context=context)
  return recorded, {**CARD, "file": origins}


def _abstracts(path: pathlib.Path) -> list[tuple[str, list[tuple[str, str]]]]:
  """(PMID, [(role, sentence), ...]) of each abstract of a file."""
  abstracts: list[tuple[str, list[tuple[str, str]]]] = []
  for row, line in enumerate(text_files.lines(path), 1):
    if line.startswith("###"):
      abstracts.append((line.removeprefix("###").strip(), []))
    elif line.strip():
      role, tab, text = line.partition("\t")
      if not abstracts or not tab or not text.strip():
        raise UserError(
          f"{path}, row {row}: expected ###PMID, or a role, a tab and a text"
        )
      if role not in CLASSES:
        raise UserError(
          f"{path}, row {row}: {shortened(role)} is none of the roles "
          f"{', '.join(CLASSES)}"
        )
      abstracts[-1][1].append((role, text.strip()))
  if not any(sentences for _, sentences in abstracts):
    raise UserError(f"{path}: holds no abstract (###PMID)")
  return abstracts
