"""Which of two inputs is the picture and which the text; texts as rows."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from medfm.data import hashes
from medfm.data.text import packing, sequences
from medfm.data.text.input import Tokens
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import Tokenizer
from medfm.types import PRESENT, Info, Split, UserError, key, view

PICTURE, TEXT = "image", "text"
"""The names that the two inputs have in the data sets of this folder."""

TooLong = Literal["cut", "error"]


class Sides(NamedTuple):
  """The names of an info's two inputs."""

  picture: str
  text: str


def sides(info: Info) -> Sides:
  """The input that is a picture and the one that is text; else UserError."""
  texts = [k for k, each in info.inputs.items() if isinstance(each, Tokens)]
  others = [name for name in info.inputs if name not in texts]
  if len(texts) != 1 or len(others) != 1:
    raise UserError(
      f"{info.name} has the inputs {info.describe()}; expected a picture and a "
      "text for each example"
    )
  return Sides(others[0], texts[0])


def rows(
  tokenizer: Tokenizer,
  texts: Sequence[str],
  names: Sequence[str],
  *,
  length: int,
  too_long: TooLong = "cut",
) -> tuple[dict[str, np.ndarray], int]:
  """Each text as one row of tokens [N,length], and how many were cut.

  A row is [CLS] text [SEP], with <|endoftext|> for a tokenizer without these.

  names: of the texts, for messages.
  too_long: "cut" keeps the beginning of a text that is longer than a row, as
    CLIP does; "error" refuses it and names it.
  """
  if too_long not in ("cut", "error"):
    raise UserError(f"too_long={too_long!r}: expected 'cut' or 'error'")
  opening, closing = sequences.ends(tokenizer)
  room, cut, pieces = length - 2, 0, []
  if room < 1:
    raise UserError(f"length={length}: expected 3 tokens or more")
  for name, ids in zip(names, tokenizer.ids(list(texts)), strict=True):
    if not len(ids):
      raise UserError(f"{name}: the text is empty, or no token is left of it")
    if len(ids) > room and too_long == "error":
      raise UserError(
        f"{name}: {len(ids) + 2} tokens and length={length}: raise length or "
        "set too_long=cut"
      )
    cut += len(ids) > room
    tokens = np.concatenate([[opening], ids[:room], [closing]])
    pieces.append(Piece(tokens))
  return packing.padded(pieces, length), cut


def equal_texts(split: Split, info: Info) -> np.ndarray:
  """[N] int, the same number for examples whose texts are equal as read."""
  name = sides(info).text
  arrays: Any = view(split.arrays, info.inputs, name)
  kept = sorted(set(info.inputs[name].arrays) & arrays.keys())
  digests = hashes.of_rows({array: arrays[array] for array in kept})
  return np.unique(digests, return_inverse=True)[1]


def complete(split: Split, info: Info) -> np.ndarray:
  """[N] bool, the examples that have both a picture and a text."""
  both = np.ones(len(split), bool)
  for name in info.inputs:
    both &= np.asarray(split.arrays.get(key(info, name, PRESENT), both))
  return both


def asked(
  tokenizer: Tokenizer, texts: Sequence[str], info: Info, length: int
) -> Split:
  """Texts as examples without a picture, for a model of both."""
  picture, text = sides(info)
  names = np.array([f"text {number + 1}" for number in range(len(texts))])
  made, _ = rows(tokenizer, texts, names, length=length, too_long="error")
  blank = info.inputs[picture].blank(len(texts), {})
  return Split(
    {key(info, picture, k): a for k, a in blank.items()}
    | {key(info, text, k): a for k, a in made.items()},
    names,
  )
