"""The package: what `pip install -e .` is told agrees with the lists."""

import ast
import pathlib
import re
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


BROUGHT_BY = {
  "PIL": "pillow",
  "absl": "absl-py",
  "ml_dtypes": "jax",
  "openslide": "openslide-python",
  "orbax": "orbax-checkpoint",
  "scipy": "scikit-learn",
  "sklearn": "scikit-learn",
  "sksurv": "scikit-survival",
  "sqlalchemy": "optuna",
  "threadpoolctl": "scikit-learn",
}
"""What one imports -> what one installs, where the two differ."""


def listed(path: str) -> list[str]:
  """The lines of a requirements file, without its comments."""
  lines = (ROOT / path).read_text().splitlines()
  return [line for line in lines if line and not line.startswith("#")]


def name(requirement: str) -> str:
  return re.split(r"[\[<>=]", requirement)[0]


def test_the_package_depends_on_the_list_for_the_cpu():
  dynamic = PROJECT["tool"]["setuptools"]["dynamic"]
  assert dynamic["dependencies"] == {"file": ["requirements-cpu.txt"]}


def test_the_two_lists_differ_in_cuda_alone():
  cpu, cuda = listed("requirements-cpu.txt"), listed("requirements.txt")
  assert [line.replace("jax[cuda]", "jax") for line in cuda] == cpu
  assert EXTRAS["cuda"] == [line for line in cuda if line not in cpu]


@pytest.mark.parametrize(
  "extra, path",
  [
    ("test", "requirements-test.txt"),
    ("weights", "tests/weights/requirements.txt"),
  ],
)
def test_an_extra_equals_its_list(extra, path):
  assert sorted(EXTRAS[extra]) == sorted(listed(path))


def test_a_library_has_one_floor():
  floors = {}
  for extra in EXTRAS.values():
    for requirement in extra:
      floors.setdefault(name(requirement), set()).add(requirement)
  del floors["jax"]  # The CPU's list has it too, without cuda.
  assert not {key: asked for key, asked in floors.items() if len(asked) > 1}


def test_medfm_imports_only_what_a_list_or_an_extra_brings():
  known = {name(line).lower() for line in listed("requirements-cpu.txt")}
  known |= {name(line).lower() for extra in EXTRAS.values() for line in extra}
  known |= {"medfm", *sys.stdlib_module_names}
  for path in (ROOT / "medfm").rglob("*.py"):
    for module in imported(path):
      package = BROUGHT_BY.get(module, module).lower().replace("_", "-")
      assert package in known or module in known, f"{path}: {module}"


def imported(path: pathlib.Path) -> set[str]:
  """First words of the absolute imports of a file."""
  heads = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      heads |= {alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and not node.level:
      heads.add(node.module.partition(".")[0])
  return heads


def test_every_folder_of_medfm_is_a_package():
  for path in (ROOT / "medfm").rglob("*.py"):
    assert (path.parent / "__init__.py").exists(), path.parent
