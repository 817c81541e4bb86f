"""The numbers of one yes-or-no question, for every task that has any."""

import contextlib
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np

from medfm.metrics import calibration, classification, diagnosis, ranking
from medfm.metrics.bootstrap import Metric
from medfm.metrics.described import Description
from medfm.metrics.undefined import Undefined
from medfm.tasks import panel as panels

OF_CALLS = (
  classification.accuracy,
  classification.balanced_accuracy,
  classification.precision,
  classification.recall,
  classification.specificity,
  classification.f1,
)
OF_PROBS = (
  calibration.brier,
  calibration.calibration_error,
  calibration.calibration_slope,
  calibration.calibration_intercept,
  calibration.observed_expected,
)
AT_THRESHOLD = {
  "specificity": classification.specificity,
  "precision": classification.precision,
  "npv": diagnosis.negative_predictive_value,
  "positive_likelihood_ratio": diagnosis.positive_likelihood_ratio,
  "negative_likelihood_ratio": diagnosis.negative_likelihood_ratio,
}
"""Metrics of the calls at the threshold, `<name>_at_threshold`; the sensitivity
there has another name."""
RANKING = (ranking.auroc, ranking.average_precision)


class Question(NamedTuple):
  """One question of two answers, of N examples.

  name: of the positive answer, as in decisions.
  label: [N] in {0, 1, NaN = not known}; prob: [N].
  weight: [N], larger for examples that also represent others whose answer is
    not known (survival); None if all count alike.
  """

  name: str
  label: np.ndarray
  prob: np.ndarray
  weight: np.ndarray | None = None


def metrics(
  label: np.ndarray,
  prob: np.ndarray,
  called: np.ndarray,
  threshold: float | None,
  specificity: float,
) -> dict[str, Metric]:
  """Every metric of one binary question, by name.

  label: [N] in {0, 1, NaN}; prob: [N]; called: [N] in {0, 1}.
  threshold: chosen on validation to reach `specificity`, or None.
  """
  called = np.where(np.isfinite(prob), called, np.nan)
  metrics = {
    **panels.bound(RANKING, label, prob),
    **panels.bound(OF_CALLS, label, called),
    **panels.bound(OF_PROBS, label, prob),
  }
  at = partial(classification.at_threshold, label, prob, threshold=threshold)
  return metrics | {
    sensitivity_name(specificity): partial(at, metric=classification.recall),
    **{
      f"{name}_at_threshold": partial(at, metric=metric)
      for name, metric in AT_THRESHOLD.items()
    },
  }


def averaged(names: Iterable[str]) -> list[str]:
  """The names of metrics whose mean over labels is meaningful; a likelihood
  ratio, which has no upper bound, is left out."""
  return [name for name in names if "likelihood_ratio" not in name]


def described(specificity: float) -> dict[str, Description]:
  """The descriptions of the metrics at the threshold."""
  percent = f"{100 * specificity:g}"
  where = "at the threshold chosen on validation"
  return {
    sensitivity_name(specificity): Description(
      f"Sensitivity at specificity {percent}",
      "share of the positives found at the threshold which reached a "
      f"specificity of {percent} % on validation; the specificity reached on "
      "this split is shown beside it",
      "more",
    ),
    "specificity_at_threshold": Description(
      "Specificity at threshold",
      f"share of the negatives cleared {where}",
      "more",
    ),
    "precision_at_threshold": Description(
      "PPV at threshold",
      "share of those at or above the threshold chosen on validation that are "
      "positive (precision)",
      "more",
    ),
    "npv_at_threshold": Description(
      "NPV at threshold",
      "share of those below the threshold chosen on validation that are "
      "negative",
      "more",
    ),
    "positive_likelihood_ratio_at_threshold": Description(
      "Positive likelihood ratio at threshold",
      f"sensitivity / (1 - specificity) {where}: a positive call multiplies "
      "the odds of disease by it; 1 is uninformative",
      "more",
    ),
    "negative_likelihood_ratio_at_threshold": Description(
      "Negative likelihood ratio at threshold",
      f"(1 - sensitivity) / specificity {where}: a negative call multiplies "
      "the odds of disease by it; 1 is uninformative",
      "less",
    ),
  }


def sensitivity_name(specificity: float) -> str:
  return f"sensitivity_at_specificity_{100 * specificity:g}"


def of_groups(specificity: float) -> tuple[str, ...]:
  """Metrics by which groups are compared, beside those of ranking."""
  at = sensitivity_name(specificity), "specificity_at_threshold"
  return (*at, "observed_expected")


def threshold_name(specificity: float, label: str) -> str:
  """The name of a class's threshold: `specificity_90[malignant]`."""
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
    with contextlib.suppress(Undefined):
      key = threshold_name(specificity, name)
      chosen[key] = float(
        classification.threshold_at_specificity(
          label, prob, specificity=specificity
        )
      )
  return chosen
