"""Language modelling: scored by the loss on hidden or next tokens."""

from typing import Any

import numpy as np

from medfm.metrics import perplexity
from medfm.tasks import panel as panels
from medfm.tasks import pretext
from medfm.types import Arrays, Batch, Info

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
questions = pretext.questions
columns = pretext.columns
table = pretext.table
strata = pretext.strata
events = pretext.events
recoded = pretext.recoded
rivals = pretext.rivals
headline = pretext.headline
answers = pretext.answers
votes = pretext.votes
recalibration = pretext.recalibration
profile = pretext.profile
refitted = pretext.refitted
_PAIRS = "next_sentence_accuracy"


def condense(
  info: Info, batch: Batch, outputs: Arrays
) -> dict[str, np.ndarray]:
  """`loss` [B], the mean loss of a row's tokens, `weight` [B], their share
  of a row, and for pairs of texts `next_sentence_accuracy` [B]."""
  pairs = {_PAIRS: outputs[_PAIRS]} if _PAIRS in outputs else {}
  return pretext.condense(info, batch, outputs) | pairs


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Loss and perplexity of tokens; for pairs of texts also the accuracy."""
  metrics = panels.bound(
    [perplexity.loss, perplexity.perplexity], *pretext.weighted(predicted)
  )
  if _PAIRS in predicted:
    right = np.asarray(predicted[_PAIRS], np.float64)
    metrics |= panels.bound([perplexity.next_sentence_accuracy], right)
  return panels.panel(metrics)
