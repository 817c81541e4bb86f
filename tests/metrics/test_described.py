"""Every metric that a task shows says what it is and which value is better."""

import functools
import re

import numpy as np
import pytest

from medfm import tasks
from medfm.metrics import described, ranking
from medfm.tasks.panel import stem
from tests import infos

LOSS = {"loss": np.ones(4), "weight": np.ones(4)}
PANELS = {
  "two classes": ("multiclass", ("a", "b"), "probs"),
  "relations": ("multiclass", ("none", "b", "c"), "probs"),
  "labels": ("multilabel", ("a", "b"), "probs"),
  "one number": ("regression", ("a",), "value"),
  "numbers": ("regression", ("a", "b"), "value"),
  "entities": ("tokens", ("O", "B-x", "I-x", "B-y", "I-y"), "tags"),
}


def panel(case):
  kind, names, output = PANELS[case]
  info = infos.info("toy", kind, names)
  shape = (4, 3) if output == "tags" else (4, len(names))
  values = np.zeros(shape, int if output == "tags" else float)
  label = values if kind in ("multilabel", "regression") else np.zeros(4, int)
  if output == "tags":
    label = values
  task = tasks.of(info.target)
  return task.panel(
    info,
    {"label": label},
    {output: values},
    decisions={},
    specificity=0.9,
  )


def survival_panel(names):
  info = infos.info("toy", "survival", names)
  said = {"risk": np.zeros(4), "incidence": np.zeros((4, 3 * len(names)))}
  target = {"time": np.ones(4), "event": np.zeros(4, int)}
  return tasks.of(info.target).panel(
    info, target, said, decisions={}, specificity=0.9
  )


def every():
  yield from (panel(case) for case in PANELS)
  info = infos.info("toy")
  for names in (("a",), ("a", "b")):
    yield survival_panel(names)
  outputs = LOSS | {"next_sentence_accuracy": np.ones(4)}
  for name in ("pretext", "language"):
    task = tasks.named(f"medfm.tasks.{name}")
    yield task.panel(info, {}, outputs, decisions={}, specificity=0.9)


def test_every_metric_of_every_panel_is_described():
  for of in every():
    shown = {stem(name) for name in (*of.metrics, *of.means)}
    shown = {name for name in shown if not name.startswith("_")}
    assert shown == of.described.keys()
    for description in of.described.values():
      assert description.title and description.clause
      assert description.better in ("more", "less", 0.0, 1.0)
      assert not description.clause.endswith(".")


def test_a_bound_metric_keeps_its_description():
  bound = functools.partial(functools.partial(ranking.auroc, 1), 2)
  assert described.of(bound) == ranking.auroc.described
  assert described.of(print) is None


@pytest.mark.parametrize(
  ("metric", "better"),
  [("calibration_slope", 1), ("calibration_intercept", 0), ("auroc", "more")],
)
def test_calibration_is_better_the_nearer_it_is(metric, better):
  assert panel("two classes").described[metric].better == better


def test_micro_f1_of_labels_and_of_relations_are_told_apart():
  labels, relations = (
    panel(case).described["micro_f1"].clause for case in ("labels", "relations")
  )
  assert "all pairs of an example and a label" in labels
  assert "negative" in relations and "negative" not in labels


def test_weighted_f1_is_explained():
  clause = panel("relations").described["weighted_f1"].clause
  assert "weighted by the share of examples" in clause


def test_a_sensitivity_is_at_the_threshold_that_validation_chose():
  said = panel("two classes").described["sensitivity_at_specificity_90"]
  assert said.title == "Sensitivity at specificity 90"
  assert re.search(r"reached a specificity of 90 % on validation", said.clause)
  assert "is shown beside it" in said.clause
  assert said.better == "more"


def test_a_horizon_is_named_with_its_unit_and_risks_should_be_as_observed():
  said = survival_panel(("a",)).described
  assert said["auroc_at_2"].title == "AUROC at 2 months"
  assert said["observed_expected_at_2"].better == 1
  assert said["brier_at_2"].better == "less"
