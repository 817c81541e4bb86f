"""DDI-2013: whether, and how, a sentence says that two drugs interact.

Herrero-Zazo et al., "The DDI corpus: an annotated corpus with pharmacological
substances and drug-drug interactions", 2013. Each pair of drugs of a sentence
is an example, the drugs marked << one >> and [[ the other ]].
"""

import pathlib
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import numpy as np

from medfm.data.text import texts, tokenizers
from medfm.data.text.sequences import TooLong
from medfm.tasks.multiclass import own as columns
from medfm.types import Dataset, Folders, UserError

CLASSES = ("none", "advise", "effect", "int", "mechanism")
_URL = "https://github.com/isegura/DDICorpus"
_FOLDERS = {"train": "Train", "test": "Test/Test for DDI Extraction task"}

CARD = {
  "source": f"DDI Extraction 2013 corpus, {_URL}",
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
  "published": "micro-F1 of four kinds: BioBERT .809, PubMedBERT .824 (BLURB; "
  "pre-trained on 14 million abstracts)",
}


class DDI2013(texts.Builder, skip_registration=True):
  """Pairs of drugs; `raw` is the corpus folder with Train and Test."""

  def rows(self) -> texts.Rows:
    text, label, ids, part, documents, groups = [], [], [], [], [], []
    untyped = 0
    for name, folder in _FOLDERS.items():
      for path in sorted((pathlib.Path(self.raw) / folder).glob("*/*.xml")):
        document, pairs = _pairs(path)
        for identity, marked, kind in pairs:
          if kind is None:
            untyped += 1
            continue
          text.append(marked)
          label.append(CLASSES.index(kind))
          ids.append(identity)
          part.append(name)
          documents.append(document)
          groups.append(path.parent.name)
    if not text:
      raise UserError(f"{self.raw}: holds no XML file of the DDI corpus")
    what = "dropped interactions without a type"
    return texts.Rows(
      texts={"text": text},
      ids=ids,
      truth={"label": np.array(label, np.int32)},
      names=CLASSES,
      documents=documents,
      groups={"source": groups},
      part=np.array(part),
      changes=({"what": what, "count": untyped},),
    )


SET = texts.Public(
  name="ddi2013",
  builder=DDI2013,
  names=("DDICorpus-2013.zip", "DDICorpus"),
  url=_URL,
  card=CARD,
  target=columns.target,
  reads={"around_markers": True},
)


def ddi2013(
  folders: Folders,
  *,
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 256,
  too_long: TooLong = "windows",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.85, 0.15),
) -> Dataset:
  """Sentence with two marked drugs -> none or one of four interactions.

  fractions: of the training documents, for training and validation.
  """
  return SET.dataset(
    folders, tokenizer, length, too_long, seed=seed, fractions=fractions
  )


def source(
  folders: Folders,
  *,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.85, 0.15),
) -> texts.Source:
  """The recorded pairs, and their card."""
  return SET.source(folders, seed=seed, fractions=fractions)


def _pairs(
  path: pathlib.Path,
) -> tuple[str, Iterator[tuple[str, str, str | None]]]:
  """The document's name, and (id, marked sentence, kind) of each pair."""
  try:
    document = ElementTree.parse(path).getroot()
  except (OSError, ElementTree.ParseError) as error:
    raise UserError(f"{path}: is no XML ({error}): fetch it again") from None

  def pairs():
    for sentence in document.iter("sentence"):
      text = sentence.get("text", "")
      places = {
        entity.get("id"): _span(path, entity)
        for entity in sentence.iter("entity")
      }
      for pair in sentence.iter("pair"):
        kind = "none" if pair.get("ddi") == "false" else pair.get("type")
        if kind not in (*CLASSES, None):
          raise UserError(f"{path}: {pair.get('id')} has type {kind[:20]!r}")
        try:
          first, second = places[pair.get("e1")], places[pair.get("e2")]
        except KeyError:
          raise UserError(
            f"{path}: {pair.get('id')} names a drug that is not there"
          ) from None
        marked = " ".join(tokenizers.marked(text, first, second).split())
        yield pair.get("id"), marked, kind

  return document.get("id", path.stem), pairs()


def _span(path: pathlib.Path, entity) -> tuple[int, int]:
  """First place and one past the last; of a split name, of all its parts."""
  try:
    ends = [
      [int(number) for number in part.split("-")]
      for part in entity.get("charOffset").split(";")
    ]
    return min(a for a, _ in ends), max(b for _, b in ends) + 1
  except (AttributeError, ValueError):
    raise UserError(f"{path}: {entity.get('id')} has no charOffset") from None
