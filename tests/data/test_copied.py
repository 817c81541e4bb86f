"""Labels that are copied into features, and features that are only good."""

import dataclasses

import numpy as np
import pytest

from medfm.data import copied
from medfm.tasks.multiclass import Classes
from medfm.tasks.regression import Numbers
from medfm.types import Split
from tests import infos

N = 400


def _told(features, label, task="multiclass", categories=None):
  names = tuple("abcdef"[: features.shape[1]])
  levels = None if categories is None else {"site": ("x", "y", "z")}
  info = infos.info("toy", task, numeric=names, categorical=levels)
  target = (
    Numbers(("dose",)) if task == "regression" else Classes(("no", "yes"))
  )
  info = dataclasses.replace(info, target=target)
  arrays = {"features": features.astype(np.float32), "label": label}
  if categories is not None:
    arrays["categories"] = categories[:, None].astype(np.int32)
  split = Split(arrays, np.arange(len(label)).astype(str))
  return list(copied.lines(split, info, ("label",)))


@pytest.fixture
def table():
  generator = np.random.default_rng(0)
  label = generator.integers(0, 2, N).astype(np.int32)
  features = generator.normal(size=(N, 3))
  features[:, 0] += 2 * label  # Good, and honest: an AUROC of .92.
  return features, label


def test_honest_features_are_not_warned_of(table):
  assert _told(*table) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_label_copied_into_a_number_is_told(table, sign):
  features, label = table
  features[:, 1] = sign * (5 * label + np.random.default_rng(1).normal(size=N))
  features[::9, 1] = np.nan
  (line,) = _told(features, label)
  assert line.startswith("the feature 'b' alone tells ")
  assert "AUROC of 0.9" in line or "AUROC of 1.0" in line


def test_a_category_that_determines_the_label_is_told(table):
  features, label = table
  codes = np.where(label == 1, 2, np.arange(N) % 2)
  (line,) = _told(features, label, categories=codes)
  assert "'site'" in line and "100.0 % right" in line
  codes[::10] = 1
  assert _told(features, label, categories=codes) == []


def test_a_rare_answer_is_not_told_by_a_category_that_says_nothing(table):
  features, _ = table
  rare = (np.arange(N) < 11).astype(np.int32)
  assert _told(features, rare, categories=np.arange(N) % 3) == []


def test_a_number_that_is_the_target_in_other_units_is_told(table):
  features, _ = table
  label = (37 - 2.5 * features[:, 2:]).astype(np.float32)
  (line,) = _told(features, label, task="regression")
  assert "'c' alone tells" in line and "correlation of -1.0000" in line
  noisy = label + np.random.default_rng(2).normal(0, 0.5, label.shape)
  assert _told(features, noisy.astype(np.float32), task="regression") == []


def test_a_value_that_is_known_of_one_answer_alone_is_told(table):
  features, label = table
  features[label == 1, 1] = np.nan
  (line,) = _told(features, label)
  assert line.startswith("whether the feature 'b' is missing alone tells ")
  features[::9, 1] = 0
  assert _told(features, label) == []


def test_too_few_rows_show_nothing(table):
  features, label = table
  features[:, 1] = label
  assert _told(features[:15], label[:15]) == []
