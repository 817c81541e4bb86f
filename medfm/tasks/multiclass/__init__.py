"""One class of several."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import calibration, classification, described, ranking
from medfm.tasks import binary, cells, classical, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers, Votes
from medfm.tasks.multiclass import rivals as _rivals
from medfm.types import Info, UserError

Arrays = Mapping[str, np.ndarray]

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "classify.multiclass"
PROBLEM_TYPE = "single_label_classification"
RIVALS = _rivals.RIVALS
LINEAR = "logistic_regression"
condense = labels.condense
assembled = documents.assembled
recoded = labels.renumbered
rivals = classical.default_classifiers
NEGATIVE = ("none", "negative", "no relation")
"""Names of a first class that means: none of the others."""


@dataclasses.dataclass(frozen=True)
class Classes:
  """`label` [B] int: the number of the class, -1 where it is not known.

  names: of the classes, in the order of the numbers.
  counts: training examples of each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], label: np.ndarray) -> Classes:
  """The classes, counted over the training labels [N] (-1 is not counted)."""
  label = np.asarray(label)
  counts = np.bincount(label[label >= 0], minlength=len(names))
  return Classes(tuple(names), tuple(counts.tolist()))


def require_every(target: Classes) -> None:
  """Raises UserError where a class has no training example."""
  for name, count in zip(target.names, target.counts, strict=True):
    if not count:
      raise UserError(
        f"no training example has the class {name!r}: merge it with another, "
        "drop it, or give more data"
      )


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """The rows whose label is not -1; probabilities in float64.

  Raises:
    ValueError: the shapes do not fit `info`, or a label is out of range.
  """
  label = np.asarray(target["label"])
  values = labels.shaped(info, len(label), predicted, "probs")
  count = values.shape[1]
  if len(label) and not -1 <= label.min() <= label.max() < count:
    raise ValueError(f"a label is not one of -1..{count - 1}")
  rows = label >= 0
  return rows, {"label": label[rows]}, {"probs": values[rows]}


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Of two classes the second is the positive one; else one against the rest.

  decisions: of `decide` on validation.
  """
  label, probs = target["label"], predicted["probs"]
  names = list(info.target.names)
  if len(names) > 2:
    return _several(names, label, probs)
  called = np.argmax(probs, 1) if len(probs) else np.zeros(0)
  chosen = binary.threshold(decisions, specificity, names[1])
  metrics = binary.metrics(label, probs[:, 1], called, chosen, specificity)
  return panels.panel(metrics, named=binary.described(specificity))


def _several(
  names: Sequence[str], label: np.ndarray, probs: np.ndarray
) -> panels.Panel:
  called = np.argmax(probs, 1) if len(probs) else np.zeros(0, int)
  called = np.where(np.isfinite(probs).all(1), called, np.nan)
  top = np.max(probs, 1) if len(probs) else np.zeros(0)
  metrics: dict[str, Any] = {
    "accuracy": partial(classification.accuracy, label, called),
    "brier": partial(calibration.brier_multiclass, label, probs),
    "calibration_error": partial(
      calibration.calibration_error, label == called, top
    ),
  }
  for k, name in enumerate(names):
    positive, hit = label == k, np.where(np.isnan(called), called, called == k)
    metrics |= {
      f"auroc[{name}]": partial(ranking.auroc, positive, probs[:, k]),
      f"average_precision[{name}]": partial(
        ranking.average_precision, positive, probs[:, k]
      ),
      f"precision[{name}]": partial(classification.precision, positive, hit),
      f"_precision[{name}]": partial(
        classification.precision, positive, hit, empty=0.0
      ),
      f"recall[{name}]": partial(classification.recall, positive, hit),
      f"specificity[{name}]": partial(
        classification.specificity, positive, hit
      ),
      f"f1[{name}]": partial(classification.f1, positive, hit),
    }
  metrics["weighted_f1"] = partial(classification.weighted_f1, label, called)
  if names[0] in NEGATIVE:
    metrics["micro_f1"] = partial(classification.positive_f1, label, called)
  keys = ("auroc", "average_precision", "precision", "recall", "specificity")
  means = {key: panels.mean(names, key) for key in (*keys, "f1")}
  means["balanced_accuracy"] = means["recall"]
  balanced = described.of(classification.balanced_accuracy)
  named = {"balanced_accuracy": balanced} if balanced else {}
  return panels.panel(metrics, means, named)


def details(info: Info, target: Arrays, predicted: Arrays) -> dict[str, Any]:
  """`confusion`: counts of label (row) by most probable class (column)."""
  label, probs = target["label"], predicted["probs"]
  if not len(label) or not np.isfinite(probs).all():
    return {}
  names = list(info.target.names)
  counts = classification.confusion(
    label, np.argmax(probs, 1), classes=len(names)
  ).astype(int)
  return {"confusion": {"classes": names, "counts": counts.tolist()}}


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """The lowest threshold of the second of two classes with a specificity.

  Its key is `specificity_90[malignant]`; several classes have none.
  """
  if len(info.target.names) != 2:
    return {}
  _, target, predicted = known(info, target, predicted)
  positive = (target["label"] == 1).astype(float)
  question = (info.target.names[1], positive, predicted["probs"][:, 1])
  return binary.thresholds([question], specificity)


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """label, predicted, prob_<class>...; an unknown label is an empty cell."""
  names, probs = info.target.names, np.asarray(predicted["probs"])
  written = {}
  if target is not None:
    written["label"] = [
      names[k] if 0 <= k < len(names) else "" for k in map(int, target["label"])
    ]
  written["predicted"] = [names[k] for k in map(int, probs.argmax(1))]
  return written | cells.written("prob", names, probs)


def table(
  info: Info, rows: Sequence[Mapping[str, str]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """`label` and `probs` of rows of predictions.csv; no column is no label."""
  names = info.target.names
  position = {name: i for i, name in enumerate(names)}
  label = [position.get(row.get("label", ""), -1) for row in rows]
  target = {"label": np.array(label, np.int32)}
  return target, {"probs": cells.read(rows, "prob", names)}


def strata(info: Info, arrays: Arrays) -> np.ndarray | None:
  """[N] the class numbers."""
  del info
  return np.asarray(arrays["label"]) if "label" in arrays else None


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The metric that the best step was chosen by, else the AUROC."""
  return panels.chosen(metrics, select, "auroc")


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers:
  """The most probable class of every labelled example."""
  del info
  label, probs = np.asarray(target["label"]), np.asarray(predicted["probs"])
  rows = np.flatnonzero((label >= 0) & np.isfinite(probs).all(1))
  answer, true = probs[rows].argmax(1), label[rows]
  places = np.full(len(rows), -1)
  certainty = probs[rows].max(1)
  return Answers(rows, answer, true, certainty, answer == true, places)


def votes(info: Info, target: Arrays) -> Votes:
  """Every labelled example votes for its class."""
  label = np.asarray(target["label"])
  rows = label >= 0
  classes = np.eye(len(info.target.names))[label[rows]]
  return Votes(rows, classes, 0.5, "probs")
