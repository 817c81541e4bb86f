"""Pictures with a text each as a dataset, and new ones read as in training."""

import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from medfm.data import cards, files, records
from medfm.data.captions import pairs
from medfm.data.captions.pairs import PICTURE, TEXT, TooLong
from medfm.data.images import files as image_files
from medfm.data.images import input as image_input
from medfm.data.images import trained
from medfm.data.tables import table as tables
from medfm.data.text import text_files, token_rows
from medfm.data.text.input import Tokens
from medfm.data.text.tokenizers import Tokenizer, wordpiece
from medfm.spec import forwards
from medfm.types import PRESENT, Dataset, Folders, Info, Reading, Split, Target

COMPARED = "compared_by"
"""The card's entry for the inputs by which leakage is judged."""


def dataset(
  parts: Mapping[str, Split],
  folders: Folders,
  *,
  name: str,
  target: Target,
  card: Mapping[str, Any],
  tokenizer: Callable = wordpiece,
  length: int = 77,
  too_long: TooLong = "cut",
  private: bool = False,
  **reads: Any,
) -> Dataset:
  """Examples with the inputs `image` and `text`.

  parts: splits with the arrays `image` [N,H,W,C], `text` [N] strings, and those
    of the target.
  tokenizer: (different training texts, folders) -> `Tokenizer`.
  length, too_long: of the rows of tokens; see `pairs.rows`.
  reads: settings of `encoded`, for new files.

  Texts may be equal in several splits, as templates are, so leakage is judged
  by the images.
  """
  reading, changes = folders.reading, []
  cutting = {"length": length, "too_long": too_long}
  first = next(iter(parts.values()))
  if reading:
    parts, changes = trained.refitted(
      parts, of_images(reading, name), name, reads.get("resize", "pad")
    )
    cutting = {key: reading.settings[key] for key in cutting}
    token = Tokenizer(reading.settings["tokenizer"])
  else:
    token = tokenizer(sorted(set(map(str, first.arrays["text"]))), folders)
  made, texts, cut = {}, {}, {}
  for part, split in parts.items():
    rows, count = pairs.rows(token, split.arrays["text"], split.ids, **cutting)
    texts[part] = Split(rows, split.ids)
    others = {k: records.read(a) for k, a in split.arrays.items() if k != TEXT}
    made[part] = dataclasses.replace(split, arrays=_beside(others, rows))
    of_part = "" if reading else f"{part}: "
    cut[f"{of_part}texts longer than {cutting['length']} tokens, cut"] = count
  image = image_input.of(next(iter(parts.values())))
  tokens = Tokens(token.vocabulary, token.special, token.sha256)
  info = Info(name, {PICTURE: image, TEXT: tokens}, target)
  content = json.dumps([card["fingerprint"], token.sha256, cutting])
  return Dataset(
    splits=made,
    info=info,
    card={
      **card,
      "changes": [*card["changes"], *changes, *records.counted(cut)],
      "tokenizer": token.card(),
      "text": token_rows.measures(texts, token),
      COMPARED: (PICTURE,),
      cards.READ: _read(card.get(cards.READ, ""), parts),
      "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
    },
    encode=functools.partial(
      encoded,
      info=info,
      dtype=image.dtype,
      tokenizer=token.text,
      **cutting,
      **reads,
    ),
    private=private,
  )


@forwards(image_files.encoded)
@files.laid_out("image", "text", "exclude", "delimiter")
def encoded(
  path: str,
  info: Info,
  *,
  tokenizer: str,
  length: int,
  too_long: TooLong = "cut",
  text: str = TEXT,
  delimiter: str = ",",
  **reads: Any,
) -> Split:
  """New pictures, with their texts if a CSV file has them.

  path: as in `images.files.encoded`. text: the CSV's column.
  """
  sole = Info(info.name, {PICTURE: info.inputs[PICTURE]}, info.target)
  split = image_files.encoded(path, sole, delimiter=delimiter, **reads)
  place = pathlib.Path(path).expanduser()
  table = None
  if place.suffix.lower() == ".csv":
    table = tables.read(place, delimiter=delimiter)
  if table is None or text not in table.columns:
    rows = info.inputs[TEXT].blank(len(split), {})
    absent = {f"{TEXT}/{PRESENT}": np.zeros(len(split), bool)}
  else:
    strings = text_files.strings(table, text=text)[TEXT]
    token = Tokenizer(tokenizer)
    cutting = {"length": length, "too_long": too_long}
    rows, _ = pairs.rows(token, strings, split.ids, **cutting)
    absent = {}
  arrays = _beside(split.arrays, rows) | absent
  return dataclasses.replace(split, arrays=arrays)


def of_images(reading: Reading, cohort: str) -> Reading:
  """How the images alone are read for a model of images and texts."""
  if set(reading.inputs) != {PICTURE, TEXT}:
    return Reading(reading.inputs, reading.target).only(Tokens, cohort)
  images = {PICTURE: reading.inputs[PICTURE]}
  return Reading(images, reading.target, reading.settings)


def _beside(arrays: Mapping[str, Any], rows: Mapping[str, Any]) -> dict:
  """An example's arrays: those of its image, of its text, and the others."""
  return {
    **{f"{PICTURE}/{k}": a for k, a in arrays.items() if k == "image"},
    **{f"{TEXT}/{k}": a for k, a in rows.items()},
    **{k: a for k, a in arrays.items() if k != "image"},
  }


def _read(before: str, parts: Mapping[str, Split]) -> str:
  """A line on the images, and how many of their texts are different."""
  texts = [str(text) for part in parts.values() for text in part.arrays["text"]]
  different = len(set(texts))
  words = f"texts: {len(texts):,}, {different:,} of them different"
  return f"{before}; {words}" if before else words
