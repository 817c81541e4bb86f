"""The metrics of segmented structures and single objects, for a task's panel.

`measured` holds the columns of `overlap.measures` [N,K] or of
`instances.scores` [N], one row per case.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import described, instances, overlap, regions, sizes
from medfm.metrics.bootstrap import Mean, Metric
from medfm.metrics.described import Description
from medfm.tasks import labels
from medfm.tasks import panel as panels
from medfm.types import Arrays

_COLUMNS = {
  "dice": regions.dice,
  "iou": regions.iou,
  "surface_dice": regions.surface_dice,
  "hd95": regions.hd95,
  "median_hd95": regions.median_hd95,
  "assd": regions.assd,
}
_DISTANCES = ("hd95", "median_hd95", "assd")
_SIZES = (
  sizes.size_bias,
  sizes.lower_limit,
  sizes.upper_limit,
  sizes.size_error,
)
_PRESENCE = (sizes.presence_sensitivity, sizes.presence_specificity)
_OF_IMAGES = (
  regions.mean_ap,
  regions.ap50,
  regions.panoptic_quality,
  regions.aggregated_jaccard,
)
_OF_OBJECTS = (
  regions.object_precision,
  regions.object_recall,
  regions.object_f1,
)


def unit_of_size(axes: int, unit: str) -> str:
  """The unit of sizes in a grid of 2 or 3 axes, measured in "mm" or "px"."""
  if unit == "px":
    return "px"
  return "ml" if axes == 3 else "mm²"


def panel(
  measured: Arrays,
  names: Sequence[str],
  *,
  unit: str,
  size_unit: str,
  tolerance: float,
) -> panels.Panel:
  """Overlap, distances, sizes and presence of each structure, and means of the
  first two over several.

  names: of the K structures. unit: of distances and the tolerance, "mm" or
  "px". Whether a structure is present is only scored where some case lacks it.
  """
  metrics: dict[str, Metric] = {}
  for k, name in enumerate(names):
    column = {key: np.asarray(measured[key])[:, k] for key in overlap.NAMES}
    suffix = f"[{name}]" if len(names) > 1 else ""
    metrics |= {f"{key}{suffix}": m for key, m in _of_one(column).items()}
  means = {}
  if len(names) > 1:
    means = {
      key: Mean({name: f"{key}[{name}]" for name in names}) for key in _COLUMNS
    }
  return panels.panel(metrics, means, _named(unit, size_unit, tolerance))


def objects(measured: Arrays) -> dict[str, Metric]:
  """The metrics of single objects: means of images, and shares of objects."""
  metrics = {
    function.__name__: partial(function, np.asarray(measured[name]))
    for name, function in zip(instances.NAMES, _OF_IMAGES, strict=False)
  }
  counts = [
    np.asarray(measured[f"objects_{which}"])
    for which in ("found", "predicted", "true")
  ]
  return metrics | panels.bound(_OF_OBJECTS, *counts)


def written(measured: Arrays, names: Sequence[str]) -> dict[str, list[str]]:
  """Columns of predictions.csv: `dice_<structure>` of [N,K], `mean_ap` of [N];
  NaN is an empty cell."""
  columns = {}
  for key, values in measured.items():
    values = np.asarray(values)
    if values.ndim == 1:
      columns[key] = labels.numbers(values)
    else:
      columns |= labels.written(key, names, values)
  return columns


def read(rows: labels.Rows, names: Sequence[str]) -> dict[str, np.ndarray]:
  """What `written` wrote of structures [N,K] and, if there, of objects [N]."""
  measured = {key: labels.read(rows, key, names) for key in overlap.NAMES}
  for key in instances.NAMES:
    if rows and key in rows[0]:
      cells = [float(row[key] or "nan") for row in rows]
      measured[key] = np.array(cells, np.float32)
  return measured


def outcomes(measured: Arrays, names: Sequence[str]) -> dict[str, Any]:
  """JSON-able, structure -> outcome -> cases, as `overlap.OUTCOMES`."""
  counts = overlap.outcomes(measured).tolist()
  return {
    name: dict(zip(overlap.OUTCOMES, row, strict=True))
    for name, row in zip(names, counts, strict=True)
  }


def _of_one(column: Mapping[str, np.ndarray]) -> dict[str, Metric]:
  """The metrics of one structure, by stem."""
  metrics: dict[str, Metric] = {
    key: partial(function, column[key.removeprefix("median_")])
    for key, function in _COLUMNS.items()
  }
  metrics |= panels.bound(_SIZES, column["true_size"], column["predicted_size"])
  there, called = column["in_truth"], column["in_predicted"]
  if not len(there) or not there.all():
    metrics |= panels.bound(_PRESENCE, there, called)
  return metrics


def _named(
  unit: str, size_unit: str, tolerance: float
) -> dict[str, Description]:
  """Descriptions with their units, by stem."""
  made = {}
  units = dict.fromkeys(_DISTANCES, unit)
  units |= {function.__name__: size_unit for function in _SIZES}
  units["surface_dice"] = f"{tolerance:g} {unit}"
  functions = _COLUMNS | {f.__name__: f for f in _SIZES}
  for key, words in units.items():
    description = described.of(functions[key])
    if description is not None:
      title = f"{description.title} ({words})"
      made[key] = description._replace(title=title)
  return made
