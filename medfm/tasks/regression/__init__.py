"""One number or several."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import regression
from medfm.tasks import cells, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers, Votes
from medfm.tasks.regression import rivals as _rivals
from medfm.types import Batch, Info, Split

Arrays = Mapping[str, np.ndarray]

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "regress.regression"
PROBLEM_TYPE = "regression"
RIVALS = _rivals.RIVALS
LINEAR = "ridge"
_METRICS = {
  "rmse": regression.rmse,
  "mae": regression.mae,
  "r2": regression.r2,
  "pearson": regression.pearson,
}


@dataclasses.dataclass(frozen=True)
class Numbers:
  """`label` [B,T] in raw units, NaN where a target is not known.

  names: of the targets, in the order of the columns.
  mean, std: [T], of the training split.
  units: of each target; "" where not known.
  """

  names: tuple[str, ...]
  mean: tuple[float, ...] = ()
  std: tuple[float, ...] = ()
  units: tuple[str, ...] = ()


def fitted(
  names: Sequence[str], label: np.ndarray, units: Sequence[str] = ()
) -> Numbers:
  """Mean and standard deviation over the training labels [N,T]."""
  values = np.asarray(label, np.float64)
  return Numbers(
    tuple(names),
    tuple(values.mean(0).tolist()),
    tuple(values.std(0).tolist()),
    tuple(units) or ("",) * len(names),
  )


def condense(info: Info, batch: Batch, outputs: Arrays) -> dict:
  """`value` [B,T] in raw units."""
  del info, batch
  return {"value": outputs["value"]}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, dict[str, np.ndarray]]:
  """One row per text, of whose windows it is the mean."""
  return documents.assembled(info, split, predicted)


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """The rows with a known target; see `labels.known_columns`."""
  return labels.known_columns(info, target, predicted, "value")


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Errors and correlations of each target, and their means over several.

  Errors of targets in different units have no mean. Nothing is decided, so
  decisions and specificity change nothing.
  """
  del decisions, specificity
  label, value = target["label"], predicted["value"]
  names = info.target.names
  if len(names) == 1:
    return panels.panel(
      {
        key: partial(function, label[:, 0], value[:, 0])
        for key, function in _METRICS.items()
      }
    )
  metrics: dict[str, Any] = {
    f"{key}[{name}]": partial(function, label[:, t], value[:, t])
    for key, function in _METRICS.items()
    for t, name in enumerate(names)
  }
  means = {key: panels.mean(names, key) for key in _METRICS}
  if len(set(getattr(info.target, "units", ()))) > 1:
    why = "the targets have different units: see each target"
    for key in ("rmse", "mae"):
      means[key] = means[key]._replace(reason=why)
  return panels.panel(metrics, means)


def details(info: Info, target: Arrays, predicted: Arrays) -> dict[str, Any]:
  """Nothing more."""
  del info, target, predicted
  return {}


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """Nothing is decided."""
  del info, target, predicted, specificity
  return {}


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """label_<target>..., value_<target>...; an unknown one is an empty cell."""
  names, written = info.target.names, {}
  if target is not None:
    written = cells.written("label", names, target["label"])
  return written | cells.written("value", names, predicted["value"])


def table(
  info: Info, rows: Sequence[Mapping[str, str]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """`label` and `value` of rows of predictions.csv."""
  names = info.target.names
  target = {"label": cells.read(rows, "label", names)}
  return target, {"value": cells.read(rows, "value", names)}


def strata(info: Info, arrays: Arrays) -> np.ndarray | None:
  """None: there are no classes."""
  del info, arrays


def recoded(arrays: Arrays, info: Info, trained: Info) -> dict:
  """The targets in the order of training, by name."""
  return labels.reordered(arrays, info, trained)


def rivals(info: Info) -> tuple[str, ...]:
  """The mean and what is tuned on the kind of input."""
  return _rivals.of_numbers(info)


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The error in the target's unit, and the share of variance explained."""
  del select
  names = list(metrics)
  return [name for name in ("rmse", "r2") if name in names] or names[:1]


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers | None:
  """None: a number is neither right nor wrong."""
  del info, target, predicted


def votes(info: Info, target: Arrays) -> Votes:
  """Every example votes for its known targets."""
  label = np.asarray(target["label"])
  fallback = np.asarray(getattr(info.target, "mean", ()))
  return Votes(np.ones(len(label), bool), label, fallback, "value")
