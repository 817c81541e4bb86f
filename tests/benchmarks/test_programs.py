"""The programs behind the cases: found, lazily imported, and at work."""

import functools
import importlib
import importlib.util
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

from benchmarks import cases, counted, inputs, machine, run, runner, tools
from benchmarks.ours import limits
from medfm.nn import backend

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "tensorflow", "keras", "jax")


def test_the_benchmark_itself_imports_no_peer():
  text = (
    "import sys, benchmarks.run, benchmarks.growth, benchmarks.gpu; "
    f"print([name for name in {HEAVY} if name in sys.modules])"
  )
  done = subprocess.run(
    [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True
  )
  assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", tools.TOOLS)
def test_a_tools_program_exists(name):
  module = tools.TOOLS[name].module
  if module:
    assert importlib.util.find_spec(module)


def unmade(name, folder):
  """A runner of that case whose files are not written."""
  own = runner.Runner.__new__(runner.Runner)
  own.case, own.folder, own.pythons = cases.CASES[name], folder, {}
  own.given = types.SimpleNamespace(threads=0, scale=0.001, rounds=1)
  return own


REFUSED = [
  (case, name)
  for case, entry in cases.CASES.items()
  for name in entry.tools
  if tools.TOOLS[name].without
]


@pytest.mark.parametrize(("case", "name"), REFUSED)
def test_what_a_tool_does_without_is_a_choice_of_the_backend(
  case, name, tmp_path
):
  without = tools.TOOLS[name].without
  assert callable(getattr(backend, without))
  words = unmade(case, tmp_path).command(name, tmp_path, 32)
  assert words[1:4] == ["-m", "benchmarks.ours.without", without]
  assert f"--config.batch_size={cases.CASES[case].batch}" in words


def test_products_of_xla_are_asked_for_by_a_flag(tmp_path):
  own = unmade("bert", tmp_path)
  flag = "--config.devices.onednn=false"
  assert flag in own.command("medfm_products", tmp_path, 32)
  assert flag not in own.command(tools.OURS, tmp_path, 32)


PROGRAMS = {tool.module: name for name, tool in tools.TOOLS.items()}
"""Each program, and a tool that it is of."""


@pytest.mark.parametrize("module", [*filter(None, PROGRAMS)])
def test_an_installed_tools_program_can_be_imported(module):
  name = PROGRAMS[module]
  if not machine.version(name, {}):
    packages = " and ".join(tools.TOOLS[name].packages)
    pytest.skip(f"{packages} not installed")
  assert callable(importlib.import_module(module).main)


@pytest.mark.parametrize("model", ["first", "again"])
def test_a_first_pass_finds_nothing_of_an_earlier_one(model, tmp_path):
  inputs.images(tmp_path, count=64, size=16, channels=3, suffix="jpg")
  words = (f"--data={tmp_path}", "--batch=32", "--steps=64", "--every=64")
  subprocess.run(
    [sys.executable, "-m", "benchmarks.ours.loading", model, *words],
    cwd=ROOT,
    check=True,
  )
  kept = {path.name for path in tmp_path.iterdir()}
  left = {"first": set(), "again": {"cache"}}[model]
  assert kept - {"files", "train.npz"} == left


def test_documents_fill_the_peers_rows_and_are_one_token_a_word(tmp_path):
  inputs.corpus(tmp_path, count=5, length=32)
  tokens = np.load(tmp_path / "train.npz")["tokens"]
  vocabulary = (tmp_path / "vocab.txt").read_text().split("\n")[:-1]
  assert len(vocabulary) == len(set(vocabulary)) == inputs.VOCABULARY
  lines = (tmp_path / "corpus.txt").read_text().splitlines()
  spelt = [vocabulary[i] for i in tokens.flatten()]
  joined = " ".join(f"[CLS] {line} [SEP]" for line in lines)
  assert joined.startswith(" ".join(spelt))


@pytest.fixture
def small(tmp_path, monkeypatch):
  """name -> the config and overrides of that case on a few examples."""
  monkeypatch.setenv("MEDFM_CACHE_DIR", str(tmp_path / "cache"))

  def make(name, count, **settings):
    data = cases.CASES[name].data
    functools.partial(data.func, count=count, **settings)(tmp_path)
    config, *overrides = unmade(name, tmp_path).settings()
    return config.removeprefix("--config="), overrides

  return make


def test_the_products_rows_of_documents_are_nearly_full(small):
  config, overrides = small("bert", 200, length=128)
  assert 0 < limits.padding(config, *overrides) < 0.05


@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_xla_counts_about_what_is_counted_by_hand(small, name):
  config, overrides = small(name, 200, length=128)
  places = {"bert": 20, "gpt": 128}[name]  # Rounded up from 15 %.
  by_hand = counted.transformer(
    length=128, width=256, depth=4, vocabulary=8192, places=places
  )
  found = limits.flops(config, *overrides)
  assert found == pytest.approx(by_hand, rel=0.1)


def test_the_lstms_rows_have_no_padding(small):
  config, overrides = small("lstm", 64, length=200)
  assert limits.padding(config, *overrides) == 0


@pytest.mark.slow
def test_a_case_is_measured_end_to_end(tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "")
  words = ["--only=mlp", "--rounds=1", "--scale=0.001", f"--out={tmp_path}"]
  result = run.main(words)
  ours = result["cases"]["mlp"]["tools"]["medfm"]
  assert ours["rate"]["median"] > 0
  assert ours["memory"]["median"] > 2**20
  assert ours["cold_start"]["median"] > 0
  assert ours["share"] > 0
  assert "MLP" in (tmp_path / "results.md").read_text()


@pytest.mark.drill
@pytest.mark.slow
def test_generation_is_measured_end_to_end(tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "")
  words = ["--only=generate_b1", "--rounds=1", "--scale=0.001"]
  result = run.main([*words, f"--out={tmp_path}"])
  ours = result["cases"]["generate_b1"]["tools"]["medfm_generation"]
  assert ours["rate"]["median"] > 0
  assert ours["cold_start"]["median"] > 0
