"""What a model must know of tokens."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Tokens:
  """Token ids: `tokens` [B,L], `segment` and `positions` beside them.

  vocabulary: the number of token ids.
  special: role (pad, cls, sep, mask, unk, bos, eos) -> token id; a role that
    the tokenizer does not have is absent.
  tokenizer: the hash of the tokenizer's file.
  prompts: what stands around a text whose label a causal model is asked for,
    as lists of token ids: `shots` (what precedes it, one for each prompt),
    `answers` (one for each class) and `content_free` (texts that say
    nothing); and `names` of the prompts. {} where nothing is asked.
  """

  vocabulary: int
  special: dict[str, int] = dataclasses.field(default_factory=dict)
  tokenizer: str = ""
  prompts: dict[str, Any] = dataclasses.field(default_factory=dict)

  @property
  def arrays(self) -> tuple[str, ...]:
    """Names of its arrays in a split, as far as every split has them."""
    return ("tokens", "segment", "positions")

  def settings(self) -> dict[str, Any]:
    """What a model of it is called with."""
    return {"vocabulary": self.vocabulary}
