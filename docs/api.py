"""API pages, made from the docstrings of the package: python -m docs.api.

One page per module and a search over all pages, as HTML that needs no server.
Modules are imported, but nothing else in them is run.
"""

import argparse
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import markupsafe
import pdoc
from pdoc import render


def write(folder: Path, modules: Sequence[str]) -> None:
  """Writes the pages of these modules, and of those within, to a folder.

  Raises:
    RuntimeError: a module cannot be imported.
  """
  render.configure(show_source=False)
  render.env.filters["to_markdown"] = str
  render.env.filters["to_html"] = shown
  with warnings.catch_warnings():
    # Names that flax and jax import only for type checkers.
    warnings.filterwarnings("ignore", "Error parsing type annotation")
    pdoc.pdoc(*modules, output_directory=folder)


def shown(docstring: str) -> markupsafe.Markup:
  """A docstring as it stands in the source; `names` become code."""
  text = str(markupsafe.escape(docstring.strip()))
  text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
  return markupsafe.Markup(f'<p style="white-space: pre-wrap">{text}</p>')


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("modules", nargs="*", default=["medfm"])
  parser.add_argument("--output", type=Path, default=Path("docs/api"))
  given = parser.parse_args()
  write(given.output, given.modules)
  print(f"{given.output / 'index.html'} lists the pages")


if __name__ == "__main__":
  main()
