"""What a positive or negative call means for the patient.

label [N] in {0, 1, NaN = missing}, predicted [N] in {0, 1}; weight: [N] or
[R,N], giving one value or R.
"""

import numpy as np

from medfm.metrics import shares
from medfm.metrics.classification import NO_NEGATIVE, NO_POSITIVE, confusion
from medfm.metrics.described import described
from medfm.metrics.intervals import jackknife, proportions
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import (
  Array,
  Value,
  Weight,
  ratio,
  settled,
  share,
)


@bounded(proportions.interval, shares.ruled_out, of="a negative call")
@described(
  "Negative predictive value",
  "share of those called negative that are negative",
  "more",
)
def negative_predictive_value(
  label: Array, predicted: Array, weight: Weight = None
) -> Value:
  """True among predicted negatives."""
  tn, _, fn, _ = _counts(label, predicted, weight)
  return share(tn, tn + fn, "no example is predicted negative")


@jackknife.on(jackknife.LOG)
@described(
  "Positive likelihood ratio",
  "the odds of disease after a positive call over those before it: "
  "sensitivity / (1 - specificity); 1 is uninformative",
  "more",
)
def positive_likelihood_ratio(
  label: Array, predicted: Array, weight: Weight = None
) -> Value:
  """sensitivity / (1 - specificity), 0 and more.

  Undefined (infinite) if no negative is called positive.
  """
  return _likelihood(_counts(label, predicted, weight), "positive")


@jackknife.on(jackknife.LOG)
@described(
  "Negative likelihood ratio",
  "the odds of disease after a negative call over those before it: "
  "(1 - sensitivity) / specificity; 1 is uninformative",
  "less",
)
def negative_likelihood_ratio(
  label: Array, predicted: Array, weight: Weight = None
) -> Value:
  """(1 - sensitivity) / specificity, 0 and more.

  Undefined (infinite) if no negative is called negative.
  """
  return _likelihood(_counts(label, predicted, weight), "negative")


@jackknife.on(jackknife.LOGIT)
@described(
  "Positive predictive value at a prevalence",
  "share of those called positive that are positive, if positives were as "
  "frequent as stated",
  "more",
)
def positive_value_at(
  label: Array, predicted: Array, weight: Weight = None, *, prevalence: float
) -> Value:
  """Bayes' rule from sensitivity and specificity, 0 to 1."""
  true, false = _rates(label, predicted, weight)
  right = true * prevalence
  return share(
    right,
    right + false * (1 - prevalence),
    "no example is predicted positive",
  )


@jackknife.on(jackknife.LOGIT)
@described(
  "Negative predictive value at a prevalence",
  "share of those called negative that are negative, if positives were as "
  "frequent as stated",
  "more",
)
def negative_value_at(
  label: Array, predicted: Array, weight: Weight = None, *, prevalence: float
) -> Value:
  """Bayes' rule from sensitivity and specificity, 0 to 1."""
  true, false = _rates(label, predicted, weight)
  right = (1 - false) * (1 - prevalence)
  return share(
    right,
    right + (1 - true) * prevalence,
    "no example is predicted negative",
  )


def _counts(label: Array, predicted: Array, weight: Weight) -> Array:
  """Weighted (tn, fp, fn, tp), each [...]."""
  table = confusion(label, predicted, weight, classes=2)
  return np.moveaxis(table.reshape(*table.shape[:-2], 4), -1, 0)


def _likelihood(counts: Array, call: str) -> Value:
  """How much commoner a call is among positives than among negatives."""
  tn, fp, fn, tp = counts
  true, false = (tp, fp) if call == "positive" else (fn, tn)
  return settled(
    ratio(true * (fp + tn), false * (tp + fn)),
    *_missing_side(tn + fp, tp + fn),
    (false == 0, f"infinite: no negative is called {call}"),
  )


def _rates(
  label: Array, predicted: Array, weight: Weight
) -> tuple[Value, Value]:
  """Sensitivity, and 1 - specificity."""
  tn, fp, fn, tp = _counts(label, predicted, weight)
  missing = _missing_side(tn + fp, tp + fn)
  return (
    settled(ratio(tp, tp + fn), *missing),
    settled(ratio(fp, fp + tn), *missing),
  )


def _missing_side(
  negatives: Value, positives: Value
) -> tuple[tuple[Value, str], ...]:
  return (
    (np.equal(positives, 0), NO_POSITIVE),
    (np.equal(negatives, 0), NO_NEGATIVE),
  )
