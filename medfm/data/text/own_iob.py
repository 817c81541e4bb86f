"""CoNLL or IOB files of one's own, without a line of code.

One word a line with its tag, a blank line after each sentence, IOB2 tags;
lines with -DOCSTART- begin documents, whose sentences stay in one split.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medfm.data import files
from medfm.data.tables.table import shortened
from medfm.data.text import text_files, texts, tokenizers
from medfm.data.text.sequences import TooLong
from medfm.data.text.text_files import Sentence
from medfm.tasks.tags import own as columns
from medfm.types import Dataset, Folders, Info, Split, UserError


class OwnIOB(texts.Builder, skip_registration=True):
  """The user's files; `raw` holds `train` and perhaps the other splits."""

  def __init__(self, *, settings: dict, **kwargs):
    self.settings = settings
    super().__init__(**kwargs)

  def rows(self) -> texts.Rows:
    parts = {
      part: text_files.iob(path, **self.settings)
      for part, path in self.raw.items()
    }
    return rows(parts)


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
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 128,
  too_long: TooLong = "windows",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Dataset:
  """The dataset of IOB2 files, for finding entities.

  path: the training file, or with `test_path` empty the only one, which is
    then split by document (by sentence where it names none).
  delimiter: between the columns; "" for any number of blanks.
  word_column, tag_column: counted from 0, or back from the last by -1.
  repair: an I- tag that continues nothing begins an entity (IOB1), counted on
    the card; else it is an error.

  Raises: UserError naming file and row.
  """
  given = {"train": path, "validation": validation_path, "test": test_path}
  raw = {k: files.of_user(folders, v) for k, v in given.items() if v}
  if validation_path and not test_path:
    raise UserError("validation_path needs test_path beside it")
  settings = {
    "delimiter": delimiter,
    "word_column": word_column,
    "tag_column": tag_column,
    "repair": repair,
  }
  recorded = texts.raw(
    OwnIOB, folders, raw=raw, seed=seed, fractions=fractions, settings=settings
  )
  card = files.own_card("the user's own annotated text", raw.values())
  return texts.dataset(
    (recorded, card),
    folders,
    name=pathlib.Path(path).stem,
    target=columns.target,
    tokenizer=tokenizer,
    length=length,
    too_long=too_long,
    encode=encoded,
    private=True,
    delimiter=delimiter,
    word_column=word_column,
  )


def encoded(
  path: str,
  info: Info,
  *,
  tokenizer: str,
  length: int,
  too_long: TooLong = "windows",
  delimiter: str = "\t",
  word_column: int = 0,
) -> Split:
  """New sentences: words one a line as in training, tags not needed.

  A .txt holds a sentence a line with blanks between its words.
  """
  if pathlib.Path(path).suffix == ".txt":
    sentences = [
      Sentence(tuple(line.split()), (), row, 0)
      for row, line in enumerate(text_files.lines(path), 1)
      if line.strip()
    ]
  else:
    sentences, _ = text_files.iob(
      path, delimiter=delimiter, word_column=word_column, tag_column=None
    )
  name = pathlib.Path(path).name
  lines = [texts.SEPARATOR.join(s.words) for s in sentences]
  return texts.tokenised(
    Split(
      {"words": np.array(lines, object)},
      np.array([f"{name}:{s.row}" for s in sentences]),
    ),
    info,
    tokenizer=tokenizer,
    length=length,
    too_long=too_long,
  )


def rows(parts: Mapping[str, tuple[Sequence[Sentence], int]]) -> texts.Rows:
  """Sentences by split, "train" first, as recorded; alone it is all there is.

  Raises: UserError where a tag does not occur in training.
  """
  kinds = sorted({_kind(t) for s in parts["train"][0] for t in s.tags} - {""})
  if not kinds:
    raise UserError("the training file marks no entity: all its tags are O")
  classes = ("O", *(f"{p}-{kind}" for kind in kinds for p in "BI"))
  where, words, tags, ids, documents, part = {}, [], [], [], [], []
  for name, (sentences, _) in parts.items():
    for sentence in sentences:
      for tag in sentence.tags:
        if tag not in classes:
          raise UserError(
            f"{name} file, row {sentence.row}: the entity type "
            f"{shortened(_kind(tag))} does not occur in training; it has "
            f"{', '.join(kinds)[:80]}"
          )
      words.append(texts.SEPARATOR.join(sentence.words))
      tags.append(texts.SEPARATOR.join(sentence.tags))
      ids.append(f"{name}:{sentence.row}")
      mark = sentence.document
      documents.append(f"{name}:document {mark}" if mark else "")
      part.append(name)
      where[name] = True
  mended = sum(count for _, count in parts.values())
  changes = [{"what": "I- tags that begin an entity made B-", "count": mended}]
  return texts.Rows(
    texts={"words": words, "tags": tags},
    ids=ids,
    names=classes,
    documents=documents if any(documents) else None,
    part=np.array(part) if len(parts) > 1 else None,
    changes=tuple(changes) if mended else (),
  )


def _kind(tag: str) -> str:
  return tag.partition("-")[2]
