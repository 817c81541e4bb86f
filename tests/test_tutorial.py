"""docs/tutorial.md is done as it says, block by block, in a copy of the tree.

A block that names a file, ```python medfm/tasks/grades/__init__.py, is written
to it; ```bash is run, and each line of the ```output after it must be among
what was printed, `...` standing for anything.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
COPIED = ("medfm", "configs", "tests", "launch.py", "pyproject.toml")


class Block(NamedTuple):
  """kind: the word after the fence; file: the one after it, or ""."""

  line: int
  kind: str
  file: str
  text: str


def blocks(document: str) -> list[Block]:
  """The fenced blocks of a document, in order."""
  pattern = r"^```(\w+)[ ]?(\S*)\n(.*?)^```$"
  return [
    Block(document[: found.start()].count("\n") + 1, *found.groups())
    for found in re.finditer(pattern, document, re.DOTALL | re.MULTILINE)
  ]


def copy_of_the_tree(place: pathlib.Path) -> pathlib.Path:
  ignored = shutil.ignore_patterns("__pycache__", "golden")
  for name in COPIED:
    if (ROOT / name).is_dir():
      shutil.copytree(ROOT / name, place / name, ignore=ignored)
    else:
      shutil.copy(ROOT / name, place / name)
  return place


def follow(document: str, place: pathlib.Path) -> None:
  """Does what a document says, in a folder; an assertion names the line."""
  printed = ""
  for block in blocks(document):
    if block.file:
      path = place / block.file
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text(block.text)
    elif block.kind == "bash":
      printed = ran(block, place)
    elif block.kind == "output":
      for line in block.text.splitlines():
        pattern = re.escape(line.strip()).replace(r"\.\.\.", ".*")
        assert re.search(pattern, printed), (
          f"line {block.line}: {line!r} is not in:\n{printed}"
        )


def ran(block: Block, place: pathlib.Path) -> str:
  """What the commands of a block print; the tests' own Python runs them."""
  programs = pathlib.Path(sys.executable).parent
  done = subprocess.run(
    ["bash", "-euo", "pipefail", "-c", block.text],
    cwd=place,
    env=os.environ
    | {
      "PATH": f"{programs}:{os.environ['PATH']}",
      "XLA_FLAGS": "",
      "PYTEST_XDIST_AUTO_NUM_WORKERS": "0",
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    timeout=300,
  )
  assert done.returncode == 0, f"line {block.line}:\n{done.stdout}"
  return done.stdout


TOY = """\
Text, and code that is only shown:

```python
nothing
```

```python toy/said.py
print("loss 0.25 at step 4")
```

```bash
python toy/said.py
```

```output
loss 0... at step 4
```
"""


def test_the_blocks_of_a_document_are_followed_in_order(tmp_path):
  follow(TOY, tmp_path)
  assert (tmp_path / "toy/said.py").read_text().startswith("print")


@pytest.mark.parametrize(
  "old, new, message",
  [
    ("step 4\n```\n", "step 5\n```\n", "line 15: .*step 5' is not in"),
    ("bash\npython toy/said", "bash\npython toy/sad", "line 11:(.|\n)*sad.py"),
  ],
)
def test_what_a_document_says_wrongly_is_found(tmp_path, old, new, message):
  assert TOY.count(old) == 1
  with pytest.raises(AssertionError, match=message):
    follow(TOY.replace(old, new), tmp_path)


def test_the_tutorial_does_what_it_says(tmp_path):
  follow(TUTORIAL.read_text(), copy_of_the_tree(tmp_path))
