"""Prompts for a causal model: labelled training texts, then one to label.

A prompt is <|endoftext|>, shots with their answers, and a text without one,
all written by one template. Nothing is cut in silence: a training text that
is too long to be a shot is never drawn, and counted; a long text to label is
read in windows, or refused.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import rng
from medfm.data.text import packing, sequences
from medfm.data.text.packing import Piece
from medfm.data.text.sequences import Rows, TooLong
from medfm.data.text.tokenizers import Tokenizer
from medfm.spec import nearest
from medfm.types import UserError

FIELDS = ("text", "pair")

Ids = np.ndarray
"""[n] int32 token ids."""


class Written(NamedTuple):
  """A text by the template: what may be windowed, and what stands around."""

  head: Ids
  long: Ids
  tail: Ids

  @property
  def whole(self) -> Ids:
    return np.concatenate(self)


def written(
  tokenizer: Tokenizer, template: str, columns: Mapping[str, Sequence[str]]
) -> list[Written]:
  """Each text by the template, as tokens.

  template: text with {text} and perhaps {pair} in it, each once. Its pieces
    are cut into tokens apart; a blank before a field goes with the field.
    `long` is the pair, where there is one, else the text.
  columns: `text`, and perhaps `pair`, [N] strings.

  Raises: UserError for another field in braces, or one the data lack.
  """
  parts = re.split(r"\{(\w+)\}", template)
  fields = parts[1::2]
  for name in fields:
    if name not in FIELDS or name not in columns:
      raise UserError(
        f"template has {{{name}}}{nearest(name, columns)}; the data have "
        + ", ".join(f"{{{known}}}" for known in FIELDS if known in columns)
      )
  if "text" not in fields or len(set(fields)) < len(fields):
    raise UserError("template must have {text}, and each field once")
  n = len(columns["text"])
  cut: list[list[Ids]] = []
  for place, part in enumerate(parts):
    before = parts[place - 1] if place else ""
    if place % 2 == 0:
      last = place == len(parts) - 1
      fixed = part if last else part.rstrip(" ")
      cut.append(tokenizer.ids([fixed]) * n)
      continue
    space = before[len(before.rstrip(" ")) :]
    values = [space + text if text else "" for text in columns[part]]
    cut.append(tokenizer.ids(values))
  middle = 1 + 2 * fields.index("pair" if "pair" in fields else "text")
  return [
    Written(_joined(row[:middle]), row[middle], _joined(row[middle + 1 :]))
    for row in zip(*cut, strict=True)
  ]


def rows(
  tokenizer: Tokenizer,
  template: str,
  columns: Mapping[str, Sequence[str]],
  names: Sequence[str],
  *,
  room: int,
  too_long: TooLong = "windows",
) -> Rows:
  """The texts to label as rows [N, room], without shots and answer.

  names: of the texts, for messages.
  too_long: "windows" reads a long text in the fewest windows, each with the
    rest of the template around it; "error" refuses it.
  """
  pieces, source = [], []
  for index, each in enumerate(written(tokenizer, template, columns)):
    if not len(each.long):
      raise UserError(f"{names[index]}: the text is empty")
    free = room - len(each.head) - len(each.tail)
    _check_room(free, len(each.long), room, too_long, names[index])
    for part in packing.windows(len(each.long), free):
      cut = each._replace(long=each.long[part])
      pieces.append(Piece(cut.whole))
      source.append(index)
  return Rows(
    packing.padded(pieces, room),
    np.array(source),
    sequences.windowed(source, len(names)),
  )


class Drawn(NamedTuple):
  """Which training texts stand before the text, in every prompt.

  shots: [O,k] their numbers. names: [O] `draw 1, order 2`.
  budget: tokens a shot may have; too_long: training texts that have more.
  """

  shots: list[list[int]]
  names: list[str]
  budget: int
  too_long: int


def drawn(
  sizes: np.ndarray,
  label: np.ndarray,
  *,
  shots: int,
  draws: int,
  orders: int,
  budget: int,
  balanced: bool,
  seed: int,
) -> Drawn:
  """The shots of each prompt, by seed: `draws` sets, `orders` of each.

  sizes: [N] tokens of each training text as a shot; label: [N], -1 unknown.
  balanced: classes in turn, their order drawn; else by chance alone.

  There is one prompt without shots, and there are no more orders of k shots
  than k!. Raises: UserError where too few texts are short enough.
  """
  if shots < 0 or draws < 1 or orders < 1:
    raise UserError("prompts need shots >= 0, draws >= 1 and orders >= 1")
  if not shots:
    return Drawn([[]], ["no shots"], budget, 0)
  short = np.flatnonzero((sizes <= budget) & (label >= 0))
  if len(short) < shots:
    raise UserError(
      f"{shots} shots of at most {budget} tokens each: only {len(short)} of "
      f"{len(sizes)} training texts are so short; lower shots or room, raise "
      "length, or shorten the template"
    )
  found, names = [], []
  count = min(orders, math.factorial(shots))
  for draw in range(draws):
    order = short[rng.permutation(len(short), seed, "shots", draw)]
    if balanced:
      order = _in_turn(order, label, seed, draw)
    chosen = order[:shots]
    turns: dict[tuple[int, ...], None] = {}
    for attempt in itertools.count():
      if len(turns) == count:
        break
      turn = rng.permutation(shots, seed, "order", draw, attempt)
      turns[tuple(turn.tolist())] = None
    for number, turn in enumerate(turns, 1):
      found.append(chosen[list(turn)].tolist())
      names.append(f"draw {draw + 1}, order {number}")
  long = int(((sizes > budget) & (label >= 0)).sum())
  return Drawn(found, names, budget, long)


def answers(tokenizer: Tokenizer, strings: Sequence[str]) -> list[Ids]:
  """The tokens of what each class is said as; all different, none empty."""
  found = tokenizer.ids(list(strings))
  spelt = {tuple(ids.tolist()) for ids in found}
  if () in spelt or len(spelt) < len(found):
    raise UserError(
      f"answers {tuple(strings)}: each class needs one of its own that the "
      "tokenizer can tell from the others"
    )
  return found


def prefix(opening: int, shots: Sequence[Ids]) -> Ids:
  """What stands before the text: the opening token and whole shots."""
  return _joined([np.array([opening], np.int32), *shots])


def fitting(length: int, room: int, answers: Sequence[Ids], shots: int) -> int:
  """The tokens a shot may have, so that every prompt fits into `length`.

  A row of the model holds shots, `room` for the text and, side by side, the
  answers but for their last tokens, which are read by nobody.
  """
  beside = len(answers) * (max(map(len, answers)) - 1)
  free = length - room - beside - 1
  if free < 0:
    raise UserError(
      f"length={length} has no place for room={room} and the answers: raise "
      "length or lower room"
    )
  return free // max(shots, 1)


def listed(ids: Ids) -> list[int]:
  """As JSON holds them."""
  return np.asarray(ids).tolist()


def card(
  drawn: Drawn, names: Sequence[str], said: Sequence[str], template: str
) -> dict[str, Any]:
  """The prompts for the data card: by the names of their shots."""
  return {
    "template": template,
    "tokens_of_a_shot": drawn.budget,
    "training_texts_too_long_for_a_shot": drawn.too_long,
    "shots": {
      name: [f"{names[i]} ({said[i].strip()})" for i in shots]
      for name, shots in zip(drawn.names, drawn.shots, strict=True)
    },
  }


def _in_turn(
  order: np.ndarray, label: np.ndarray, seed: int, draw: int
) -> np.ndarray:
  """The texts, of every class one, then of every class the next."""
  classes = np.unique(label[order])
  turn = np.argsort(rng.permutation(len(classes), seed, "classes", draw))
  own = np.searchsorted(classes, label[order])
  place = np.zeros(len(order), int)
  for k in range(len(classes)):
    place[own == k] = np.arange((own == k).sum())
  return order[np.lexsort((turn[own], place))]


def _check_room(
  free: int, tokens: int, room: int, too_long: TooLong, name: str
) -> None:
  if too_long not in ("windows", "error"):
    raise UserError(f"too_long={too_long!r}: expected 'windows' or 'error'")
  if free < 1:
    raise UserError(
      f"{name}: the template and its shorter text fill all {room} tokens of "
      "room: raise room"
    )
  if too_long == "error" and tokens > free:
    raise UserError(
      f"{name}: {tokens + room - free} tokens and room={room}: raise room or "
      "set too_long='windows'"
    )


def _joined(parts: Sequence[Ids]) -> Ids:
  return np.concatenate([np.zeros(0, np.int32), *parts]).astype(np.int32)
