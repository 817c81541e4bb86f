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
  blocks = {
    name: [
      block(
        context.task,
        context.info,
        context.splits[name],
        table(
          context.task,
          context.info,
          context.splits[name],
          predicted,
          context.settings,
        ),
        name,
      )
    ]
    for name, predicted in context.predicted.items()
    if PLAIN in predicted
  }
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
    metrics = scores.scores(task, info, target, {"probs": probs}, **drawn)
    return {name: metrics["metrics"][name] for name in METRICS}

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
  asked = getattr(info.only, "prompts", {})
  result = {"names": list(asked["names"]), "ways": ways}
  if len(ways) > 1:
    difference = paired.difference(
      task,
      info,
      target,
      *({"probs": np.asarray(outputs[WAYS[way]]).mean(1)} for way in ways),
      **drawn,
    )
    result["difference"] = {name: difference[name] for name in METRICS}
  return result


def block(
  task: Task, info: Info, split: Split, result: Mapping[str, Any], name: str
) -> Block:
  """The result of `table` as a block of kind "table"."""
  rows, brief = [], []
  for title, cells, short in _rows(result):
    if short:
      brief.append(len(rows))
    rows.append([title, *cells])
  return {
    "kind": "table",
    "title": "Prompts, with 95 % bootstrap intervals",
    "columns": ["Prompts", *_titles(task, info, split)],
    "rows": rows,
    "brief": brief,
    "terminal": True,
  }


def _titles(task: Task, info: Info, split: Split) -> list[str]:
  """The titles of `METRICS`, as the task describes them."""
  target = scores.target_of(task, split.arrays)
  probs = np.zeros((0, len(info.target.names)))
  described = scores.described(task, info, target, {"probs": probs})
  return [described[name].title for name in METRICS]


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
