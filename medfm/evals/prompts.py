"""Every prompt's own score, their spread, and what calibration changes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.evals import paired, scores
from medfm.types import Info

PLAIN, CALIBRATED = "prompt_probs", "calibrated_probs"
WAYS = {"calibrated": CALIBRATED, "uncalibrated": PLAIN}
METRICS = ("accuracy", "f1", "balanced_accuracy", "auroc")


def table(
  info: Info,
  label: np.ndarray,
  outputs: Mapping[str, np.ndarray],
  *,
  patients: np.ndarray | None = None,
  replicates: int = 1000,
  seed: int = 0,
) -> dict[str, Any]:
  """Scores of O prompts on one split, JSON-able.

  label: [N]. outputs: `prompt_probs` and perhaps `calibrated_probs` [N,O,K].

  Gives `names` of the prompts; by way (calibrated, uncalibrated) `together`,
  the metrics of the mean over all prompts, `each` prompt's own, and `spread`
  over the prompts (mean, min, max and sd; sd is None for a single one); and
  the paired `difference` calibrated - uncalibrated of the means.
  """
  settings = {"patients": patients, "replicates": replicates, "seed": seed}

  def scored(probs):
    found = scores.scores(info, label, {"probs": probs}, **settings)["metrics"]
    return {name: found[name] for name in METRICS}

  ways = {}
  for way, name in WAYS.items():
    if name in outputs:
      probs = np.asarray(outputs[name])
      each = [scored(probs[:, o]) for o in range(probs.shape[1])]
      ways[way] = {
        "together": scored(probs.mean(1)),
        "each": each,
        "spread": {key: _spread([e[key] for e in each]) for key in METRICS},
      }
  result = {"names": list(info.prompts["names"]), "ways": ways}
  if len(ways) > 1:
    difference = paired.difference(
      info,
      label,
      *({"probs": np.asarray(outputs[WAYS[way]]).mean(1)} for way in ways),
      **settings,
    )
    result["difference"] = {name: difference[name] for name in METRICS}
  return result


def _spread(entries: list[Mapping[str, Any]]) -> dict[str, float | None]:
  """Over the prompts; None where a metric was not defined for one."""
  values = [entry["value"] for entry in entries]
  if None in values:
    return dict.fromkeys(("mean", "min", "max", "sd"))
  return {
    "mean": float(np.mean(values)),
    "min": float(np.min(values)),
    "max": float(np.max(values)),
    "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
  }
