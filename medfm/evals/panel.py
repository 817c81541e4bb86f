"""Which metrics a task has, bound to the labels and predictions of a split."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from medfm.metrics import (
  calibration,
  classification,
  entities,
  operating,
  ranking,
  regression,
)
from medfm.metrics.bootstrap import Mean, Metric
from medfm.metrics.undefined import Undefined, ratio, settled
from medfm.types import Info, UserError

MULTILABEL_CUT = 0.5
NEGATIVE = ("none", "negative", "no relation")
"""A first class of this name is what relations are told from."""


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
  if info.task == "tokens":
    return _tokens(info, label, prediction["tags"])
  raise UserError(
    f"{info.name}: task {info.task!r} has no labels to score; evaluate a"
    " multiclass, multilabel, regression or tokens stage"
  )


def known(
  info: Info, label: np.ndarray, prediction: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
  """Labels and predictions in float64 of the rows that have a label.

  Gives (rows [N] bool, label, prediction). A multiclass label of -1 is
  unknown; a row of a multilabel or regression task is unknown if all its
  labels are NaN. Of labelled words (tokens), label and prediction["tags"] are
  [N,W], and a row counts if one of its words has a label.

  Raises:
    ValueError: the shapes do not fit `info`, or a label is out of range.
  """
  if info.task == "tokens":
    return _known_words(info, np.asarray(label), prediction["tags"])
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


def _known_words(
  info: Info, label: np.ndarray, tags: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
  tags = np.asarray(tags)
  if tags.shape != label.shape:
    raise ValueError(f"tags have shape {tags.shape}, expected {label.shape}")
  if label.size and not -1 <= label.min() <= label.max() < len(info.classes):
    raise ValueError(f"a label is not one of -1..{len(info.classes) - 1}")
  rows = (label >= 0).any(1)
  return rows, label[rows], {"tags": tags[rows]}


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
  metrics["micro_f1"] = partial(_pooled_f1, label, probs)
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

  metrics["weighted_f1"] = partial(_weighted_f1, label, called)
  if info.classes[0] in NEGATIVE:
    metrics["micro_f1"] = partial(_micro_f1, label, called)
  keys = ("auroc", "average_precision", "precision", "recall", "specificity")
  means = {key: _mean(info, key) for key in (*keys, "f1")}
  means["balanced_accuracy"] = means["recall"]
  return Panel(metrics, means)


def _micro_f1(label, called, weight: np.ndarray | None):
  """F1 over all classes but the first: as relation extraction is scored."""
  if np.isnan(called).any():
    raise Undefined("a prediction is not finite")
  weight = np.ones(len(label)) if weight is None else weight
  right = weight @ ((label == called) & (label > 0)).astype(float)
  total = weight @ ((label > 0).astype(float) + (called > 0))
  return settled(
    ratio(2 * right, total), (total == 0, "no example of these classes")
  )


def _weighted_f1(label, called, weight: np.ndarray | None):
  """The mean of the classes' F1, each by the share of examples that have it.

  A class that is neither had nor called has F1 0, and no share.
  """
  if np.isnan(called).any():
    raise Undefined("a prediction is not finite")
  weight = np.ones(len(label)) if weight is None else weight
  score = 0.0
  for k in np.unique(label):
    had = weight @ (label == k).astype(float)
    right = weight @ ((label == k) & (called == k)).astype(float)
    total = had + weight @ (called == k).astype(float)
    score = score + had * ratio(2 * right, np.maximum(total, 1e-12))
  total = weight @ np.ones(len(label))
  return settled(ratio(score, total), (total == 0, "no example"))


def _pooled_f1(label, probs, weight: np.ndarray | None):
  """F1 of all pairs of example and label together; missing labels left out."""
  if not np.isfinite(probs).all():
    raise Undefined("a prediction is not finite")
  called = probs > MULTILABEL_CUT
  weight = np.ones(len(label)) if weight is None else weight
  known = ~np.isnan(label)
  right = weight @ (known & (label == 1) & called).sum(1).astype(float)
  total = weight @ (
    (known & (label == 1)).sum(1) + (known & called).sum(1)
  ).astype(float)
  return settled(ratio(2 * right, total), (total == 0, "no label is had"))


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


def _tokens(info, label, tags) -> Panel:
  """Strict entity scores: of all types together, of each, and their mean."""
  table = entities.counts(label, tags, info.classes)
  functions = {
    "f1": entities.f1,
    "precision": entities.precision,
    "recall": entities.recall,
  }
  words = label >= 0
  metrics = {name: partial(f, table) for name, f in functions.items()}
  metrics["token_accuracy"] = partial(
    _share, ((tags == label) & words).sum(1), words.sum(1)
  )
  kinds = entities.kinds(info.classes)
  for t, kind in enumerate(kinds):
    metrics |= {
      f"{name}[{kind}]": partial(function, table[:, t : t + 1])
      for name, function in functions.items()
    }
  means = {"macro_f1": Mean({kind: f"f1[{kind}]" for kind in kinds})}
  return Panel(metrics, means if len(kinds) > 1 else {})


def _share(part: np.ndarray, whole: np.ndarray, weight: np.ndarray | None):
  """Sum of part over sum of whole, per resample."""
  weight = np.ones(len(whole)) if weight is None else weight
  total = weight @ whole
  return settled(ratio(weight @ part, total), (total == 0, "no labelled word"))


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
