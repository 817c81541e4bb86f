"""A user's own CoNLL or IOB files, without a line of code.

One word per line with its tag, a blank line after each sentence, IOB2 tags;
lines with -DOCSTART- begin documents, whose sentences stay in one split.
"""

import itertools
import pathlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import files, records, spelling
from medfm.data.tables import own as own_table
from medfm.data.tables.table import shortened
from medfm.data.text import sequences, text_files, texts, token_rows
from medfm.data.text.text_files import Sentence
from medfm.data.text.tokenizers import Tokenizer
from medfm.spec import forwards
from medfm.tasks import tags as tags_task
from medfm.types import Dataset, Folders, Info, Split, UserError


class OwnIOB(own_table.Own, skip_registration=True):
  """The user's files; `raw` holds `train` and perhaps the other splits."""

  def rows(self) -> texts.Rows:
    settings = vars(self.given)
    parts = {n: text_files.iob(p, **settings) for n, p in self.raw.items()}
    files = [path.name for path in self.raw.values()]
    if self.whole and len({*files}) == len(files):
      parts = dict(zip(files, parts.values(), strict=True))
    return rows(parts, whole=self.whole)


@forwards(texts.dataset, "tokenizer", "length", "too_long", "unit")
def own_iob(
  folders: Folders,
  *,
  path: str,
  validation_path: str = "",
  test_path: str = "",
  delimiter: str = "\t",
  word_column: int = 0,
  tag_column: int = -1,
  repair: bool = False,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  **cutting: Any,
) -> Dataset:
  """The dataset of IOB2 files, for finding entities.

  path: the training file or, if `test_path` is empty, the only file, which is
    then split by document (by sentence if it names no documents).
  delimiter, word_column, tag_column, repair: as in `text_files.iob`.
  cutting: `tokenizer`, `length`, `too_long` and `unit` of `texts.dataset`.

  Raises: UserError naming file and row.
  """
  given = {"train": path, "validation": validation_path, "test": test_path}
  raw = {k: files.of_user(folders, v) for k, v in given.items() if v}
  if validation_path and not test_path:
    raise UserError("validation_path needs test_path as well")
  in_new_files = {"delimiter": delimiter, "word_column": word_column}
  settings = {**in_new_files, "tag_column": tag_column, "repair": repair}
  recorded = texts.raw(
    OwnIOB,
    folders,
    raw=raw,
    seed=seed,
    fractions=fractions,
    settings=settings,
    **({"whole": True} if folders.reading else {}),
  )
  return texts.dataset(
    (recorded, files.own_card("the user's own annotated text", raw.values())),
    folders,
    name=pathlib.Path(path).stem,
    target=tags_task.fitted,
    encode=encoded,
    private=True,
    **in_new_files,
    **cutting,
  )


@forwards(sequences.words)
@files.laid_out("delimiter")
def encoded(
  path: str,
  info: Info,
  *,
  tokenizer: str,
  delimiter: str = "\t",
  word_column: int = 0,
  **cutting: Any,
) -> Split:
  """New sentences: one word per line as in training, tags not needed.

  A .txt holds one sentence per line with blanks between its words. `source`
  holds each sentence (for other files, its words joined by single blanks) and
  its words as (start, stop) of characters.
  """
  if pathlib.Path(path).suffix == ".txt":
    lines = enumerate(text_files.lines(path), 1)
    sentences = {row: line for row, line in lines if line.strip()}
    spans = [
      [word.span() for word in re.finditer(r"\S+", line)]
      for line in sentences.values()
    ]
  else:
    read, _ = text_files.iob(
      path, delimiter=delimiter, word_column=word_column, tag_column=None
    )
    sentences = {sentence.row: " ".join(sentence.words) for sentence in read}
    spans = [_spans(sentence.words) for sentence in read]
  words = [
    token_rows.SEPARATOR.join(line[start:stop] for start, stop in places)
    for line, places in zip(sentences.values(), spans, strict=True)
  ]
  ids = np.array([f"{pathlib.Path(path).name}:{row}" for row in sentences])
  source = {"text": _objects(sentences.values()), "spans": _objects(spans)}
  split = Split({"words": _objects(words)}, ids, source=source)
  return token_rows.tokenised(split, Tokenizer(tokenizer), **cutting)[0]


def _spans(words: Sequence[str]) -> list[tuple[int, int]]:
  """The places of words in their sentence, with a blank between them."""
  stops = itertools.accumulate(len(word) + 1 for word in words)
  return [(s - 1 - len(w), s - 1) for s, w in zip(stops, words, strict=True)]


def _objects(values: Collection[Any]) -> np.ndarray:
  """[N] of any objects."""
  array = np.empty(len(values), object)
  array[:] = list(values)
  return array


def rows(
  parts: Mapping[str, tuple[Sequence[Sentence], int]], *, whole: bool = False
) -> texts.Rows:
  """The sentences of all splits, ready to be recorded; "train" comes first.

  whole: the parts are not splits, and no type of entity need occur.

  Raises: UserError if a type of entity does not occur in training.
  """
  sentences = [(part, s) for part, (held, _) in parts.items() for s in held]
  training = [s for part, s in sentences if whole or part == "train"]
  kinds = sorted({_kind(tag) for s in training for tag in s.tags} - {""})
  if not kinds and not whole:
    raise UserError("the training file marks no entity: all its tags are O")
  spelling.refuse_cases("the types of entities", kinds)
  for part, sentence in sentences:
    for kind in map(_kind, sentence.tags):
      if kind not in ("", *kinds):
        raise UserError(
          f"{part} file, row {sentence.row}: the entity type "
          f"{shortened(kind)} does not occur in training; it has "
          f"{', '.join(kinds)[:80]}"
        )
  documents = [
    f"{part}:document {s.document}" if s.document else ""
    for part, s in sentences
  ]
  mended = sum(count for _, count in parts.values())
  given = len(parts) > 1 and not whole
  return texts.Rows(
    texts={
      "words": [token_rows.SEPARATOR.join(s.words) for _, s in sentences],
      "tags": [token_rows.SEPARATOR.join(s.tags) for _, s in sentences],
    },
    ids=[f"{part}:{s.row}" for part, s in sentences],
    names=("O", *(f"{begin}-{kind}" for kind in kinds for begin in "BI")),
    patients=documents if any(documents) else None,
    part=np.array([part for part, _ in sentences]) if given else None,
    changes=records.counted({"I- tags that begin an entity made B-": mended}),
  )


def _kind(tag: str) -> str:
  return tag.partition("-")[2]
