"""Masking of tokens anew at every step, as transformers' collator does."""

import torch

MASK, SPECIAL = 4, 5
"""The id of [MASK], and of the first ordinary token."""


def masked(
  tokens: torch.Tensor, vocabulary: int, rate: float = 0.15
) -> tuple[torch.Tensor, torch.Tensor]:
  """Tokens with some replaced, and labels: the hidden tokens, -100 elsewhere.

  80 % become [MASK], 10 % a random token, 10 % stay.
  """
  hidden = (torch.rand(tokens.shape) < rate) & (tokens >= SPECIAL)
  labels = torch.where(hidden, tokens, -100)
  kind = torch.rand(tokens.shape)
  other = torch.randint(vocabulary, tokens.shape)
  found = torch.where(hidden & (kind < 0.8), MASK, tokens)
  return torch.where(hidden & (kind > 0.9), other, found), labels
