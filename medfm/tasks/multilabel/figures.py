"""How a report words and draws several labels at once."""

from collections.abc import Iterator

import numpy as np

from medfm.report import curves, wording
from medfm.report import plates as drawn
from medfm.report.curves import Binary
from medfm.report.plates import Plate
from medfm.report.reading import Predictions, Stage


def question(stage: Stage) -> str:
  """What the model was trained to do: `predict the 2 labels a and b`."""
  names = [wording.short(name) for name in stage.classes]
  return f"predict the {len(names)} labels {wording.listed(names)}"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """ROC, precision-recall and calibration, a line for each label."""
  predictions = stage.predictions.get(split)
  every = questions(predictions) if predictions else []
  if asked := [each for each in every if each.both]:
    total = f"{len(stage.classes)} labels"
    yield from drawn.several_questions(stage, split, asked, total, "per label")
    title = drawn.title_of(split, asked, total)
    yield drawn.calibration(stage, split, asked, title)


def questions(predictions: Predictions) -> list[Binary]:
  """One for each label, of the examples whose label is known."""
  label, probs = predictions.target["label"], predictions.predicted["probs"]
  columns = zip(predictions.names, label.T, probs.T, strict=True)
  return [
    curves.question(
      name, true > 0.5, prob, np.isfinite(true), predictions.patients
    )
    for name, true, prob in columns
  ]
