"""What the README says is so."""

import importlib.util
import pathlib
import re
import shlex

import jax
import numpy as np
import pytest

from medfm import command
from medfm.grid import experiment
from tests import infos

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
  line.partition("#")[0].strip()
  for line in README.replace("\\\n", " ").splitlines()
  if line.lstrip().startswith("python launch.py")
]
HEAD = """
import jax.numpy as jnp
from flax import linen as nn
from medfm.nn import forward
from medfm.types import Objective
from tests import infos
"""


def snippets(tmp_path):
  """The README's Python blocks that stand by themselves, as a module."""
  blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
  path = tmp_path / "snippets.py"
  own = [block for block in blocks if "files.find" not in block]
  path.write_text(HEAD + "\n".join(own))
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


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_is_understood(line):
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
    assert experiment.of_search(config, overrides, int(trials)).search
    return
  if "--sweep" in words:
    assert experiment.of_sweep(config, overrides)
    return
  command.config(str(ROOT / config), overrides)


def test_the_readme_has_commands():
  assert len(COMMANDS) > 8


def test_every_config_of_the_readme_exists_and_the_other_way_round():
  named = set(re.findall(r"`(\w+\.py)`", README))
  assert named == {path.name for path in (ROOT / "configs").glob("*.py")}


def test_the_model_and_the_objective_of_the_readme_learn(tmp_path):
  module = snippets(tmp_path)
  info = infos.info(name="toy", task="regression", classes=("y",))
  objective = module.absolute_error(info, model=module.Mean)
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
