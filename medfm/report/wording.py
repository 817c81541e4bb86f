"""Names of metrics, formatted numbers, and what may be said of a difference."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

_METRICS = {
  "auroc": (
    "AUROC",
    "chance that a random positive is ranked above a random negative; 0.5 is "
    "guessing, 1 is perfect",
  ),
  "average_precision": (
    "Average precision",
    "area under the precision-recall curve; guessing scores the prevalence",
  ),
  "accuracy": ("Accuracy", "share of predictions that are right"),
  "balanced_accuracy": ("Balanced accuracy", "mean recall over the classes"),
  "precision": (
    "Precision",
    "share of those called positive that are (positive predictive value)",
  ),
  "recall": (
    "Recall",
    "share of the positives that are called positive (sensitivity)",
  ),
  "sensitivity": (
    "Sensitivity",
    "share of the positives that are called positive (recall)",
  ),
  "specificity": (
    "Specificity",
    "share of the negatives that are called negative",
  ),
  "f1": ("F1", "harmonic mean of precision and recall"),
  "brier": (
    "Brier score",
    "mean squared error of the probabilities; less is better",
  ),
  "log_loss": (
    "Log loss",
    "mean negative log probability of the truth; less is better",
  ),
  "calibration_error": (
    "Calibration error",
    "mean gap between predicted and observed frequency; less is better",
  ),
  "calibration_slope": (
    "Calibration slope",
    "1 is ideal; below 1 the probabilities are too extreme",
  ),
  "calibration_intercept": (
    "Calibration intercept",
    "0 is ideal; below 0 the risk is overestimated",
  ),
  "sensitivity_at_specificity": (
    "Sensitivity at fixed specificity",
    "share of positives found where specificity is held at the stated value",
  ),
  "sensitivity_at_threshold": (
    "Sensitivity at threshold",
    "share of the positives found at the threshold chosen on validation",
  ),
  "recall_at_threshold": (
    "Recall at threshold",
    "share of the positives found at the threshold chosen on validation",
  ),
  "specificity_at_threshold": (
    "Specificity at threshold",
    "share of the negatives cleared at the threshold chosen on validation",
  ),
  "precision_at_threshold": (
    "Precision at threshold",
    "share of those at or above the threshold that are positive",
  ),
  "cohen_kappa": ("Cohen's κ", "agreement beyond chance; 1 is perfect"),
  "mcc": ("MCC", "correlation of prediction and truth; 0 is guessing"),
  "rmse": (
    "RMSE",
    "root mean squared error, in the target's unit; less is better",
  ),
  "mae": ("MAE", "mean absolute error, in the target's unit; less is better"),
  "r2": ("R²", "share of the target's variance explained; 0 is the mean"),
  "pearson": ("Pearson r", "linear correlation of predicted and observed"),
  "spearman": ("Spearman ρ", "rank correlation of predicted and observed"),
  "loss": ("Loss", "what training minimised; less is better"),
  "perplexity": (
    "Perplexity",
    "of how many equally likely tokens the model chooses; less is better, and "
    "only models with one tokenizer compare",
  ),
  "macro_f1": ("Macro F1", "mean of the types' F1"),
  "micro_f1": ("Micro F1", "F1 over all classes but the negative one"),
  "token_accuracy": ("Token accuracy", "share of words with the right tag"),
}

_LESS = {
  "loss",
  "perplexity",
  "rmse",
  "mae",
  "mse",
  "brier",
  "log_loss",
  "nll",
  "calibration_error",
  "ece",
  "median_absolute_error",
}

_MAIN = {
  "multiclass": ("auroc",),
  "multilabel": ("auroc",),
  "regression": ("rmse", "r2"),
  "tokens": ("f1",),
  "none": ("loss",),
}


def stem(metric: str) -> str:
  """The metric's name without its class, label or group: `auroc[a]`."""
  return metric.partition("[")[0]


def title(metric: str) -> str:
  """A metric as a reader knows it: `auroc[a]` -> `AUROC, a`."""
  name, bracket, inside = metric.partition("[")
  shown = _METRICS.get(name, (name.replace("_", " ").capitalize(), ""))[0]
  return f"{shown}, {inside.removesuffix(']')}" if bracket else shown


def meaning(metric: str) -> str:
  """One clause on how to read a metric; "" where we have none."""
  name = stem(metric)
  name = name if name in _METRICS else name.rstrip("0123456789.").rstrip("_")
  return _METRICS.get(name, ("", ""))[1]


def less_is_better(metric: str) -> bool:
  name = stem(metric)
  return name in _LESS or name.endswith(("_loss", "_error", "rmse", "mae"))


def main(task: str, metrics: Iterable[str], select: str = "") -> list[str]:
  """The metrics that answer a task's question, of those there are.

  select: the metric that a classifier's best step was chosen by; it is the
    answer then.
  """
  names = list(metrics)
  if select in names and task in ("multiclass", "multilabel", "tokens"):
    return [select]
  found = [name for name in _MAIN.get(task, ()) if name in names]
  if task == "none":
    rest = [name for name in names if name not in found and "[" not in name]
    return (found + rest)[:3]
  return found or names[:1]


def number(
  value: float | None, signed: bool = False, scale: float | None = None
) -> str:
  """A value with the digits worth reading.

  Args:
    value: what to write; `n/a` where it is None or not finite.
    signed: shows a plus.
    scale: the largest size of the numbers it stands beside; its own if None.
  """
  if value is None or not math.isfinite(value):
    return "n/a"
  size = abs(value) if abs(value) > 1e-9 else 0.0
  scale = size if scale is None else max(size, scale)
  if 0 < scale < 0.0005:
    text = f"{size:.1e}"
  else:
    digits = sum(scale < limit for limit in (9.9995, 99.995, 999.95))
    text = f"{size:,.{digits}f}"
  sign = "−" if value < 0 else "+" if signed else ""
  return (sign if size else "") + text


def ends(entry: Mapping[str, Any], signed: bool = False) -> tuple[str, ...]:
  """A metric's value, low and high, in the same digits; () without them.

  Only the value where there is no interval.
  """
  found = [entry.get(name) for name in ("value", "low", "high")]
  if found[0] is None:
    return ()
  found = found[:1] if None in found else found
  scale = max(abs(value) for value in found)
  scale = scale if scale > 1e-9 else 0.0
  return tuple(number(value, signed, scale) for value in found)


def interval(entry: Mapping[str, Any] | None, signed: bool = False) -> str:
  """`0.912 [0.880, 0.940]`, or `n/a (reason)`."""
  shown = ends(entry or {}, signed)
  if not shown:
    reason = (entry or {}).get("reason")
    return f"n/a ({reason})" if reason else "n/a"
  return shown[0] + (f" [{shown[1]}, {shown[2]}]" if len(shown) > 1 else "")


def spoken(entry: Mapping[str, Any], signed: bool = False) -> str:
  """`0.912 (95 % interval 0.880 to 0.940)`, for sentences."""
  shown = ends(entry, signed)
  if len(shown) < 3:
    return f"{interval(entry, signed)} (no interval)"
  return f"{shown[0]} (95 % interval {shown[1]} to {shown[2]})"


def verdict(metric: str, difference: Mapping[str, Any]) -> str:
  """`better`, `worse`, `no difference shown` or `not assessed`.

  Of the first of two, where `difference` is the first minus the second: only
  an interval that excludes 0 shows a difference.
  """
  low, high = difference.get("low"), difference.get("high")
  if difference.get("value") is None or low is None or high is None:
    return "not assessed"
  if low <= 0 <= high:
    return "no difference shown"
  return "better" if (low > 0) != less_is_better(metric) else "worse"


def count(n: int | None, noun: str = "") -> str:
  """`1,234 patients`; `patients not known` where n is None."""
  if n is None:
    return f"{noun} not known" if noun else "not known"
  singular = noun.removesuffix("s") if n == 1 else noun
  return f"{n:,} {singular}".strip()


def percent(share: float) -> str:
  """`73.1 %`; enough digits that a rare condition is not shown as 0."""
  digits = 1 if share >= 0.01 or share == 0 else 2
  return f"{100 * share:.{digits}f} %"


def short(text: str, width: int = 28) -> str:
  """Text cut to a width, with an ellipsis where something was cut."""
  return text if len(text) <= width else text[: width - 1].rstrip() + "…"
