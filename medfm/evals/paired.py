"""How much better one model is than another on the same examples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.evals.panel import known, panel
from medfm.metrics import bootstrap
from medfm.metrics.bootstrap import Metric
from medfm.types import Info


def difference(
  info: Info,
  label: np.ndarray,
  prediction_a: Mapping[str, np.ndarray],
  prediction_b: Mapping[str, np.ndarray],
  *,
  patients: np.ndarray | None = None,
  thresholds_a: Mapping[str, float] | None = None,
  thresholds_b: Mapping[str, float] | None = None,
  replicates: int = 1000,
  seed: int = 0,
  specificity: float = 0.9,
) -> dict[str, dict[str, Any]]:
  """Metric of a - metric of b, with 95 % intervals, by metric.

  Both are measured on the same resamples of patients, so that an easy or
  hard resample cancels; each model at its own thresholds. Means are taken
  over the classes that both can be measured on. Arguments as in `scores`.
  """
  rows, known_label, prediction_a = known(info, label, prediction_a)
  _, _, prediction_b = known(info, label, prediction_b)
  patients = None if patients is None else np.asarray(patients)[rows]
  panels = [
    panel(
      info,
      known_label,
      prediction,
      thresholds=thresholds,
      specificity=specificity,
    )
    for prediction, thresholds in (
      (prediction_a, thresholds_a),
      (prediction_b, thresholds_b),
    )
  ]
  return bootstrap.intervals(
    {
      name: _minus(metric, panels[1].metrics[name])
      for name, metric in panels[0].metrics.items()
    },
    bootstrap.clusters(patients, len(known_label)),
    means=panels[0].means,
    replicates=replicates,
    seed=seed,
  )


def _minus(a: Metric, b: Metric) -> Metric:
  return lambda weight: a(weight) - b(weight)
