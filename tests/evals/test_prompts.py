"""Each prompt is scored as it would be alone, and the spread is over them."""

import numpy as np
import pytest

from medfm.evals import prompts, scores
from medfm.evals.context import Settings
from medfm.tasks import multiclass
from medfm.types import Split
from tests import infos

INFO = infos.info(
  "toy",
  "multiclass",
  classes=("p", "q", "r"),
  vocabulary=9,
  prompts={"names": ["a", "b"]},
)
SETTINGS = Settings(replicates=20, seed=0)


def split(label):
  return Split({"label": label}, np.arange(len(label)).astype(str))


def table(info, label, outputs):
  return prompts.table(multiclass, info, split(label), outputs, SETTINGS)


@pytest.fixture(scope="module")
def made():
  generator = np.random.default_rng(0)
  label = np.arange(60) % 3
  probs = generator.dirichlet([1, 1, 1], (60, 2))
  probs[:, 0] = (probs[:, 0] + np.eye(3)[label]) / 2
  other = generator.dirichlet([1, 1, 1], (60, 2))
  return label, {prompts.PLAIN: other, prompts.CALIBRATED: probs}


def test_each_prompt_and_their_mean_are_scored_alone(made):
  label, outputs = made
  found = table(INFO, label, outputs)
  assert found["names"] == ["a", "b"]
  for way, name in prompts.WAYS.items():
    probs = outputs[name]
    cases = [*((probs[:, o], found["ways"][way]["each"][o]) for o in (0, 1))]
    cases.append((probs.mean(1), found["ways"][way]["together"]))
    for own, entry in cases:
      alone = scores.scores(
        multiclass, INFO, {"label": label}, {"probs": own}, replicates=20
      )
      for metric in prompts.METRICS:
        assert entry[metric] == alone["metrics"][metric]


def test_the_spread_is_over_the_prompts(made):
  label, outputs = made
  found = table(INFO, label, outputs)
  way = found["ways"]["uncalibrated"]
  values = [each["accuracy"]["value"] for each in way["each"]]
  assert way["spread"]["accuracy"] == pytest.approx(
    {
      "mean": np.mean(values),
      "min": min(values),
      "max": max(values),
      "sd": np.std(values, ddof=1),
    }
  )


def test_the_difference_is_what_calibration_adds(made):
  label, outputs = made
  found = table(INFO, label, outputs)
  ways = found["ways"]
  gain = (
    ways["calibrated"]["together"]["accuracy"]["value"]
    - ways["uncalibrated"]["together"]["accuracy"]["value"]
  )
  assert found["difference"]["accuracy"]["value"] == pytest.approx(gain)
  assert found["difference"]["accuracy"]["low"] > 0


def test_a_single_prompt_has_no_spread_and_no_calibration_no_difference(made):
  label, outputs = made
  info = infos.info(
    "toy",
    "multiclass",
    INFO.target.names,
    vocabulary=9,
    prompts={"names": ["no shots"]},
  )
  one = {prompts.PLAIN: outputs[prompts.PLAIN][:, :1]}
  found = table(info, label, one)
  assert found["ways"]["uncalibrated"]["spread"]["f1"]["sd"] is None
  assert list(found["ways"]) == ["uncalibrated"]
  assert "difference" not in found


def test_the_block_has_a_row_a_prompt_and_says_what_a_terminal_shows(made):
  label, outputs = made
  told = table(INFO, label, outputs)
  block = prompts.block(multiclass, INFO, split(label), told)
  assert block["kind"] == "table"
  assert block["columns"][:2] == ["Prompts", "Accuracy"]
  assert {len(row) for row in block["rows"]} == {len(block["columns"])}
  titles = [row[0] for row in block["rows"]]
  assert "calibrated: a" in titles and "uncalibrated: b" in titles
  assert block["rows"][-1][1]["signed"]
  brief = [titles[row] for row in block["brief"]]
  assert len(brief) == 5 and "calibrated: a" not in brief
  each = told["ways"]["calibrated"]["each"][0]["accuracy"]
  assert block["rows"][titles.index("calibrated: a")][1] == each
