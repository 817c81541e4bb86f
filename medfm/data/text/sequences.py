"""Texts and words as rows of tokens, whole or in windows.

A text that is longer than a row becomes several windows, which are counted, or
is refused. Each window is a row with the label of its text; `document` [N] says
which rows are of the same text, so that texts are scored and not rows
(`tasks.documents`).

A row is [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], with <|endoftext|>
in both places for a tokenizer that has neither.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from medfm.data.text import packing
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import MARKERS, Tokenizer
from medfm.types import UserError

TooLong = Literal["windows", "error"]


class Rows(NamedTuple):
  """arrays [N,L]; source [N]: the text of each row, in ascending order."""

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
  around_markers: instead of windows, take the one stretch of a long text with
    both marked entities in its middle, for relations; entities that are too far
    apart are an error.
  """
  opening, closing = ends(tokenizer)
  first = tokenizer.ids(text)
  last = first if pair is None else tokenizer.ids(pair)
  marks = tokenizer.ids(list(MARKERS)) if around_markers else ()
  placed, cropped = [], 0
  for index, (before, long) in enumerate(zip(first, last, strict=True)):
    head = [opening] if pair is None else [opening, *before, closing]
    name, size = names[index], len(long) if len(before) else 0
    free = room(name, size, len(head) + 1, length, too_long)
    parts = packing.windows(len(long), free)
    if around_markers and len(parts) > 1:
      parts = [_middle(long, marks, free, name)]
      cropped += 1
    for part in parts:
      tokens = np.concatenate([head, long[part], [closing]])
      side = {"token_type": np.arange(len(tokens)) >= len(head)}
      placed.append((index, Piece(tokens, {} if pair is None else side)))
  cut = rows(placed, len(first), length)
  if cropped:
    what = "long sentences reduced to the part around both entities"
    cut.changes.append({"what": what, "count": cropped})
  return cut


def words(
  tokenizer: Tokenizer,
  sentences: Sequence[Sequence[str]],
  labels: Sequence[Sequence[int]] | None,
  names: Sequence[str],
  *,
  length: int,
  too_long: TooLong = "windows",
) -> Rows:
  """Rows of words, with a `label` on the first token of each, else -1.

  `word` [N,L] is the number of each token's word in its sentence, -1 for none.
  Windows end between words.
  """
  opening, closing = ends(tokenizer)
  placed = []
  for index, sentence in enumerate(sentences):
    ids = tokenizer.words(sentence)
    sizes = np.array([len(word) for word in ids], int)
    free = room(names[index], int(sizes.sum()), 2, length, too_long)
    if sizes.max() > free:
      raise UserError(
        f"{names[index]}: one word has {sizes.max()} tokens, a row has room "
        f"for {free}: raise length or correct the word"
      )
    begins, edges = np.cumsum(sizes) - sizes, [0]
    while edges[-1] < len(sizes):
      limit = begins[edges[-1]] + free
      edges.append(int(np.searchsorted(begins + sizes, limit, side="right")))
    for start, stop in itertools.pairwise(edges):
      tokens = [opening, *itertools.chain(*ids[start:stop]), closing]
      number = np.repeat(np.arange(start, stop), sizes[start:stop])
      columns = {"word": np.concatenate([[-1], number, [-1]])}
      if labels is not None:
        columns["label"] = np.full(len(tokens), -1)
        firsts = 1 + begins[start:stop] - begins[start]
        columns["label"][firsts] = labels[index][start:stop]
      placed.append((index, Piece(np.array(tokens), columns)))
  return rows(placed, len(sentences), length)


def rows(placed: Sequence[tuple[int, Piece]], n: int, length: int) -> Rows:
  """The rows of (text's number, piece) pairs of n texts, in ascending order."""
  source = np.array([index for index, _ in placed], int)
  windows = np.bincount(source, minlength=n)
  long = windows > 1
  what = (
    f"texts longer than a row, read in {windows[long].sum()} windows and "
    "scored by the mean over their windows"
  )
  changes = [{"what": what, "count": int(long.sum())}] if long.any() else []
  arrays = packing.padded([piece for _, piece in placed], length)
  return Rows(arrays, source, changes)


def room(
  name: str,
  tokens: int,
  around: int,
  length: int,
  too_long: TooLong,
  setting: str = "length",
) -> int:
  """How many of a text's tokens a row has room for; UserError for none.

  around: how many tokens of each row are not the text's.
  setting: the name of the setting that gives `length`, for messages.
  """
  free = length - around
  if too_long not in ("windows", "error"):
    raise UserError(f"too_long={too_long!r}: expected 'windows' or 'error'")
  if not tokens:
    raise UserError(f"{name}: the text is empty, or no token is left of it")
  if free < 1:
    raise UserError(
      f"{name}: the first text of the pair, or the template, fills all "
      f"{length} tokens of a row: raise {setting}"
    )
  if too_long == "error" and tokens > free:
    raise UserError(
      f"{name}: {tokens + around} tokens and {setting}={length}: raise "
      f"{setting} or set too_long='windows'"
    )
  return free


def numbered(names: np.ndarray, source: np.ndarray) -> np.ndarray:
  """[N] row names: the text's name for its first row, then `name#2`, ..."""
  turns = np.arange(len(source)) - np.searchsorted(source, source)
  return np.array(
    [
      f"{names[text]}#{turn + 1}" if turn else str(names[text])
      for text, turn in zip(source, turns, strict=True)
    ],
    str,
  )


def ends(tokenizer: Tokenizer) -> tuple[int, int]:
  """The token that begins a row, and the token that ends a text."""
  special = tokenizer.special
  opening = special.get("cls", special.get("bos"))
  closing = special.get("sep", special.get("eos"))
  if opening is None or closing is None:
    raise UserError(
      "the tokenizer has neither [CLS] and [SEP] nor <|endoftext|>: choose a "
      "tokenizer of BERT's or GPT-2's kind"
    )
  return opening, closing


def _middle(
  ids: np.ndarray, marks: Sequence[np.ndarray], room: int, name: str
) -> slice:
  """The part of ids around all marks that has room in a row."""
  edges = []
  for mark in marks:
    stretches = np.lib.stride_tricks.sliding_window_view(ids, len(mark))
    for place in np.flatnonzero((stretches == mark).all(1)).tolist():
      edges += [place, place + len(mark)]
  if not edges:
    raise UserError(f"{name}: no entity is marked by << >> or [[ ]]")
  start, stop = min(edges), max(edges)
  if stop - start > room:
    raise UserError(
      f"{name}: {stop - start} tokens from the first entity to the second, a "
      f"row has room for {room}: raise length"
    )
  start = min(max(0, start - (room - (stop - start)) // 2), len(ids) - room)
  return slice(start, start + room)
