"""How a report words and draws numbers that are predicted."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from medfm.report import plates as drawn
from medfm.report import style, wording
from medfm.report.plates import Plate
from medfm.report.reading import Stage

_MOST_TARGETS = 6
_IN_UNIT = ("rmse", "mae")
"""Metrics in the unit of the target."""


def question(stage: Stage) -> str:
  """What the model was trained to do: `predict glucose`."""
  names = [wording.short(name) for name in stage.classes]
  return f"predict {wording.listed(names)}"


def unit(stage: Stage, metric: str) -> str:
  """The unit of a metric if there is one target; "" if it has no unit."""
  units = list(stage.data.get("units") or ())
  return units[0] if len(units) == 1 and metric in _IN_UNIT else ""


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """Predicted against observed, and the errors, of the first targets."""
  predictions = stage.predictions.get(split)
  if predictions is None:
    return
  label, values = predictions.target["label"], predictions.predicted["value"]
  units = stage.data.get("units") or ("",) * len(predictions.names)
  for k, name in enumerate(predictions.names[:_MOST_TARGETS]):
    known = np.isfinite(label[:, k]) & np.isfinite(values[:, k])
    if not known.any():
      continue
    observed, predicted = label[known, k], values[known, k]
    error = float(np.sqrt(np.mean((observed - predicted) ** 2)))
    title = f"{wording.short(name)}, {split}, n = {len(observed):,}"
    yield Plate(
      drawn.file_name(
        stage.name, split, f"regression_{k}" if k else "regression"
      ),
      "Predicted against observed, and errors with the range that holds 95 % "
      "of them if they are normal.",
      f"Predicted against observed {name} of {stage.name} on {split}: root "
      f"mean squared error {wording.number(error)}.",
      style.png(errors(observed, predicted, title, units[k])),
      wide=True,
    )


def errors(
  observed: np.ndarray, predicted: np.ndarray, title: str, unit: str = ""
) -> Any:
  """Predicted against observed [N], and the errors with their 95 % limits."""
  figure, (left, right) = style.panels(10.8, 4.6, columns=2)
  suffix = f" ({unit})" if unit else ""
  few = len(observed) < 500
  look = {"s": 18 if few else 7, "alpha": 0.6 if few else 0.25}
  look |= {"color": style.BLUE, "edgecolors": "none"}
  both = np.concatenate([observed, predicted])
  ends = np.array([both.min(), both.max()])
  ends = ends + np.array([-0.04, 0.04]) * max(np.ptp(ends), 1e-9)
  left.plot(ends, ends, color=style.BLACK, linewidth=1, label="Identity")
  left.scatter(observed, predicted, **look)
  left.set(xlim=ends, ylim=ends, aspect="equal")
  style.describe(left, title, f"Observed{suffix}", f"Predicted{suffix}")
  style.legend(left, loc="upper left")
  error = predicted - observed
  mean, spread = error.mean(), error.std(ddof=1) if len(error) > 1 else 0.0
  right.scatter(predicted, error, **look)
  right.axhline(0, color=style.BLACK, linewidth=1)
  named = f"Mean error {wording.number(float(mean), signed=True)}"
  for at, dashes, label in (
    (mean, "--", named),
    (mean - 1.96 * spread, ":", None),
    (mean + 1.96 * spread, ":", "Mean ± 1.96 SD"),
  ):
    right.axhline(at, color=style.RED, linestyle=dashes, label=label)
  style.describe(
    right, "Errors", f"Predicted{suffix}", f"Predicted − observed{suffix}"
  )
  style.legend(right)
  return figure
