"""One number or several."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import regression
from medfm.tasks import absent, cells, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Votes
from medfm.tasks.regression import rivals as _rivals
from medfm.types import Batch, Info

Arrays = Mapping[str, np.ndarray]

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "regress.regression"
PROBLEM_TYPE = "regression"
RIVALS = _rivals.RIVALS
LINEAR = "ridge"
assembled = documents.assembled
details = absent.details
decide = absent.decide
columns = partial(cells.columns, name="value", prefix="value")
table = partial(cells.table, name="value", prefix="value")
strata = absent.strata
recoded = labels.reordered
rivals = _rivals.of_numbers
answers = absent.answers
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


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The error in the target's unit, and the share of variance explained."""
  del select
  names = list(metrics)
  return [name for name in ("rmse", "r2") if name in names] or names[:1]


def votes(info: Info, target: Arrays) -> Votes:
  """Every example votes for its known targets."""
  label = np.asarray(target["label"])
  fallback = np.asarray(getattr(info.target, "mean", ()))
  return Votes(np.ones(len(label), bool), label, fallback, "value")
