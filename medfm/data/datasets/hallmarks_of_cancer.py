"""Hallmarks of Cancer: which of ten hallmarks an abstract tells of.

1,852 abstracts, labelled sentence by sentence in a hierarchy, of which the
ten top classes are taken for the whole abstract. Baker et al., "Automatic
semantic classification of scientific literature according to the hallmarks of
cancer", 2016.
"""

import pathlib
from collections.abc import Callable

import numpy as np

from medfm.data.text import text_files, texts, tokenizers
from medfm.data.text.sequences import TooLong
from medfm.tasks.multilabel import own as columns
from medfm.types import Dataset, Folders, UserError

CLASSES = (
  "Sustaining proliferative signaling",
  "Evading growth suppressors",
  "Resisting cell death",
  "Enabling replicative immortality",
  "Inducing angiogenesis",
  "Activating invasion and metastasis",
  "Genomic instability and mutation",
  "Tumor promoting inflammation",
  "Cellular energetics",
  "Avoiding immune destruction",
)
_URL = "https://github.com/sb895/Hallmarks-of-Cancer"

CARD = {
  "source": f"Hallmarks of Cancer corpus, {_URL}",
  "licence": "GPL-3.0",
  "citation": "Baker et al.: Automatic semantic classification of scientific "
  "literature according to the hallmarks of cancer. Bioinformatics (2016)",
  "notes": [
    "No official split: ours is by abstract and seed, so that published "
    "numbers (on BLURB's split) are near, not the same.",
    "An abstract has a hallmark if one of its sentences has it.",
  ],
  "application": "which processes of cancer an abstract is evidence for",
  "published": "micro-F1 on BLURB's split: BioBERT .815, PubMedBERT .823 "
  "(pre-trained on 14 million abstracts)",
}


class HallmarksOfCancer(texts.Builder, skip_registration=True):
  """Abstracts; `raw` is the folder of `text` and `labels`."""

  def rows(self) -> texts.Rows:
    folder = pathlib.Path(self.raw)
    paths = sorted((folder / "text").glob("*.txt"), key=lambda p: p.stem)
    label = np.zeros((len(paths), len(CLASSES)), np.float32)
    strings = []
    for row, path in enumerate(paths):
      sentences = [line.strip() for line in text_files.lines(path)]
      strings.append(" ".join(filter(None, sentences)))
      for name in _hallmarks(folder / "labels" / path.name):
        label[row, CLASSES.index(name)] = 1
    names = [path.stem for path in paths]
    return texts.Rows(
      texts={"text": strings},
      ids=names,
      truth={"label": label},
      names=CLASSES,
      documents=names,
    )


SET = texts.Public(
  name="hallmarks_of_cancer",
  builder=HallmarksOfCancer,
  names=("hallmarks_of_cancer.zip", "Hallmarks-of-Cancer"),
  url=_URL,
  card=CARD,
  target=columns.target,
)


def hallmarks_of_cancer(
  folders: Folders,
  *,
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 384,
  too_long: TooLong = "windows",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Dataset:
  """Abstract -> ten hallmarks, each present or not."""
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


def _hallmarks(path: pathlib.Path) -> set[str]:
  """The top classes in a label file: `< A--B AND C--D < ...`."""
  try:
    content = path.read_text(encoding="utf-8")
  except (OSError, UnicodeDecodeError):
    raise UserError(f"{path}: is missing or no text: fetch it again") from None
  found = set()
  for sentence in content.split("<"):
    for entry in sentence.replace(" AND", "\n").split("\n"):
      top = entry.split("--")[0].strip()
      if top and top != "NULL":
        found.add(_top(path, top))
  return found


def _top(path: pathlib.Path, name: str) -> str:
  for known in CLASSES:
    if name.casefold() == known.casefold():
      return known
  raise UserError(f"{path}: {name[:40]!r} is none of the ten hallmarks")
