"""Another cohort in the codes of the one a model was trained on."""

import numpy as np
import pytest

from medfm.data import splits
from medfm.evals import cohorts
from medfm.types import Dataset, Folders, Ragged, Reading, Split, UserError
from tests import infos


def cohort():
  """Its labels are not all known."""
  label = np.array([0, 1, -1, 1, 0], np.int32)
  features = np.zeros((len(label), 2), np.float32)
  return Split({"features": features, "label": label}, np.array(list("vwxyz")))


def test_classes_are_matched_by_name():
  trained = infos.info("here", "multiclass", ("no", "yes"), numeric=("a", "b"))
  other = infos.info("there", "multiclass", ("yes", "no"), numeric=("a", "b"))
  moved = cohorts.as_trained(Dataset({"test": cohort()}, other, {}), trained)
  assert moved.info == trained
  assert moved.splits["test"].arrays["label"].tolist() == [1, 0, -1, 0, 1]


def test_every_row_of_every_split_is_scored():
  info = infos.info("there", "multiclass", ("no", "yes"), numeric=("a", "b"))
  parts = {"train": cohort(), "test": cohort().take(np.array([1, 3]))}
  folders = Folders(None, "")
  data = cohorts.read(
    lambda _: Dataset(parts, info, {}),
    folders,
    Reading(info.inputs, info.target),
  )
  (whole,) = data.splits.values()
  assert whole.arrays["label"].tolist() == [0, 1, -1, 1, 0, 1, 1]
  assert whole.ids.tolist()[-2:] == ["test:w", "test:y"]
  assert list(cohorts.lines(data)) == ["there: all 7 rows (patients unknown)"]


def test_columns_of_many_lengths_are_put_end_to_end():
  column = Ragged(np.arange(6), np.array([2, 3, 6]))
  names = np.array(list("abc"))
  few = Split({"signal": column[np.array([2, 0])]}, names[:2])
  whole = splits.together({"train": Split({"signal": column}, names), "x": few})
  read = [whole[row]["signal"].tolist() for row in range(5)]
  assert read == [[0, 1], [2], [3, 4, 5], [3, 4, 5], [0, 1]]


@pytest.mark.parametrize(
  ("task", "names", "numeric", "message"),
  [
    ("multilabel", ("no", "yes"), ("a", "b"), "has task multilabel"),
    (
      "multiclass",
      ("no", "ill"),
      ("a", "b"),
      "there has 'ill', which .* but lacks 'yes'",
    ),
    (
      "multiclass",
      ("no", "yes"),
      ("a", "c"),
      "there has .*the model was trained on",
    ),
  ],
)
def test_a_cohort_of_another_kind_is_refused(task, names, numeric, message):
  trained = infos.info("here", "multiclass", ("no", "yes"), numeric=("a", "b"))
  other = infos.info("there", task, names, numeric=numeric)
  with pytest.raises(UserError, match=message):
    cohorts.as_trained(Dataset({"test": cohort()}, other, {}), trained)
