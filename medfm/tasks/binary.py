"""The numbers of one question of two answers, for every task that asks some."""

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from medfm.metrics import calibration, classification, operating, ranking
from medfm.metrics.bootstrap import Metric
from medfm.metrics.described import Description
from medfm.metrics.undefined import Undefined


def metrics(
  label: np.ndarray,
  prob: np.ndarray,
  called: np.ndarray,
  threshold: float | None,
  specificity: float,
) -> dict[str, Metric]:
  """Every metric of one binary question, by name.

  label: [N] in {0, 1, NaN}; prob: [N]; called: [N] in {0, 1}.
  threshold: chosen on validation to reach `specificity`; None where none was.
  """
  called = np.where(np.isfinite(prob), called, np.nan)
  of_calls = {
    "accuracy": classification.accuracy,
    "balanced_accuracy": classification.balanced_accuracy,
    "precision": classification.precision,
    "recall": classification.recall,
    "specificity": classification.specificity,
    "f1": classification.f1,
  }
  of_probs = {
    "brier": calibration.brier,
    "calibration_error": calibration.calibration_error,
    "calibration_slope": calibration.calibration_slope,
    "calibration_intercept": calibration.calibration_intercept,
  }
  at_threshold = {
    sensitivity_name(specificity): operating.sensitivity_at,
    "specificity_at_threshold": operating.specificity_at,
    "precision_at_threshold": operating.precision_at,
  }
  return {
    "auroc": partial(ranking.auroc, label, prob),
    "average_precision": partial(ranking.average_precision, label, prob),
    **{key: partial(f, label, called) for key, f in of_calls.items()},
    **{key: partial(f, label, prob) for key, f in of_probs.items()},
    **{
      key: partial(f, label, prob, threshold=threshold)
      for key, f in at_threshold.items()
    },
  }


def described(specificity: float) -> dict[str, Description]:
  """The description of the metric whose name holds the specificity."""
  percent = f"{100 * specificity:g}"
  return {
    sensitivity_name(specificity): Description(
      f"Sensitivity at specificity {percent}",
      "share of the positives found at the threshold which reached a "
      f"specificity of {percent} % on validation; the specificity that it "
      "reaches on this split stands beside it",
      "more",
    )
  }


def sensitivity_name(specificity: float) -> str:
  return f"sensitivity_at_specificity_{100 * specificity:g}"


def threshold_name(specificity: float, label: str) -> str:
  """Where the threshold of one class stands: `specificity_90[malignant]`."""
  return f"specificity_{100 * specificity:g}[{label}]"


def thresholds(
  columns: Iterable[tuple[str, np.ndarray, np.ndarray]], specificity: float
) -> dict[str, float]:
  """The lowest threshold with this specificity of each (name, label, prob).

  Predict positive where probability >= threshold. A column without a negative
  example, or with a prediction that is not finite, has no entry.
  """
  chosen = {}
  for name, label, prob in columns:
    try:
      chosen[threshold_name(specificity, name)] = (
        operating.threshold_at_specificity(label, prob, specificity=specificity)
      )
    except Undefined:
      continue
  return chosen


def threshold(
  decisions: Mapping[str, float], specificity: float, name: str
) -> float | None:
  """The threshold of one class among decisions; None where there is none."""
  return decisions.get(threshold_name(specificity, name))
