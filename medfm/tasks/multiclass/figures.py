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
  predictions = stage.predictions.get(split)
  every = questions(predictions) if predictions else []
  asked = [each for each in every if each.both]
  if asked and len(stage.classes) == 2:
    baselines = stage.baselines.get(split, {})
    rivals = {name: questions(each)[0] for name, each in baselines.items()}
    yield from drawn.one_question(stage, split, asked[0], rivals)
  elif predictions and asked:
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
  yield from drawn.confusion(
    stage,
    split,
    "Confusion matrix of the likeliest class: counts, and the percentage of "
    "each true class.",
  )


def questions(predictions: Predictions) -> list[Binary]:
  """Two classes ask one question, about the last; more ask one about each."""
  label, probs = predictions.target["label"], predictions.predicted["probs"]
  names, known = predictions.names, label >= 0
  return [
    curves.question(
      names[k], label == k, probs[:, k], known, predictions.patients
    )
    for k in ([1] if len(names) == 2 else range(len(names)))
  ]


def confidence(predictions: Predictions) -> Binary:
  """Whether the likeliest class is right, against its probability."""
  label, probs = predictions.target["label"], predictions.predicted["probs"]
  right, top = probs.argmax(1) == label, probs.max(1)
  return curves.question("right", right, top, label >= 0, predictions.patients)
