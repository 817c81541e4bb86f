"""Another cohort in the codes of the one a model was trained on."""

import numpy as np
import pytest

from medfm.evals import cohorts
from medfm.types import Dataset, Split, UserError
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


@pytest.mark.parametrize(
  ("task", "names", "numeric", "message"),
  [
    ("multilabel", ("no", "yes"), ("a", "b"), "has task multilabel"),
    ("multiclass", ("no", "ill"), ("a", "b"), "has classes .*'ill'"),
    ("multiclass", ("no", "yes"), ("a", "c"), "there has .*here trained"),
  ],
)
def test_a_cohort_of_another_kind_is_refused(task, names, numeric, message):
  trained = infos.info("here", "multiclass", ("no", "yes"), numeric=("a", "b"))
  other = infos.info("there", task, names, numeric=numeric)
  with pytest.raises(UserError, match=message):
    cohorts.as_trained(Dataset({"test": cohort()}, other, {}), trained)
