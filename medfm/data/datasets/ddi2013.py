"""DDI-2013: whether, and how, a sentence says that two drugs interact.

Each pair of drugs of a sentence is an example, the drugs marked << one >> and
[[ the other ]].
"""

import pathlib
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np

from medfm.data.text import texts, tokenizers
from medfm.tasks import multiclass as columns
from medfm.types import UserError

CLASSES = ("none", "advise", "effect", "int", "mechanism")
_FOLDERS = {"train": "Train", "test": "Test/Test for DDI Extraction task"}


class DDI2013(texts.Builder, skip_registration=True):
  """Pairs of drugs; `raw` is the corpus folder with Train and Test."""

  def rows(self) -> texts.Rows:
    pairs = [
      (part, path.parent.name, *pair)
      for part, folder in _FOLDERS.items()
      for path in sorted((self.raw / folder).glob("*/*.xml"))
      for pair in _pairs(path)
    ]
    typed = [pair for pair in pairs if pair[-1] is not None]
    if not typed:
      raise UserError(f"{self.raw}: holds no XML file of the DDI corpus")
    part, sources, documents, ids, text, kinds = zip(*typed, strict=True)
    what = "dropped interactions without a type"
    label = np.array([CLASSES.index(kind) for kind in kinds], np.int32)
    return texts.Rows(
      texts={"text": text},
      ids=ids,
      truth={"label": label},
      names=CLASSES,
      patients=documents,
      groups={"source": sources},
      part=np.array(part),
      changes=({"what": what, "count": len(pairs) - len(typed)},),
    )


ddi2013, source = texts.public(
  DDI2013,
  "DDICorpus-2013.zip",
  "DDICorpus",
  url="https://github.com/isegura/DDICorpus",
  card={
    "source": "DDI Extraction 2013 corpus",
    "licence": "CC BY-NC 4.0",
    "citation": "Herrero-Zazo et al.: The DDI corpus: an annotated corpus with "
    "pharmacological substances and drug-drug interactions. J Biomed Inform "
    "(2013)",
    "notes": [
      "Official test; validation is taken out of train by document.",
      "Published numbers are the micro-F1 of the four kinds of interaction, "
      "here `micro_f1`.",
    ],
    "application": "drug safety: which drugs interact, and how",
    "published": "micro-F1 of four kinds: BioBERT .809, PubMedBERT .824 "
    "(BLURB; pre-trained on 14 million abstracts)",
  },
  target=columns.Columns().target,
  length=256,
  fractions=(0.85, 0.15),
  around_markers=True,
)
"""Sentence with two marked drugs -> none or one of four interactions.

fractions: of the training documents, for training and validation.
"""


def _pairs(path: pathlib.Path) -> Iterator[tuple[str, str, str, str | None]]:
  """The document's name, and (id, marked sentence, kind) of each pair."""
  try:
    document = ElementTree.parse(path).getroot()
  except (OSError, ElementTree.ParseError) as error:
    raise UserError(f"{path}: is not XML ({error}): fetch it again") from None
  for sentence in document.iter("sentence"):
    text = sentence.get("text", "")
    places = {
      entity.get("id"): _span(path, entity)
      for entity in sentence.iter("entity")
    }
    for pair in sentence.iter("pair"):
      name, ends = pair.get("id"), (pair.get("e1"), pair.get("e2"))
      kind = "none" if pair.get("ddi") == "false" else pair.get("type")
      if kind not in (*CLASSES, None):
        raise UserError(
          f"{path}: {name} has type {kind[:20]!r}, expected "
          f"{', '.join(CLASSES[1:])}"
        )
      if not places.keys() >= set(ends):
        raise UserError(
          f"{path}: {name} names a drug that its sentence does not have"
        )
      marked = tokenizers.marked(text, *(places[end] for end in ends))
      yield document.get("id", path.stem), name, " ".join(marked.split()), kind


def _span(path: pathlib.Path, entity) -> tuple[int, int]:
  """First place and one past the last of a drug's name, over all its parts."""
  try:
    ends = [
      [int(number) for number in part.split("-")]
      for part in entity.get("charOffset").split(";")
    ]
    return min(a for a, _ in ends), max(b for _, b in ends) + 1
  except (AttributeError, ValueError):
    raise UserError(f"{path}: {entity.get('id')} has no charOffset") from None
