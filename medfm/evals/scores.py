"""The scores of one split: what `results.json` and the report show."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from medfm.evals.panel import known, panel
from medfm.metrics import bootstrap, classification, entities, perplexity
from medfm.types import Info

MIN_GROUP = 10
UNKNOWN = "unknown"


def scores(
  info: Info,
  label: np.ndarray,
  prediction: Mapping[str, np.ndarray],
  *,
  patients: np.ndarray | None = None,
  groups: Mapping[str, np.ndarray] | None = None,
  thresholds: Mapping[str, float] | None = None,
  replicates: int = 1000,
  seed: int = 0,
  specificity: float = 0.9,
) -> dict[str, Any]:
  """Metrics with 95 % intervals, JSON-able, over the labelled examples.

  label: multiclass [N] with -1 unknown, multilabel [N,K] or regression [N,T]
    with NaN missing. prediction: {"probs": [N,K]} or {"value": [N,T]}.
  patients: [N], resampled as wholes; None resamples examples.
  groups: name -> [N] levels; "" is shown as "unknown".
  thresholds: of `thresholds.thresholds` on validation. Without them, the
    metrics at a threshold say that they have none.
  replicates: 0 leaves the intervals out (for monitoring while training).

  Gives n (labelled examples), unlabelled (those left out), patients (None
  where unknown), metrics, thresholds, groups and, for a multiclass task,
  confusion at the most probable class; for labelled words, that of entities,
  and `entities`, type -> outcome -> count (`metrics.entities.errors`). Entries
  are those of `bootstrap.intervals`.
  """
  rows, label, prediction = known(info, label, prediction)
  patients = None if patients is None else np.asarray(patients)[rows]
  settings = {
    "thresholds": thresholds,
    "replicates": replicates,
    "seed": seed,
    "specificity": specificity,
  }
  result = {
    **_table(info, label, prediction, patients, **settings),
    "unlabelled": int((~rows).sum()),
    "thresholds": dict(thresholds or {}),
    "groups": {},
  }
  result |= _confusion(info, label, prediction)
  for name, levels in (groups or {}).items():
    levels = np.asarray(levels, str)[rows]
    levels = np.where(levels == "", UNKNOWN, levels)
    result["groups"][name] = {
      str(level): _group(
        info, label, prediction, patients, levels == level, settings
      )
      for level in np.unique(levels)
    }
  return result


def mean_loss(
  outputs: Mapping[str, np.ndarray],
  *,
  language: bool = False,
  patients: np.ndarray | None = None,
  replicates: int = 1000,
  seed: int = 0,
) -> dict[str, Any]:
  """n, patients and the metric `loss` of a pretext task, as `scores` has them.

  outputs: `loss` [N] and, where examples count unequally, `weight` [N]; of a
    language model the mean loss of a row's tokens and their number.
  language: gives `perplexity` as well, and of pairs of texts, where
    `next_sentence_accuracy` [N] is there, its mean.
  """
  losses = np.asarray(outputs["loss"], np.float64)
  share = np.asarray(outputs.get("weight", np.ones(len(losses))), np.float64)
  metrics = {"loss": partial(perplexity.loss, losses, share)}
  if language:
    metrics["perplexity"] = partial(perplexity.perplexity, losses, share)
  if "next_sentence_accuracy" in outputs:
    right = np.asarray(outputs["next_sentence_accuracy"], np.float64)
    metrics["next_sentence_accuracy"] = partial(
      perplexity.loss, right, np.ones(len(right))
    )
  cluster = bootstrap.clusters(patients, len(losses))
  return {
    "n": len(losses),
    "patients": None if patients is None else len(np.unique(cluster)),
    "metrics": bootstrap.intervals(
      metrics, cluster, replicates=replicates, seed=seed
    ),
    "thresholds": {},
    "groups": {},
  }


def _table(
  info,
  label,
  prediction,
  patients,
  *,
  thresholds,
  replicates,
  seed,
  specificity,
  detail: bool = True,
) -> dict[str, Any]:
  """n, patients and metrics; without detail, no metric of a single class."""
  metrics, means = panel(
    info, label, prediction, thresholds=thresholds, specificity=specificity
  )
  cluster = bootstrap.clusters(patients, len(label))
  entries = bootstrap.intervals(
    metrics, cluster, means=means, replicates=replicates, seed=seed
  )
  return {
    "n": len(label),
    "patients": None if patients is None else len(np.unique(cluster)),
    "metrics": {
      name: entry
      for name, entry in entries.items()
      if detail or not name.endswith("]")
    },
  }


def _group(info, label, prediction, patients, rows, settings):
  label = label[rows]
  patients = None if patients is None else patients[rows]
  prediction = {name: array[rows] for name, array in prediction.items()}
  small = len(label) < MIN_GROUP
  if small:
    settings = settings | {"replicates": 0}
  table = _table(info, label, prediction, patients, **settings, detail=False)
  if small:
    nothing = {
      "value": None,
      "low": None,
      "high": None,
      "reason": f"fewer than {MIN_GROUP} examples",
    }
    table["metrics"] = {name: dict(nothing) for name in table["metrics"]}
  return table


def _confusion(info, label, prediction) -> dict[str, Any]:
  """Counts of label (row) by most probable class (column), or of entities."""
  if not len(label):
    return {}
  if info.task == "tokens":
    return _entities(info, label, prediction["tags"])
  if info.task != "multiclass" or not np.isfinite(prediction["probs"]).all():
    return {}
  counts = classification.confusion(
    label, np.argmax(prediction["probs"], 1), classes=len(info.classes)
  ).astype(int)
  classes = list(info.classes)
  return {"confusion": {"classes": classes, "counts": counts.tolist()}}


def _entities(info, label, tags) -> dict[str, Any]:
  """Entities by true and predicted type, and by what became of them."""
  types = list(entities.kinds(info.classes))
  counts = entities.confusion(label, tags, info.classes)
  outcomes = entities.errors(label, tags, info.classes)
  return {
    "confusion": {"classes": [*types, "none"], "counts": counts.tolist()},
    "entities": {
      kind: dict(zip(entities.ERRORS, row, strict=True))
      for kind, row in zip(types, outcomes.tolist(), strict=True)
    },
  }
