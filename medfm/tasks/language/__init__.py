"""Language modelling: scored by the loss of tokens that are not shown."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import perplexity
from medfm.tasks import panel as panels
from medfm.tasks import pretext
from medfm.types import Batch, Info

Arrays = Mapping[str, np.ndarray]

TARGETS = pretext.TARGETS
STRATIFY = ""
OBJECTIVE = "language.masked_lm"
PROBLEM_TYPE = ""
RIVALS = pretext.RIVALS
LINEAR = pretext.LINEAR
assembled = pretext.assembled
known = pretext.known
details = pretext.details
decide = pretext.decide
columns = pretext.columns
table = pretext.table
strata = pretext.strata
recoded = pretext.recoded
rivals = pretext.rivals
headline = pretext.headline
answers = pretext.answers
votes = pretext.votes
_PAIRS = "next_sentence_accuracy"


def condense(info: Info, batch: Batch, outputs: Arrays) -> dict:
  """`loss` [B], the mean loss of a row's tokens, `weight` [B], their share
  of a row, and of pairs of texts `next_sentence_accuracy` [B]."""
  condensed = pretext.condense(info, batch, outputs)
  if _PAIRS in outputs:
    condensed[_PAIRS] = outputs[_PAIRS]
  return condensed


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Loss and perplexity of tokens; of pairs of texts the accuracy as well."""
  losses, share = pretext.weighted(predicted)
  metrics: dict[str, Any] = {
    "loss": partial(perplexity.loss, losses, share),
    "perplexity": partial(perplexity.perplexity, losses, share),
  }
  if _PAIRS in predicted:
    right = np.asarray(predicted[_PAIRS], np.float64)
    metrics[_PAIRS] = partial(perplexity.next_sentence_accuracy, right)
  del info, target, decisions, specificity
  return panels.panel(metrics)
