"""What the README, and the documents it hands on to, say is so."""

import importlib.util
import pathlib
import re
import shlex
import types

import jax
import numpy as np
import pytest

from medfm import command
from medfm.grid import experiment
from medfm.metrics import described
from medfm.report import blocks
from medfm.types import Split
from tests import infos

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = ("own_data", "cohorts", "parts", "results", "studies")
TEXT = README + "".join((ROOT / f"docs/{p}.md").read_text() for p in PAGES)
COMMANDS = [
  line.partition("#")[0].strip()
  for line in TEXT.replace("\\\n", " ").splitlines()
  if line.lstrip().startswith("python launch.py")
]
HEAD = """
import numpy as np
from flax import linen as nn
from medfm.evals.context import Findings
from medfm.metrics.described import described
from medfm.metrics.undefined import average, checked
from medfm.nn import forward
from medfm.objectives.backbone import backbone, expect_task
from medfm.tasks import regression
from medfm.types import Objective
"""


def snippets(tmp_path):
  """The pages' Python blocks that stand by themselves, as a module."""
  blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
  path = tmp_path / "snippets.py"
  whole = [block for block in blocks if "files.find" not in block]
  path.write_text(HEAD + "\n".join(whole))
  spec = importlib.util.spec_from_file_location("snippets", path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


WEIGHTS = {
  "models/BiomedBERT": ROOT / "tests/weights/golden/bert_classes",
  "models/gpt2-medical": ROOT / "tests/weights/golden/gpt2",
  "models/resnet-50": ROOT / "tests/weights/golden/resnet",
}
"""What stands in for a user's public weights."""

INFO = infos.info(name="toy", task="regression", classes=("y",))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_pages_is_understood(line):
  for name, folder in WEIGHTS.items():
    line = line.replace(name, str(folder))
  words = shlex.split(line)[2:]
  grid = next((w[7:] for w in words if w.startswith("--grid=")), None)
  if grid:
    assert experiment.load(str(ROOT / grid))
    return
  config = next((w[9:] for w in words if w.startswith("--config=")), None)
  if config is None:
    assert any(word.startswith("--workdir=") for word in words)
    return
  overrides = [w[9:] for w in words if w.startswith("--config.")]
  trials = next((w[9:] for w in words if w.startswith("--search=")), None)
  if trials:
    assert experiment.of_sweep(config, overrides, int(trials)).search
    return
  if "--sweep" in words:
    assert experiment.of_sweep(config, overrides)
    return
  command.config(str(ROOT / config), overrides)


def test_the_pages_have_commands():
  assert len(COMMANDS) > 20


def test_every_config_of_the_readme_exists_and_the_other_way_round():
  named = set(re.findall(r"`(\w+\.py)`", README))
  assert named == {path.name for path in (ROOT / "configs").glob("*.py")}


def test_the_model_and_the_objective_of_the_pages_learn(tmp_path):
  module = snippets(tmp_path)
  objective = module.absolute_error(INFO, model=module.Mean)
  batch = {
    "image": np.ones((4, 8, 8, 3), np.float32),
    "label": np.ones((4, 1), np.float32),
    "weight": np.ones(4, np.float32),
    "id": np.arange(4, dtype=np.int32),
  }
  key = jax.random.key(0)
  variables = jax.jit(objective.init)(key, batch)
  terms, _ = jax.jit(objective.loss)(variables, batch, key)
  assert terms["loss"].shape == (4,)
  assert objective.predict(variables, batch)["value"].shape == (4, 1)


def test_the_metric_and_the_evaluator_of_the_pages_work(tmp_path):
  module = snippets(tmp_path)
  label, value = np.zeros((3, 1)), np.array([[1.0], [-4.0], [0.0]])
  assert module.mean_error(label[:, 0], value[:, 0]) == -1
  assert described.of(module.mean_error).better == 0
  context = types.SimpleNamespace(
    splits={"test": Split({"label": label}, np.array(["a", "b", "c"]))},
    predicted={"test": {"value": value}},
  )
  (block,) = module.largest_errors(context, count=2).blocks["test"]
  assert block["rows"] == [["b", 4], ["a", 1]]
  assert "Largest errors" in str(blocks.markup(block))
