"""Operating thresholds, chosen on the validation split and nowhere else."""

from collections.abc import Mapping

import numpy as np

from medfm.evals.panel import known, threshold_name
from medfm.metrics.operating import threshold_at_specificity
from medfm.metrics.undefined import Undefined
from medfm.types import Info


def thresholds(
  info: Info,
  label: np.ndarray,
  prediction: Mapping[str, np.ndarray],
  *,
  specificity: float = 0.9,
) -> dict[str, float]:
  """The lowest threshold with this specificity, per label, on validation.

  Keys are `specificity_90[label]`; a two-class task has that of its second
  class, other tasks none. A label without a negative example, or with a
  prediction that is not finite, has no entry. Predict positive where
  probability >= threshold.
  """
  if info.task == "multiclass" and len(info.classes) == 2:
    columns = [1]
  elif info.task == "multilabel":
    columns = list(range(len(info.classes)))
  else:
    return {}
  _, label, prediction = known(info, label, prediction)
  if info.task == "multiclass":
    label = np.stack([label == 0, label == 1], axis=1).astype(float)
  chosen = {}
  for k in columns:
    try:
      chosen[threshold_name(specificity, info.classes[k])] = (
        threshold_at_specificity(
          label[:, k], prediction["probs"][:, k], specificity=specificity
        )
      )
    except Undefined:
      continue
  return chosen
