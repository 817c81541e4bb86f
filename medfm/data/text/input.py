"""What a model must know about tokens."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from medfm.data.text import near
from medfm.data.text.packing import SEQUENCES
from medfm.types import Arrays, Batch, Info, Near, Profile, Split, UserError


@dataclasses.dataclass(frozen=True)
class Tokens:
  """Token ids: `tokens` [B,L], `segment` and `positions` beside them.

  vocabulary: the number of token ids.
  special: role (pad, cls, sep, mask, unk, bos, eos) -> token id; a role that
    the tokenizer does not have is absent.
  tokenizer: the hash of the tokenizer's file.
  prompts: what surrounds a text when a causal model is asked for its label, as
    lists of token ids: `shots` (what precedes it, one for each prompt),
    `answers` (one for each class) and `content_free` (texts without content);
    and `names` of the prompts. {} if there are no prompts.
  spelling: the characters of each token id, if texts are one word each
    (SMILES, sequences) and classical models count their characters; else ().
  """

  vocabulary: int
  special: dict[str, int] = dataclasses.field(default_factory=dict)
  tokenizer: str = ""
  prompts: dict[str, Any] = dataclasses.field(default_factory=dict)
  spelling: tuple[str, ...] = ()

  arrays = SEQUENCES
  suits = ("words",)

  @property
  def near(self) -> Near:
    """Pairs of texts in which one holds most of the other."""
    return Near(near.RULE, near.search)

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The number of token ids: the data's, or the model's own if larger.

    Public weights may have rows beyond the tokenizer's last id.
    """
    return {"vocabulary": max(self.vocabulary, chosen.get("vocabulary", 0))}

  def scale(self, batch: Batch) -> Batch:
    """Token ids stay as they are."""
    return batch

  def blank(
    self, count: int, like: Mapping[str, np.ndarray] = {}
  ) -> dict[str, np.ndarray]:
    """Rows of padding, as long as other rows, or one token long."""
    widths = {name: like[name].shape[1] for name in self.arrays if name in like}
    widths = widths or dict.fromkeys(("tokens", "segment", "positions"), 1)
    return {
      name: np.zeros((count, width), np.int32) for name, width in widths.items()
    }

  def design(self, train: Split, seed: int) -> None:
    """None: classical models of text count words (`tasks.counted`)."""
    return None

  native = design

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: "Tokens"
  ) -> dict[str, np.ndarray]:
    """Token ids unchanged; ValueError if they are of another tokenizer."""
    if self.tokenizer != trained.tokenizer:
      raise ValueError(
        f"tokenizer {self.tokenizer[:12]}, not {trained.tokenizer[:12]}"
      )
    return dict(arrays)

  def profile(self, arrays: Arrays) -> Profile:
    """The length of each text, as the model reads it, and its share of unknown
    tokens; empty for rows without tokens, such as rows of words."""
    read = [arrays.get(name) for name in ("tokens", "segment")]
    if any(each is None for each in read):
      return Profile()
    real = np.asarray(arrays["segment"]) > 0
    count = real.sum(1).astype(np.float64)
    names, measures = ["tokens in a text, as read"], [count]
    if "unk" in self.special:
      tokens = np.asarray(arrays["tokens"])
      unknown = real & (tokens == self.special["unk"])
      names.append("share of unknown tokens")
      measures.append(unknown.sum(1) / np.maximum(count, 1))
    return Profile(tuple(names), np.stack(measures, 1))

  def describe(self) -> str:
    """The size of the vocabulary, in words."""
    return f"text in {self.vocabulary} tokens"


def among(info: Info) -> Tokens | None:
  """The first input that is text, or None."""
  texts = (each for each in info.inputs.values() if isinstance(each, Tokens))
  return next(texts, None)


def only(info: Info) -> Tokens:
  """The text, if it is the only input; else UserError."""
  text = info.only
  if not isinstance(text, Tokens) or not text.vocabulary:
    raise UserError(
      f"objective: {info.name} has no tokens; a language objective needs a "
      "data set of text"
    )
  return text


def pieces(split: Split) -> list[np.ndarray]:
  """The token ids of each row, without padding."""
  tokens = np.asarray(split.arrays["tokens"])
  real = np.asarray(split.arrays["segment"]) > 0
  return [row[kept] for row, kept in zip(tokens, real, strict=True)]


def words(split: Split) -> Iterator[tuple[int, int, tuple[int, ...]]]:
  """(row, place of its first token, its token ids) of each word, in order."""
  arrays = (np.asarray(split.arrays[name]) for name in ("tokens", "word"))
  for row, (tokens, words) in enumerate(zip(*arrays, strict=True)):
    places = np.flatnonzero(words >= 0)
    edges = np.flatnonzero(np.diff(words[places])) + 1
    for word in filter(len, np.split(places, edges)):
      yield row, int(word[0]), tuple(tokens[word].tolist())
