"""Hallmarks of Cancer: which of ten hallmarks an abstract is about.

1,852 abstracts, labelled sentence by sentence in a hierarchy, of which the
ten top classes are taken for the whole abstract.
"""

import pathlib

import numpy as np

from medfm.data.text import text_files, texts
from medfm.tasks import multilabel as columns
from medfm.types import UserError

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


class HallmarksOfCancer(texts.Builder, skip_registration=True):
  """Abstracts; `raw` is the folder of `text` and `labels`."""

  def rows(self) -> texts.Rows:
    folder = self.raw
    paths = sorted((folder / "text").glob("*.txt"), key=lambda p: p.stem)
    sentences = [map(str.strip, text_files.lines(path)) for path in paths]
    hallmarks = [_hallmarks(folder / "labels" / path.name) for path in paths]
    label = [[name in present for name in CLASSES] for present in hallmarks]
    names = [path.stem for path in paths]
    return texts.Rows(
      texts={"text": [" ".join(filter(None, lines)) for lines in sentences]},
      ids=names,
      truth={"label": np.array(label, np.float32)},
      names=CLASSES,
      patients=names,
    )


hallmarks_of_cancer, source = texts.public(
  HallmarksOfCancer,
  "hallmarks_of_cancer.zip",
  "Hallmarks-of-Cancer",
  url="https://github.com/sb895/Hallmarks-of-Cancer",
  card={
    "source": "Hallmarks of Cancer corpus",
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
  },
  target=columns.Columns().target,
  length=384,
  fractions=(0.7, 0.1, 0.2),
)
"""Abstract -> ten hallmarks, each present or not."""


def _hallmarks(path: pathlib.Path) -> set[str]:
  """The top classes in a label file: `< A--B AND C--D < ...`."""
  try:
    content = path.read_text(encoding="utf-8")
  except (OSError, UnicodeDecodeError):
    raise UserError(f"{path}: is missing or not text: fetch it again") from None
  entries = content.replace(" AND", "<").replace("\n", "<").split("<")
  tops = {entry.split("--")[0].strip() for entry in entries} - {"", "NULL"}
  known = {name.casefold(): name for name in CLASSES}
  for top in tops:
    if top.casefold() not in known:
      raise UserError(f"{path}: {top[:40]!r} is none of the ten hallmarks")
  return {known[top.casefold()] for top in tops}
