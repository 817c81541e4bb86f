"""The score of every prompt, their spread, and what calibration changes."""

from collections.abc import Sequence

import numpy as np

from medfm.evals import paired, scores
from medfm.evals.context import Block, Context, Findings, Settings, keeps
from medfm.types import Arrays, Info, Split, Task

PLAIN, CALIBRATED = "prompt_probs", "calibrated_probs"
WAYS = {"calibrated": CALIBRATED, "uncalibrated": PLAIN}
METRICS = ("accuracy", "f1", "balanced_accuracy", "auroc")


@keeps(PLAIN, CALIBRATED)
def prompts(context: Context) -> Findings:
  """A table of the prompts on each split; nothing if there are no prompts."""
  if not context.first:
    return Findings()
  task, info, settings = context.task, context.info, context.settings
  blocks = {
    name: [table(task, info, context.splits[name], predicted, settings)]
    for name, predicted in context.predicted.items()
    if PLAIN in predicted
  }
  return Findings(blocks=blocks)


def table(
  task: Task, info: Info, split: Split, outputs: Arrays, settings: Settings
) -> Block:
  """A block with the scores of O prompts on one split.

  outputs: `prompt_probs` and perhaps `calibrated_probs` [N,O,K].

  For each of these two it has a row for the mean over all prompts, one for each
  prompt alone, and one for their spread; last comes the paired difference of
  the calibrated and the uncalibrated mean. A terminal shows no single prompt.
  """
  target = scores.target_of(task, split.arrays)
  drawn = {"patients": split.patients, **settings._asdict()}

  def scored(probs: np.ndarray) -> dict:
    entry = scores.scores(task, info, target, {"probs": probs}, **drawn)
    return entry["metrics"]

  names = getattr(info.only, "prompts", {})["names"]
  rows = []  # Title, cells by metric, whether a terminal shows them.
  means = []
  for way, name in WAYS.items():
    if name in outputs:
      probs = np.asarray(outputs[name])
      means.append({"probs": probs.mean(1)})
      title = f"{way}: mean of all prompts' probabilities"
      rows.append((title, scored(probs.mean(1)), True))
      each = [scored(probs[:, o]) for o in range(len(names))]
      titles = [f"{way}: {name}" for name in names]
      rows += zip(titles, each, [False] * len(names), strict=True)
      spread = {m: _spread([e[m]["value"] for e in each]) for m in METRICS}
      rows.append((f"{way}: from prompt to prompt", spread, True))
  if len(means) > 1:
    difference = paired.difference(task, info, target, *means, **drawn)
    gains = {name: difference[name] | {"signed": True} for name in METRICS}
    rows.append(("calibrated − uncalibrated, paired", gains, True))
  titles = scores.described(task, info, target, means[0])
  return {
    "kind": "table",
    "title": "Prompts, with 95 % intervals",
    "columns": ["Prompts", *(titles[name].title for name in METRICS)],
    "rows": [[title, *(cells[m] for m in METRICS)] for title, cells, _ in rows],
    "brief": [place for place, (*_, brief) in enumerate(rows) if brief],
    "terminal": True,
  }


def _spread(values: Sequence[float | None]) -> str:
  """`0.420 to 0.580, SD 0.050`, or the value of a single prompt."""
  if None in values:
    return "n/a"
  if len(values) < 2:
    return f"{values[0]:.3f}"
  deviation = np.std(values, ddof=1)
  return f"{min(values):.3f} to {max(values):.3f}, SD {deviation:.3f}"
