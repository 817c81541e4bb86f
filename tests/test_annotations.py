"""The core is annotated in full; basedpyright then checks what it says."""

import ast
import pathlib
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
  "basedpyright"
]["include"]
SOURCES = sorted(
  path
  for name in CORE
  for path in (
    [ROOT / name] if name.endswith(".py") else ROOT.glob(name + "/**/*.py")
  )
)


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
  """Those of the module and of its classes, not those inside functions."""
  classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
  return [
    node
    for home in (tree, *classes)
    for node in home.body
    if isinstance(node, ast.FunctionDef)
  ]


def missing(function: ast.FunctionDef) -> list[str]:
  """Its parameters without an annotation, and `return`."""
  given = function.args
  parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
  parameters += filter(None, (given.vararg, given.kwarg))
  names = [
    parameter.arg
    for parameter in parameters
    if parameter.annotation is None and parameter.arg not in ("self", "cls")
  ]
  if function.returns is None and function.name != "__init__":
    names.append("return")
  return names


def test_every_path_of_the_core_exists():
  assert all((ROOT / name).exists() for name in CORE)


@pytest.mark.parametrize(
  "path", SOURCES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_function_of_the_core_is_annotated(path):
  found = functions(ast.parse(path.read_text()))
  assert not {f.name: missing(f) for f in found if missing(f)}
