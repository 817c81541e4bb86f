"""Differences between subgroups, with their intervals and events."""

import json

import numpy as np
import pytest
import sklearn.metrics as reference

from medfm import tasks
from medfm.evals import scores
from medfm.evals import subgroups as evaluated
from medfm.types import Split
from tests import infos
from tests.evals import contexts

BINARY = infos.info("toy", "multiclass", ("benign", "malignant"))
COUNT = 160


def _held(harder=False, seed=0):
  """Answers that are worse for the sex f where it is harder."""
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 2, COUNT)
  sex = np.resize(["f", "m"], COUNT)
  sex[:4] = ""
  scale = np.where((sex == "f") & harder, 0.1, 3.0)
  logit = scale * (label - 0.5) + generator.normal(size=COUNT)
  prob = 1 / (1 + np.exp(-logit))
  split = Split(
    {"label": label},
    np.arange(COUNT).astype(str),
    patients=np.array([f"p{i // 2}" for i in range(COUNT)]),
    groups={
      "sex": sex,
      "site": generator.choice(["a", "b", "c"], COUNT),
    },
  )
  return split, {"probs": np.stack([1 - prob, prob], 1)}


def _blocks(info, split, predicted, decisions=None, **given):
  model = contexts.of(
    info,
    {"test": split},
    {"test": predicted},
    decisions=decisions or {},
    replicates=60,
  )
  blocks = evaluated.subgroups(model, **given).blocks
  assert json.loads(json.dumps(blocks)) == blocks
  return blocks.get("test", [])


def _rows(block):
  return {name: dict(zip(block["columns"][1:], cells, strict=True))
          for name, *cells in block["rows"]}  # fmt: skip


def test_a_difference_is_that_of_the_values_of_the_groups():
  split, predicted = _held()
  cut = {"specificity_90[malignant]": 0.6}
  (block,) = _blocks(BINARY, split, predicted, cut)
  row = _rows(block)["sex: f − m"]
  label, prob = split.arrays["label"], predicted["probs"][:, 1]
  f, m = split.groups["sex"] == "f", split.groups["sex"] == "m"
  areas = [reference.roc_auc_score(label[x], prob[x]) for x in (f, m)]
  assert row["AUROC"]["value"] == pytest.approx(areas[0] - areas[1])
  found = [reference.recall_score(label[x], prob[x] >= 0.6) for x in (f, m)]
  name = "Sensitivity at specificity 90"
  assert row[name]["value"] == pytest.approx(found[0] - found[1])
  ratios = [label[x].sum() / prob[x].sum() for x in (f, m)]
  name = "Observed / expected"
  assert row[name]["value"] == pytest.approx(ratios[0] - ratios[1])
  assert row["n"] == f"{f.sum()} / {m.sum()}"
  assert row["Events"] == f"{label[f].sum()} / {label[m].sum()}"


def test_each_of_more_levels_is_compared_with_the_others():
  split, predicted = _held()
  (block,) = _blocks(BINARY, split, predicted)
  rows = _rows(block)
  assert [*rows][1:] == [f"site: {x} − the others" for x in "abc"]
  label, prob = split.arrays["label"], predicted["probs"][:, 1]
  inside = split.groups["site"] == "b"
  first, second = (
    reference.roc_auc_score(label[x], prob[x]) for x in (inside, ~inside)
  )
  assert rows["site: b − the others"]["AUROC"]["value"] == pytest.approx(
    first - second
  )


def test_a_group_that_is_worse_is_told_above_the_table():
  split, predicted = _held(harder=True)
  (block,) = _blocks(BINARY, split, predicted)
  entry = _rows(block)["sex: f − m"]["AUROC"]
  assert entry["high"] < 0
  assert "sex: f − m in AUROC" in block["headline"]
  alike, predicted = _held()
  (block,) = _blocks(BINARY, alike, predicted, metrics=("auroc",))
  assert "sex: f − m" not in block["headline"]


def test_what_has_no_value_says_where():
  split, predicted = _held()
  split.arrays["label"][split.groups["sex"] == "m"] = 0
  (block,) = _blocks(BINARY, split, predicted)
  entry = _rows(block)["sex: f − m"]["AUROC"]
  assert entry["value"] is None
  assert entry["reason"] == "in the second: no positive example"


def test_two_groups_without_a_mistake_have_an_interval_still():
  split, _ = _held()
  prob = 0.2 + 0.6 * split.arrays["label"]
  sure = {"probs": np.stack([1 - prob, prob], 1)}
  cut = {"specificity_90[malignant]": 0.5}
  (block,) = _blocks(BINARY, split, sure, cut)
  entry = _rows(block)["sex: f − m"]["Specificity at threshold"]
  assert entry["value"] == 0 and entry["low"] < -0.05 and entry["high"] > 0.05


def test_of_few_patients_no_difference_is_given():
  split, predicted = _held()
  few = np.array([""] * COUNT, dtype="<U3")
  few[:40], few[40:52] = "old", "new"  # Twelve images of six patients.
  split.groups["age"] = few
  (block,) = _blocks(BINARY, split, predicted)
  entry = _rows(block)["age: new − old"]["AUROC"]
  assert entry["value"] is None and "fewer than" in entry["reason"]


def test_a_mean_over_labels_is_compared_too():
  info = infos.info("toy", "multilabel", ("x", "y"))
  generator = np.random.default_rng(0)
  label = generator.integers(0, 2, (80, 2)).astype(np.float32)
  probs = np.clip(0.3 * label + 0.7 * generator.random((80, 2)), 0, 1)
  sex = np.resize(["f", "m"], 80)
  split = Split(
    {"label": label}, np.arange(80).astype(str), groups={"sex": sex}
  )
  (block,) = _blocks(info, split, {"probs": probs})
  assert "Patients" not in block["columns"] and "Events" not in block["columns"]
  parts = [
    scores.scores(
      tasks.of(info.target),
      info,
      {"label": label[sex == x]},
      {"probs": probs[sex == x]},
      replicates=0,
    )["metrics"]["auroc"]["value"]
    for x in ("f", "m")
  ]
  entry = _rows(block)["sex: f − m"]["AUROC"]
  assert entry["value"] == pytest.approx(parts[0] - parts[1])


def test_errors_of_numbers_and_times_are_compared_too():
  split, _ = _held()
  groups = {"sex": split.groups["sex"]}
  info = infos.info("toy", "regression", ("age",))
  generator = np.random.default_rng(0)
  label = generator.normal(size=(COUNT, 1))
  numbers = Split({"label": label}, split.ids, groups=groups)
  (block,) = _blocks(info, numbers, {"value": label * 0.9})
  assert block["columns"][2:] == ["RMSE", "R²"]
  info = infos.info("toy", "survival", ("death",))
  time, event = generator.exponential(3, COUNT), generator.integers(0, 2, COUNT)
  risk = generator.random(COUNT)
  incidence = np.stack([risk / 3, risk / 2, risk], 1)
  followed = Split({"time": time, "event": event}, split.ids, groups=groups)
  said = {"risk": risk, "incidence": incidence}
  (block,) = _blocks(info, followed, said)
  row = _rows(block)["sex: f − m"]
  f = groups["sex"] == "f"
  assert row["Events"].startswith(f"{event[f].sum()} / ")
  assert row["C-index"]["low"] < row["C-index"]["high"]
