"""How a report words and draws one class of several."""

from collections.abc import Iterator

from medfm.report import curves, wording
from medfm.report import plates as drawn
from medfm.report.curves import Binary
from medfm.report.plates import Plate
from medfm.report.reading import Predictions, Stage


def question(stage: Stage) -> str:
  """What the model was trained to do: `tell sick from well`."""
  classes = [wording.short(name) for name in stage.classes]
  if len(classes) == 2:
    return f"tell {classes[1]} from {classes[0]}"
  return f"tell {len(classes)} classes apart ({wording.listed(classes)})"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """ROC, precision-recall, calibration, and the confusion matrix."""
  if predictions := stage.predictions.get(split):
    yield from _curves(stage, split, predictions)
  yield from drawn.confusion(
    stage,
    split,
    "Confusion matrix of the likeliest class: counts, and the percentage of "
    "each true class.",
  )


def questions(predictions: Predictions) -> list[Binary]:
  """Two classes ask one question, of the last; more ask one of each."""
  label, probs = predictions.target["label"], predictions.predicted["probs"]
  names = predictions.names
  return [
    curves.question(
      names[k], label == k, probs[:, k], label >= 0, predictions.patients
    )
    for k in ([1] if len(names) == 2 else range(len(names)))
  ]


def confidence(predictions: Predictions) -> Binary:
  """Whether the likeliest class is right, against its probability."""
  label, probs = predictions.target["label"], predictions.predicted["probs"]
  right = probs.argmax(1) == label
  return curves.question(
    "likeliest class", right, probs.max(1), label >= 0, None
  )


def _curves(
  stage: Stage, split: str, predictions: Predictions
) -> Iterator[Plate]:
  asked = [each for each in questions(predictions) if each.both]
  if asked and len(stage.classes) == 2:
    rivals = {
      name: questions(rival)[0]
      for name, rival in stage.baselines.get(split, {}).items()
    }
    yield from drawn.one_question(stage, split, asked[0], rivals)
  elif asked:
    total = f"{len(stage.classes)} classes"
    how = "one class against the rest"
    yield from drawn.several_questions(stage, split, asked, total, how)
    yield drawn.calibration(
      stage,
      split,
      [confidence(predictions)],
      drawn.title_of(split, asked, total),
      "Probability of likeliest",
      "whether the likeliest class is right against its probability",
    )
