"""Probes of frozen features."""

import numpy as np
import pytest

from medfm.evals import probes
from medfm.types import Split, UserError
from tests import infos

_INFO = infos.info("toy", "multiclass", ("p", "q"), counts=(20, 20))


def _split(label):
  return Split({"label": label}, np.arange(len(label)).astype(str))


def _case(noise=0.1):
  """Two classes whose features point apart."""
  generator = np.random.default_rng(0)
  label = np.arange(40, dtype="int32") % 2
  centre = np.where(label[:, None] == 1, [[1, 0, 0]], [[0, 1, 0]])
  features = centre + noise * generator.standard_normal((40, 3))
  splits = {"test": _split(label[:10])}
  embeddings = {"train": features, "test": features[:10] * 3}
  return _split(label), embeddings, splits, label[:10]


@pytest.mark.parametrize("probe", [probes.linear, probes.nearest])
def test_features_that_separate_classes_are_read(probe):
  train, embeddings, others, label = _case()
  probs = probe(train, embeddings, others, _INFO)["test"]["probs"]
  np.testing.assert_array_equal(probs.argmax(1), label)
  np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_the_nearest_vote_is_the_weighted_share_of_the_neighbours():
  train = _split(np.array([0, 1, 1, -1], "int32"))
  keys = np.array([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
  embeddings = {"train": keys, "test": np.array([[2.0, 1]])}
  others = {"test": _split(np.array([0], "int32"))}
  found = probes.nearest(
    train, embeddings, others, _INFO, neighbours=2, temperature=0.5
  )
  one, two = np.exp(np.array([2, 1]) / np.sqrt(5) / 0.5)
  np.testing.assert_allclose(
    found["test"]["probs"], [[one / (one + two), two / (one + two)]], rtol=1e-5
  )


def test_missing_labels_have_no_vote():
  info = infos.info("toy", "multilabel", ("a", "b"))
  label = np.array([[1, np.nan], [np.nan, np.nan]], "float32")
  embeddings = {"train": np.eye(2), "test": np.ones((1, 2))}
  others = {"test": _split(np.zeros((1, 2), "float32"))}
  found = probes.nearest(_split(label), embeddings, others, info)
  np.testing.assert_allclose(found["test"]["probs"], [[1, 0.5]])


def test_a_split_without_its_features_is_refused():
  train, embeddings, others, _ = _case()
  del embeddings["test"]
  with pytest.raises(UserError, match="lacks the embedding"):
    probes.linear(train, embeddings, others, _INFO)


def test_probes_go_by_name_and_an_unknown_one_is_refused():
  train, embeddings, others, label = _case()
  for name in ("linear", "nearest"):
    found = probes.predictions(name, train, embeddings, others, _INFO)
    np.testing.assert_array_equal(found["test"]["probs"].argmax(1), label)
  with pytest.raises(UserError, match="choose from linear, nearest"):
    probes.predictions("knn", train, embeddings, others, _INFO)
