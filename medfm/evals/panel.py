"""Which metrics a task has, bound to the labels and predictions of a split."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from medfm.metrics import (
  calibration,
  classification,
  operating,
  ranking,
  regression,
)
from medfm.metrics.bootstrap import Mean, Metric
from medfm.metrics.undefined import Undefined
from medfm.types import Info, UserError

MULTILABEL_CUT = 0.5


class Panel(NamedTuple):
  """metrics: name -> weight to value; means: of those, by name."""

  metrics: dict[str, Metric]
  means: dict[str, Mean]


def panel(
  info: Info,
  label: np.ndarray,
  prediction: Mapping[str, np.ndarray],
  *,
  thresholds: Mapping[str, float] | None = None,
  specificity: float = 0.9,
) -> Panel:
  """The metrics of the split's task; label and prediction as in `scores`."""
  if info.task == "multiclass" and len(info.classes) == 2:
    return _binary(info, label, prediction["probs"], thresholds, specificity)
  if info.task == "multiclass":
    return _multiclass(info, label, prediction["probs"])
  if info.task == "multilabel":
    return _multilabel(
      info, label, prediction["probs"], thresholds, specificity
    )
  if info.task == "regression":
    return _regression(info, label, prediction["value"])
  raise UserError(
    f"{info.name}: task {info.task!r} has no labels to score; evaluate a"
    " multiclass, multilabel or regression stage"
  )


def known(
  info: Info, label: np.ndarray, prediction: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
  """Labels and predictions in float64 of the rows that have a label.

  Gives (rows [N] bool, label, prediction). A multiclass label of -1 is
  unknown; a row of a multilabel or regression task is unknown if all its
  labels are NaN.

  Raises:
    ValueError: the shapes do not fit `info`, or a label is out of range.
  """
  name = "value" if info.task == "regression" else "probs"
  values = np.asarray(prediction[name], np.float64)
  shape = (len(label), len(info.classes))
  if values.shape != shape:
    raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
  label = np.asarray(label)
  if info.task == "multiclass":
    if len(label) and not -1 <= label.min() <= label.max() < shape[1]:
      raise ValueError(f"a label is not one of -1..{shape[1] - 1}")
    rows = label >= 0
  else:
    if label.shape != shape:
      raise ValueError(f"label has shape {label.shape}, expected {shape}")
    label = label.astype(np.float64)
    rows = ~np.isnan(label).all(1)
  return rows, label[rows], {name: values[rows]}


def threshold_name(specificity: float, label: str) -> str:
  """Where the threshold of one class stands: `specificity_90[malignant]`."""
  return f"specificity_{100 * specificity:g}[{label}]"


def _binary(info, label, probs, thresholds, specificity) -> Panel:
  called = np.argmax(probs, 1) if len(probs) else np.zeros(0)
  threshold = (thresholds or {}).get(
    threshold_name(specificity, info.classes[1])
  )
  metrics = _one(label, probs[:, 1], called, threshold, specificity)
  return Panel(metrics, {})


def _multilabel(info, label, probs, thresholds, specificity) -> Panel:
  metrics, means = {}, {}
  for k, name in enumerate(info.classes):
    threshold = (thresholds or {}).get(threshold_name(specificity, name))
    called = (probs[:, k] > MULTILABEL_CUT).astype(float)
    column = _one(label[:, k], probs[:, k], called, threshold, specificity)
    metrics |= {f"{key}[{name}]": metric for key, metric in column.items()}
    for key in ("precision", "precision_at_threshold"):
      metrics[f"_{key}[{name}]"] = (
        column[key]
        if column[key] is _no_threshold
        else partial(column[key], empty=0.0)
      )
  for key in column:
    means[key] = _mean(info, key)
  return Panel(metrics, means)


def _multiclass(info, label, probs) -> Panel:
  called = np.argmax(probs, 1) if len(probs) else np.zeros(0, int)
  called = np.where(np.isfinite(probs).all(1), called, np.nan)
  top = np.max(probs, 1) if len(probs) else np.zeros(0)
  metrics = {
    "accuracy": partial(classification.accuracy, label, called),
    "brier": partial(calibration.brier_multiclass, label, probs),
    "calibration_error": partial(
      calibration.calibration_error, label == called, top
    ),
  }
  for k, name in enumerate(info.classes):
    mine, hit = label == k, np.where(np.isnan(called), called, called == k)
    metrics |= {
      f"auroc[{name}]": partial(ranking.auroc, mine, probs[:, k]),
      f"average_precision[{name}]": partial(
        ranking.average_precision, mine, probs[:, k]
      ),
      f"precision[{name}]": partial(classification.precision, mine, hit),
      f"_precision[{name}]": partial(
        classification.precision, mine, hit, empty=0.0
      ),
      f"recall[{name}]": partial(classification.recall, mine, hit),
      f"specificity[{name}]": partial(classification.specificity, mine, hit),
      f"f1[{name}]": partial(classification.f1, mine, hit),
    }

  keys = ("auroc", "average_precision", "precision", "recall", "specificity")
  means = {key: _mean(info, key) for key in (*keys, "f1")}
  means["balanced_accuracy"] = means["recall"]
  return Panel(metrics, means)


def _regression(info, label, value) -> Panel:
  functions = {
    "rmse": regression.rmse,
    "mae": regression.mae,
    "r2": regression.r2,
    "pearson": regression.pearson,
  }
  if len(info.classes) == 1:
    return Panel(
      {
        key: partial(function, label[:, 0], value[:, 0])
        for key, function in functions.items()
      },
      {},
    )
  metrics, means = {}, {}
  for key, function in functions.items():
    for t, name in enumerate(info.classes):
      metrics[f"{key}[{name}]"] = partial(function, label[:, t], value[:, t])
    means[key] = _mean(info, key)
  if len(set(info.units)) > 1:
    why = "the targets have different units: see each target"
    for key in ("rmse", "mae"):
      means[key] = means[key]._replace(reason=why)
  return Panel(metrics, means)


def _mean(info: Info, key: str) -> Mean:
  """The mean of a metric over the classes; of precision, see `precision`."""
  column = f"_{key}" if key.startswith("precision") else key
  return Mean({name: f"{column}[{name}]" for name in info.classes})


def _one(label, prob, called, threshold, specificity) -> dict[str, Metric]:
  """Every metric of one binary problem, by name."""
  called = np.where(np.isfinite(prob), called, np.nan)
  metrics = {
    "auroc": partial(ranking.auroc, label, prob),
    "average_precision": partial(ranking.average_precision, label, prob),
    "accuracy": partial(classification.accuracy, label, called),
    "balanced_accuracy": partial(
      classification.balanced_accuracy, label, called
    ),
    "precision": partial(classification.precision, label, called),
    "recall": partial(classification.recall, label, called),
    "specificity": partial(classification.specificity, label, called),
    "f1": partial(classification.f1, label, called),
    "brier": partial(calibration.brier, label, prob),
    "calibration_error": partial(calibration.calibration_error, label, prob),
    "calibration_slope": partial(calibration.calibration_slope, label, prob),
    "calibration_intercept": partial(
      calibration.calibration_intercept, label, prob
    ),
  }
  at = {
    f"sensitivity_at_specificity_{100 * specificity:g}": (
      operating.sensitivity_at
    ),
    "specificity_at_threshold": operating.specificity_at,
    "precision_at_threshold": operating.precision_at,
  }
  for name, function in at.items():
    metrics[name] = (
      _no_threshold
      if threshold is None
      else partial(function, label, prob, threshold=threshold)
    )
  return metrics


def _no_threshold(weight: np.ndarray | None) -> float:
  raise Undefined("no threshold could be chosen on validation")
