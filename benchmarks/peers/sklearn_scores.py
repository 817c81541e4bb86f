"""The same metrics by a loop over resamples with scikit-learn's functions."""

import numpy as np
from sklearn import metrics

from benchmarks.peers import arguments, lines


def panel(label: np.ndarray, probs: np.ndarray) -> list[float]:
  """Every metric MedFM reports of a multiclass split."""
  called = probs.argmax(1)
  right = label == called
  classes = np.arange(probs.shape[1])
  values = [metrics.accuracy_score(label, called)]
  values.append(np.square(probs - np.eye(len(classes))[label]).sum(1).mean())
  values.append(calibration_error(right, probs.max(1)))
  table = metrics.confusion_matrix(label, called, labels=classes)
  wrongly = table.sum(0) - table.diagonal()
  negatives = table.sum() - table.sum(1)
  values.extend(1 - wrongly / negatives)  # Specificity.
  precision, recall, f1, _ = metrics.precision_recall_fscore_support(
    label, called, labels=classes, zero_division=0
  )
  for one in (precision, recall, f1):
    values.extend([*one, one.mean()])
  for k in classes:
    mine = label == k
    values.append(metrics.roc_auc_score(mine, probs[:, k]))
    values.append(metrics.average_precision_score(mine, probs[:, k]))
  return values


def calibration_error(right: np.ndarray, top: np.ndarray) -> float:
  """Expected calibration error over ten equal bins."""
  place = np.minimum((top * 10).astype(int), 9)
  gap = np.bincount(place, weights=right - top, minlength=10)
  return float(np.abs(gap).sum() / len(top))


def main() -> None:
  given = arguments.parsed()
  data = np.load(f"{given.data}/predictions.npz")
  label, probs = data["label"], data["probs"]
  generator = np.random.default_rng(0)
  lines.say(1, given.steps, 0.0)
  for done in range(1, given.steps + 1):
    rows = generator.integers(len(label), size=len(label))
    values = panel(label[rows], probs[rows])
    if lines.due(done, given.every):
      lines.say(1 + done, given.steps, 1 - values[0])


if __name__ == "__main__":
  main()
