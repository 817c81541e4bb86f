"""Every prompt's own score, their spread, and what calibration changes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.evals import paired, scores
from medfm.evals.context import Block, Context, Findings, Settings, keeps
from medfm.types import Info, Split, Task

PLAIN, CALIBRATED = "prompt_probs", "calibrated_probs"
WAYS = {"calibrated": CALIBRATED, "uncalibrated": PLAIN}
METRICS = ("accuracy", "f1", "balanced_accuracy", "auroc")


@keeps(PLAIN, CALIBRATED)
def prompts(context: Context) -> Findings:
  """A table of the prompts on each split; none where prompts were not used."""
  if not context.first:
    return Findings()
  blocks = {}
  for name, predicted in context.predicted.items():
    if PLAIN in predicted:
      about = context.task, context.info, context.splits[name]
      result = table(*about, predicted, context.settings)
      blocks[name] = [block(*about, result)]
  return Findings(blocks=blocks)


def table(
  task: Task,
  info: Info,
  split: Split,
  outputs: Mapping[str, np.ndarray],
  settings: Settings,
) -> dict[str, Any]:
  """Scores of O prompts on one split, JSON-able.

  outputs: `prompt_probs` and perhaps `calibrated_probs` [N,O,K].

  Gives `names` of the prompts; by way (calibrated, uncalibrated) `together`,
  the metrics of the mean over all prompts, `each` prompt's own, and `spread`
  over the prompts (mean, min, max and sd; sd is None for a single one); and
  the paired `difference` calibrated - uncalibrated of the means.
  """
  target = scores.target_of(task, split.arrays)
  drawn = {
    "patients": split.patients,
    "replicates": settings.replicates,
    "seed": settings.seed,
  }

  def scored(probs):
    entry = scores.scores(task, info, target, {"probs": probs}, **drawn)
    return {name: entry["metrics"][name] for name in METRICS}

  probs = {w: np.asarray(outputs[n]) for w, n in WAYS.items() if n in outputs}
  means = {way: each.mean(1) for way, each in probs.items()}
  ways = {}
  for way, of_way in probs.items():
    each = [scored(of_way[:, o]) for o in range(of_way.shape[1])]
    spread = {key: _spread([e[key] for e in each]) for key in METRICS}
    together = scored(means[way])
    ways[way] = {"together": together, "each": each, "spread": spread}
  names = list(getattr(info.only, "prompts", {})["names"])
  result = {"names": names, "ways": ways}
  if len(ways) > 1:
    both = [{"probs": mean} for mean in means.values()]
    difference = paired.difference(task, info, target, *both, **drawn)
    result["difference"] = {name: difference[name] for name in METRICS}
  return result


def block(
  task: Task, info: Info, split: Split, result: Mapping[str, Any]
) -> Block:
  """The result of `table` as a block of kind "table"."""
  target = scores.target_of(task, split.arrays)
  probs = np.zeros((0, len(info.target.names)))
  described = scores.described(task, info, target, {"probs": probs})
  rows = list(_rows(result))
  return {
    "kind": "table",
    "title": "Prompts, with 95 % bootstrap intervals",
    "columns": ["Prompts", *(described[name].title for name in METRICS)],
    "rows": [[title, *cells] for title, cells, _ in rows],
    "brief": [place for place, (*_, brief) in enumerate(rows) if brief],
    "terminal": True,
  }


def _rows(result: Mapping[str, Any]) -> Iterator[tuple[str, list[Any], bool]]:
  """(title, cells, whether a terminal shows it) of each row."""
  for way, of_way in result["ways"].items():
    cells = [of_way["together"][key] for key in METRICS]
    yield f"{way}: mean of all prompts' probabilities", cells, True
    for name, alone in zip(result["names"], of_way["each"], strict=True):
      yield f"{way}: {name}", [alone[key] for key in METRICS], False
    spreads = [_written(of_way["spread"][key]) for key in METRICS]
    yield f"{way}: from prompt to prompt", spreads, True
  if "difference" in result:
    gains = [result["difference"][key] | {"signed": True} for key in METRICS]
    yield "calibrated − uncalibrated, paired", gains, True


def _written(spread: Mapping[str, float | None]) -> str:
  """`0.420 to 0.580, SD 0.050`, or the value of a single prompt."""
  if spread["min"] is None:
    return "n/a"
  if spread["sd"] is None:
    return f"{spread['min']:.3f}"
  return f"{spread['min']:.3f} to {spread['max']:.3f}, SD {spread['sd']:.3f}"


def _spread(entries: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
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
