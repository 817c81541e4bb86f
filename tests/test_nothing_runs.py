"""Nothing in the project runs what a file says: no pickle, eval or exec."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "launch.py", *sorted((ROOT / "medfm").rglob("*.py"))]
MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal"} | {
  "shelve",
  "joblib",
}
READER = ROOT / "medfm/weights/torch_file.py"
"""Reads opcodes with pickletools, and runs none."""
CALLS = {"eval", "exec", "compile", "torch.load", "os.system", "os.popen"} | {
  "builtins.eval",
  "builtins.exec",
  "pandas.read_pickle",
  "yaml.load",
  "yaml.full_load",
  "yaml.unsafe_load",
  "yaml.load_all",
}


def faults(source: str) -> list[str]:
  """What in a source could run what a file says."""
  tree = ast.parse(source)
  names, found = {}, []
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      for alias in node.names:
        names[alias.asname or alias.name] = alias.name
        found += [alias.name] if root(alias.name) in MODULES else []
    elif isinstance(node, ast.ImportFrom):
      for alias in node.names:
        names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
      found += [node.module] if root(node.module or "") in MODULES else []
  for node in ast.walk(tree):
    if isinstance(node, ast.Call):
      called = dotted(node.func, names)
      found += [called] if called in CALLS else []
      found += [
        f"{called}(allow_pickle)"
        for word in node.keywords
        if word.arg == "allow_pickle"
        and not (
          isinstance(word.value, ast.Constant) and word.value.value is False
        )
      ]
  return found


def root(module: str) -> str:
  return module.partition(".")[0]


def dotted(node: ast.AST, names: dict[str, str]) -> str:
  """The full name of what is called, where it has one."""
  if isinstance(node, ast.Attribute):
    return f"{dotted(node.value, names)}.{node.attr}"
  return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize(
  "path", SOURCES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_nothing_here_runs_what_a_file_says(path):
  assert faults(path.read_text()) == []
  if path != READER:
    assert "pickletools" not in path.read_text()


@pytest.mark.parametrize(
  "source",
  [
    "import pickle",
    "from pickle import load",
    "import joblib.numpy_pickle",
    "eval(text)",
    "exec(text)",
    "import torch\ntorch.load(path)",
    "import torch as t\nt.load(path)",
    "from torch import load as read\nread(path)",
    "import yaml\nyaml.load(file)",
    "import numpy as np\nnp.load(path, allow_pickle=True)",
    "np.load(path, allow_pickle=trusted)",
    "def f():\n  import marshal",
  ],
)
def test_the_search_finds_what_it_looks_for(source):
  assert faults(source)


@pytest.mark.parametrize(
  "source",
  [
    "import ast\nast.literal_eval(text)",
    "import re\nre.compile(text)",
    "np.load(path, allow_pickle=False)",
    "model.eval()",
    "'eval(text) and pickle.load'",
  ],
)
def test_the_search_leaves_the_harmless_alone(source):
  assert not faults(source)
