"""Nobody outside medfm/tasks asks which task it is."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = {
  "multiclass",
  "multilabel",
  "ordered",
  "regression",
  "survival",
  "tokens",
  "tags",
  "pretext",
}
FOLDERS = ("medfm", "configs", "experiments", "benchmarks")
OF_A_BATCH = {"tokens", "tags", "survival"}
"""Names that are also of arrays, as the key of a dict or the field of
a batch."""

SOURCES = sorted(
  path
  for folder in FOLDERS
  for path in (ROOT / folder).rglob("*.py")
  if "tasks" not in path.relative_to(ROOT).parts[:2]
)


def named(node: ast.AST, names: set[str] = NAMES) -> set[str]:
  """The names of tasks among the strings of an expression."""
  return {
    each.value
    for each in ast.walk(node)
    if isinstance(each, ast.Constant) and each.value in names
  }


def is_task(node: ast.AST) -> bool:
  """Whether an expression is called `task`."""
  return getattr(node, "id", getattr(node, "attr", "")) == "task"


def questions(source: str) -> list[tuple[int, str]]:
  """(line, name) of every comparison with a task's name, and every dict or
  match that has it for a key."""
  asked = []
  for node in ast.walk(ast.parse(source)):
    found: set[str] = set()
    if isinstance(node, ast.Compare):
      sides = [node.left, *node.comparators]
      found = set().union(*map(named, sides))
      if any(is_task(side) for side in sides):
        found |= {
          str(side.value)
          for side in sides
          if isinstance(side, ast.Constant) and isinstance(side.value, str)
        }
      if all(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
        found -= OF_A_BATCH  # `"tokens" in batch`.
    elif isinstance(node, ast.Dict):
      keys = [key for key in node.keys if isinstance(key, ast.Constant)]
      found = set().union(*(named(key, NAMES - OF_A_BATCH) for key in keys))
    elif isinstance(node, ast.MatchValue):
      found = named(node)
    asked += [(getattr(node, "lineno", 0), name) for name in sorted(found)]
  return asked


@pytest.mark.parametrize(
  "path", SOURCES, ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_file_does_not_ask_for_a_task_by_its_name(path):
  assert not questions(path.read_text())


@pytest.mark.parametrize(
  "source",
  [
    'task == "multiclass"',
    'info.task in ("multilabel", "regression")',
    'if "tokens" != task: pass',
    'info.task != "none"',
    '{"regression": 1}',
    'match task:\n  case "tags": pass',
  ],
)
def test_a_question_is_seen(source):
  assert questions(source)


@pytest.mark.parametrize(
  "source",
  ['"tokens" in batch', '{"tokens": tokens}', 'spec(task="regression")'],
)
def test_an_array_or_a_setting_of_that_name_is_no_question(source):
  assert not questions(source)
