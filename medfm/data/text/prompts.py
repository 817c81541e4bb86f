"""Prompts for a causal model: labelled training texts, then one to label.

A prompt is <|endoftext|>, shots with their answers, and a text without an
answer, all written by one template. A training text that is too long to be a
shot is never drawn, and such texts are counted; a long text to label is read in
windows or refused.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from medfm.data import rng
from medfm.data.text import packing, sequences
from medfm.data.text.packing import Piece
from medfm.data.text.sequences import Rows, TooLong
from medfm.data.text.tokenizers import Tokenizer
from medfm.spec import nearest
from medfm.types import UserError

FIELDS = ("text", "pair")


class Written(NamedTuple):
  """A text by the template: the part that may be windowed, and the rest."""

  head: np.ndarray
  long: np.ndarray
  tail: np.ndarray

  @property
  def whole(self) -> np.ndarray:
    return np.concatenate(self)


def written(
  tokenizer: Tokenizer, template: str, columns: Mapping[str, Sequence[str]]
) -> list[Written]:
  """Each text by the template, as tokens.

  template: text with {text} and perhaps {pair} in it, each once. Its pieces
    are cut into tokens separately; a blank before a field goes with the field.
    `long` is the pair, if there is one, else the text.
  columns: [N] strings of each field; a template with other fields is refused.
  """
  *parts, end = re.split(r"\{(\w+)\}", template)
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
  cut: list[list[np.ndarray]] = []
  for before, name in zip(parts[::2], fields, strict=True):
    fixed = before.rstrip(" ")
    space = before[len(fixed) :]
    values = [space + text if text else "" for text in columns[name]]
    cut += [tokenizer.ids([fixed]) * n, tokenizer.ids(values)]
  cut.append(tokenizer.ids([end]) * n)
  middle = 1 + 2 * fields.index("pair" if "pair" in fields else "text")
  return [
    Written(
      np.concatenate(row[:middle]),
      row[middle],
      np.concatenate(row[middle + 1 :]),
    )
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

  too_long: "windows" reads a long text in the fewest windows, each with the
    rest of the template around it; "error" refuses it and names it.
  """
  placed = []
  for index, each in enumerate(written(tokenizer, template, columns)):
    size, around = len(each.long), len(each.head) + len(each.tail)
    free = sequences.room(names[index], size, around, room, too_long, "room")
    for part in packing.windows(size, free):
      piece = Piece(each._replace(long=each.long[part]).whole)
      placed.append((index, piece))
  return sequences.rows(placed, len(names), room)


def drawn(
  sizes: np.ndarray,
  label: np.ndarray,
  *,
  budget: int,
  shots: int = 0,
  draws: int = 1,
  orders: int = 1,
  balanced: bool = True,
  seed: int = 0,
) -> tuple[dict[str, list[int]], int]:
  """The shots of each prompt, and how many texts are too long to be one.

  The prompts, such as `draw 1, order 2`, have `draws` sets of shots, drawn by
  seed, in at most `orders` orders each; shots are numbers of training texts.

  sizes: [N] tokens of each training text as a shot; `budget` at most.
  label: [N], -1 unknown.
  balanced: shots take the classes in turn, in a random order; else they are
    drawn at random.

  Raises: UserError if too few texts are short enough.
  """
  if shots < 0 or draws < 1 or orders < 1:
    raise UserError("prompts need shots >= 0, draws >= 1 and orders >= 1")
  if not shots:
    return {"no shots": []}, 0
  short = np.flatnonzero((sizes <= budget) & (label >= 0))
  if len(short) < shots:
    raise UserError(
      f"shots={shots}: only {len(short)} of {len(sizes)} training texts have "
      f"at most {budget} tokens, which is the room for a shot; lower shots or "
      "room, raise length, or shorten the template"
    )
  prompts: dict[str, list[int]] = {}
  for draw in range(draws):
    order = short[rng.permutation(len(short), seed, "shots", draw)]
    if balanced:
      order = _in_turn(order, label, seed, draw)
    attempts = itertools.count()
    turns: dict[tuple[int, ...], None] = {}
    while len(turns) < min(orders, math.factorial(shots)):
      turn = rng.permutation(shots, seed, "order", draw, next(attempts))
      turns[tuple(turn.tolist())] = None
    for number, turn in enumerate(turns, 1):
      prompts[f"draw {draw + 1}, order {number}"] = order[list(turn)].tolist()
  return prompts, int(((sizes > budget) & (label >= 0)).sum())


def answers(tokenizer: Tokenizer, strings: Sequence[str]) -> list[np.ndarray]:
  """The tokens of each class's answer; all different, none empty."""
  tokens = tokenizer.ids(list(strings))
  different = {tuple(ids.tolist()) for ids in tokens}
  if () in different or len(different) < len(tokens):
    raise UserError(
      f"answers={tuple(strings)}: each class needs an answer that the "
      "tokenizer can tell from the others"
    )
  return tokens


def fitting(
  length: int, room: int, answers: Sequence[np.ndarray], shots: int
) -> int:
  """The tokens a shot may have, so that every prompt fits into `length`.

  A row holds the opening token, shots, `room` for the text and, side by side,
  the answers without their last tokens, from which nothing is predicted.
  """
  beside = len(answers) * (max(map(len, answers)) - 1)
  free = length - room - beside - 1
  if free < 0:
    raise UserError(
      f"length={length} is too short for room={room} and the answers: raise "
      "length or lower room"
    )
  return free // max(shots, 1)


def _in_turn(
  order: np.ndarray, label: np.ndarray, seed: int, draw: int
) -> np.ndarray:
  """The texts, one of every class, then the next of every class."""
  classes, kinds = np.unique(label[order], return_inverse=True)
  turn = np.argsort(rng.permutation(len(classes), seed, "classes", draw))
  place = np.zeros(len(order), int)
  for kind in range(len(classes)):
    place[kinds == kind] = np.arange((kinds == kind).sum())
  return order[np.lexsort((turn[kinds], place))]
