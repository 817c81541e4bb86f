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


def row(block, title):
  """The cells of a row, by metric."""
  (cells,) = [cells for name, *cells in block["rows"] if name == title]
  return dict(zip(prompts.METRICS, cells, strict=True))


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
  for way, name in prompts.WAYS.items():
    probs = outputs[name]
    cases = {f"{way}: {prompt}": probs[:, o] for o, prompt in enumerate("ab")}
    cases[f"{way}: mean of all prompts' probabilities"] = probs.mean(1)
    for title, own in cases.items():
      alone = scores.scores(
        multiclass, INFO, {"label": label}, {"probs": own}, replicates=20
      )
      for metric, cell in row(found, title).items():
        assert cell == alone["metrics"][metric]


def test_the_spread_is_over_the_prompts(made):
  label, outputs = made
  found = table(INFO, label, outputs)
  values = [
    row(found, f"uncalibrated: {name}")["accuracy"]["value"] for name in "ab"
  ]
  spread = row(found, "uncalibrated: from prompt to prompt")["accuracy"]
  low, to, high, _, deviation = spread.split()
  assert to == "to"
  assert float(low) == pytest.approx(min(values), abs=5e-4)
  assert float(high.rstrip(",")) == pytest.approx(max(values), abs=5e-4)
  expected = np.std(values, ddof=1)
  assert float(deviation) == pytest.approx(expected, abs=5e-4)


def test_the_difference_is_what_calibration_adds(made):
  label, outputs = made
  found = table(INFO, label, outputs)
  calibrated, plain = (
    row(found, f"{way}: mean of all prompts' probabilities")["accuracy"]
    for way in ("calibrated", "uncalibrated")
  )
  gain = row(found, "calibrated − uncalibrated, paired")["accuracy"]
  assert gain["value"] == pytest.approx(calibrated["value"] - plain["value"])
  assert gain["low"] > 0 and gain["signed"]


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
  alone = row(found, "uncalibrated: no shots")["f1"]["value"]
  spread = row(found, "uncalibrated: from prompt to prompt")["f1"]
  assert spread == f"{alone:.3f}"
  titles = [title for title, *_ in found["rows"]]
  assert len(titles) == 3
  assert all(title.startswith("uncalibrated: ") for title in titles)


def test_a_terminal_shows_all_but_the_single_prompts(made):
  label, outputs = made
  block = table(INFO, label, outputs)
  assert block["kind"] == "table"
  assert block["columns"][:2] == ["Prompts", "Accuracy"]
  assert {len(row) for row in block["rows"]} == {len(block["columns"])}
  titles = [row[0] for row in block["rows"]]
  assert "calibrated: a" in titles and "uncalibrated: b" in titles
  brief = [titles[row] for row in block["brief"]]
  assert len(brief) == 5 and "calibrated: a" not in brief
