"""How a report words and draws ordered classes."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import curves, wording
from medfm.report import plates as drawn
from medfm.report.curves import Binary
from medfm.report.plates import Plate
from medfm.report.reading import Predictions, Stage
from medfm.tasks import ordered


def question(stage: Stage) -> str:
  """What the model was trained to do: `grade from I to IV`."""
  names = [wording.short(name) for name in stage.classes]
  return f"grade from {names[0]} to {names[-1]}"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """ROC and precision-recall of each threshold, and the confusion matrix."""
  predictions = stage.predictions.get(split)
  every = thresholds(predictions) if predictions else []
  asked = [each for each in every if each.both]
  if asked:
    total, how = f"{len(every)} thresholds", "one threshold"
    yield from drawn.several_questions(stage, split, asked, total, how)
  yield from drawn.confusion(
    stage,
    split,
    "Confusion matrix of the median class: counts, and the percentage of each "
    "true class.",
  )


def thresholds(predictions: Predictions) -> list[Binary]:
  """Whether an example is of a class or a higher one, for all but the first."""
  label, probs = predictions.target["label"], predictions.predicted["probs"]
  return [
    curves.question(
      name,
      label >= k,
      ordered.at_least(probs, k),
      label >= 0,
      predictions.patients,
    )
    for k, name in ordered.thresholds(predictions.names).items()
  ]


def tables(stage: Stage) -> list[Mapping[str, Any]]:
  """Nothing beyond what every task's report has."""
  return []
