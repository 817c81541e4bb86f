"""Texts and words as rows of tokens: what fits whole, what is windowed.

Nothing is cut: a text that is longer than a row becomes several windows,
which are counted, or is refused. A window is a row of its own with the label
of its text; `document` [N] says which rows are of one text, so that scores
are those of texts (`tasks.documents`).

A row is [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], with <|endoftext|>
in both places for a tokenizer that has neither.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from medfm.data.text import packing
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import MARKERS, Tokenizer
from medfm.types import UserError

TooLong = Literal["windows", "error"]


class Rows(NamedTuple):
  """arrays [N,L]; source [N]: the text each row is of, in ascending order.

  changes: for the data card.
  """

  arrays: dict[str, np.ndarray]
  source: np.ndarray
  changes: list[dict[str, Any]]


def texts(
  tokenizer: Tokenizer,
  text: Sequence[str],
  pair: Sequence[str] | None,
  names: Sequence[str],
  *,
  length: int,
  too_long: TooLong = "windows",
  around_markers: bool = False,
) -> Rows:
  """Rows of texts, or of pairs of texts.

  names: of the texts, for messages.
  too_long: "windows" cuts a long text (of a pair the second, with the first
    before each window) into the fewest windows; "error" refuses it.
  around_markers: instead of windows, the one stretch of a long text with both
    marked entities in its middle, for relations.

  Raises: UserError where a text has no tokens, is too long, or its entities
    lie too far apart.
  """
  opening, closing = ends(tokenizer)
  first = tokenizer.ids(text)
  second = tokenizer.ids(pair) if pair is not None else None
  marks = tokenizer.ids(list(MARKERS)) if around_markers else ()
  pieces, source, cropped = [], [], 0
  for index, ids in enumerate(first):
    long = ids if second is None else second[index]
    _check_tokens(ids, long, names[index])
    head = [opening, *([*ids.tolist(), closing] if pair is not None else [])]
    room = length - len(head) - 1
    _check_room(room, len(long), length, too_long, names[index])
    parts = packing.windows(len(long), room)
    if around_markers and len(parts) > 1:
      parts = [_middle(long, marks, room, names[index])]
      cropped += 1
    for part in parts:
      tokens = np.array([*head, *long[part].tolist(), closing], np.int32)
      side = np.zeros(len(tokens), np.int32)
      side[len(head) :] = pair is not None
      columns = {} if pair is None else {"token_type": side}
      pieces.append(Piece(tokens, columns))
      source.append(index)
  changes = windowed(source, len(first))
  if cropped:
    what = "long sentences reduced to the part around both entities"
    changes.append({"what": what, "count": cropped})
  return Rows(packing.padded(pieces, length), np.array(source), changes)


def words(
  tokenizer: Tokenizer,
  sentences: Sequence[Sequence[str]],
  labels: Sequence[Sequence[int]] | None,
  names: Sequence[str],
  *,
  length: int,
  too_long: TooLong = "windows",
) -> Rows:
  """Rows of words, with a `label` on the first token of each.

  `word` is the number of the word within its sentence a token is of, and -1
  where there is none; `label` is -1 on all other tokens. Windows end between
  words.
  """
  opening, closing = ends(tokenizer)
  pieces, source = [], []
  for index, sentence in enumerate(sentences):
    ids = tokenizer.words(sentence)
    sizes = np.array([len(word) for word in ids])
    room = length - 2
    _check_tokens(sizes, sizes, names[index])
    if sizes.max() > room:
      raise UserError(
        f"{names[index]}: one word has {sizes.max()} tokens, a row has room "
        f"for {room}: raise length or mend the word"
      )
    _check_room(room, int(sizes.sum()), length, too_long, names[index])
    for start, stop in _word_windows(sizes, room):
      tokens = [opening, *(i for w in ids[start:stop] for i in w), closing]
      number = np.repeat(np.arange(start, stop), sizes[start:stop])
      columns = {"word": np.concatenate([[-1], number, [-1]])}
      if labels is not None:
        label = np.full(len(tokens), -1, np.int32)
        firsts = 1 + np.cumsum(sizes[start:stop]) - sizes[start:stop]
        label[firsts] = labels[index][start:stop]
        columns["label"] = label
      pieces.append(Piece(np.array(tokens, np.int32), columns))
      source.append(index)
  return Rows(
    packing.padded(pieces, length),
    np.array(source),
    windowed(source, len(sentences)),
  )


def numbered(names: np.ndarray, source: np.ndarray) -> np.ndarray:
  """[N] row names: the text's own for its first row, then `name#2`, ..."""
  first = np.searchsorted(source, source)
  turn = np.arange(len(source)) - first
  return np.array(
    [
      f"{names[s]}#{t + 1}" if t else str(names[s])
      for s, t in zip(source, turn, strict=True)
    ],
    str,
  )


def ends(tokenizer: Tokenizer) -> tuple[int, int]:
  """The tokens a row begins with and a text ends with."""
  special = tokenizer.special
  opening = special.get("cls", special.get("bos"))
  closing = special.get("sep", special.get("eos"))
  if opening is None or closing is None:
    raise UserError(
      "the tokenizer has neither [CLS] and [SEP] nor <|endoftext|>: choose one "
      "of BERT's or GPT-2's kind"
    )
  return opening, closing


def _check_tokens(first, second, name: str) -> None:
  if not len(first) or not len(second):
    raise UserError(f"{name}: the text is empty, or no token is left of it")


def _check_room(
  room: int, tokens: int, length: int, too_long: TooLong, name: str
) -> None:
  if too_long not in ("windows", "error"):
    raise UserError(f"too_long={too_long!r}: expected 'windows' or 'error'")
  if room < 1:
    raise UserError(
      f"{name}: the first text of the pair fills all {length} tokens of a row: "
      "raise length"
    )
  if too_long == "error" and tokens > room:
    raise UserError(
      f"{name}: {tokens + length - room} tokens, the model takes {length}: "
      "raise length or set too_long='windows'"
    )


def windowed(source: Sequence[int], n: int) -> list[dict[str, Any]]:
  """For the data card: how many of n texts have several rows of `source`."""
  windows = np.bincount(source, minlength=n)
  long = windows > 1
  if not long.any():
    return []
  what = (
    f"texts longer than a row, read in {windows[long].sum()} windows and "
    "scored by the mean of these"
  )
  return [{"what": what, "count": int(long.sum())}]


def _word_windows(sizes: np.ndarray, room: int) -> list[tuple[int, int]]:
  found, start, used = [], 0, 0
  for index, size in enumerate(sizes.tolist()):
    if used + size > room:
      found.append((start, index))
      start, used = index, 0
    used += size
  return [*found, (start, len(sizes))]


def _middle(
  ids: np.ndarray, marks: Sequence[np.ndarray], room: int, name: str
) -> slice:
  """The part of ids with every mark, as far as there is room around them."""
  places = []
  for mark in marks:
    found = [
      start
      for start in range(len(ids) - len(mark) + 1)
      if (ids[start : start + len(mark)] == mark).all()
    ]
    if found:
      places += [found[0], found[-1] + len(mark)]
  if not places:
    raise UserError(f"{name}: no entity is marked by << >> or [[ ]]")
  start, stop = min(places), max(places)
  if stop - start > room:
    raise UserError(
      f"{name}: {stop - start} tokens from the first entity to the second, a "
      f"row has room for {room}: raise length"
    )
  start = min(max(0, start - (room - (stop - start)) // 2), len(ids) - room)
  return slice(start, start + room)
