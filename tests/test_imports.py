"""The import layers of the design: each part imports only from above it."""

import ast
import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
LAYERS = (
  ("types", "host", "interrupt", "jsons"),
  ("spec", "tree", "rng", "processes"),
  ("nn", "augment", "variants", "predictions"),
  ("models", "metrics", "data", "optim", "mesh", "log", "workdir"),
  ("tasks", "step", "checkpoint", "command"),
  ("datasets", "objectives", "weights", "evals"),
  ("explain",),
  ("settings",),
  ("setup",),
  ("scoring", "stages"),
  ("train", "report"),
  ("study", "elsewhere", "embedder"),
  ("evaluate", "predict", "generate", "export", "grid"),
)
WITHOUT_JAX = (
  "types",
  "data",
  "datasets",
  "tasks",
  "metrics",
  "evals",
  "report",
  "predictions",
  "grid",
)
SOURCES = sorted((ROOT / "medfm").rglob("*.py"))


DATASETS = re.compile(
  r"data\.(datasets|volumes\.(layout|new|pairs)|\w+\.(own\w*|cases|crops|files|listing|tabular|texts))\b"
)
"""What says what a data set's target is, and so stands above the tasks."""

FIGURES = re.compile(r"tasks\.\w+\.figures\b")
"""How a report draws a task: a part of the report that stands beside it."""


def part(path: pathlib.Path) -> str:
  return part_of(
    ".".join(path.relative_to(ROOT / "medfm").with_suffix("").parts)
  )


def part_of(name: str) -> str:
  """The part that a dotted name below medfm belongs to."""
  if DATASETS.match(name):
    return "datasets"
  if FIGURES.match(name):
    return "report"
  return name.partition(".")[0]


@functools.cache
def nodes(path: pathlib.Path) -> list[ast.AST]:
  return [*ast.walk(ast.parse(path.read_text()))]


@functools.cache
def imported(path: pathlib.Path) -> set[str]:
  """Dotted names of every module a file imports, wherever in the file."""
  names = set()
  for node in nodes(path):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module == "medfm":
      names |= {f"medfm.{alias.name}" for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      names.add(node.module)
      if node.module.startswith("medfm."):
        names |= {f"{node.module}.{alias.name}" for alias in node.names}
  return names


def level(name: str) -> int:
  return next(i for i, layer in enumerate(LAYERS) if name in layer)


def test_every_part_has_a_layer():
  found = {part(path) for path in SOURCES} - {"__init__"}
  assert found == {name for layer in LAYERS for name in layer}


@pytest.mark.parametrize(
  "path", SOURCES, ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_file_imports_only_from_above(path):
  if part(path) == "__init__":
    return
  mine = part(path)
  for name in imported(path):
    head, _, rest = name.partition(".")
    assert head not in ("configs", "experiments", "launch", "tests")
    other = part_of(rest)
    if head == "medfm" and other and other != mine:
      assert level(other) < level(mine), f"{mine} imports {name}"


def test_a_task_is_drawn_by_the_report_alone():
  for path in SOURCES:
    drawn = {name for name in imported(path) if FIGURES.match(name[6:])}
    assert not drawn or part(path) == "report", path


@pytest.mark.parametrize(
  "path", SOURCES, ids=lambda p: str(p.relative_to(ROOT))
)
def test_data_and_numbers_do_without_jax(path):
  if part(path) in WITHOUT_JAX:
    heads = {name.partition(".")[0] for name in imported(path)}
    assert not heads & {"jax", "flax", "optax"}
    assert not imported(path) & {"medfm.tree", "medfm.rng"}


ARRAYS = {
  "features", "categories", "image", "tokens", "segment", "token_type",
  "word_start", "document", "bag",
}  # fmt: skip
"""What tables, images, texts and slides are called in a split."""

ROOMS = re.compile(
  r"(data/(captions|datasets|images|slides|tables|text|transforms|volumes)|"
  r"models|nn|objectives|augment|"
  r"weights|explain)/"
)
"""Where a modality's arrays may be asked for by name."""

SPEAKS_OF_TOKENS = {"generate.py"}
"""Continues texts, and counts their tokens in what it writes."""


def asked(path: pathlib.Path) -> set[str]:
  """Arrays that a file takes by name, by subscript, `get` or `in`."""
  names = set()
  for node in nodes(path):
    if isinstance(node, ast.Subscript):
      names.add(getattr(node.slice, "value", None))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
      if node.func.attr in ("get", "pop", "setdefault") and node.args:
        names.add(getattr(node.args[0], "value", None))
    elif isinstance(node, ast.Compare) and isinstance(
      node.ops[0], ast.In | ast.NotIn
    ):
      names.add(getattr(node.left, "value", None))
  return {name for name in names if isinstance(name, str)} & ARRAYS


def test_only_its_own_room_asks_for_an_array_by_name():
  asking = {
    str(path.relative_to(ROOT / "medfm")): asked(path)
    for path in SOURCES
    if not ROOMS.match(str(path.relative_to(ROOT / "medfm")))
  }
  found = {path: names for path, names in asking.items() if names}
  new = {path: found[path] for path in set(found) - SPEAKS_OF_TOKENS}
  assert new == {}
