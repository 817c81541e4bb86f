"""What the documents say of the code is so."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
COUNTED = re.findall(r"\| `(\S+\.py)` \| (\d+) \|", CONTRIBUTING)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_somewhere(path):
  links = re.findall(r"\]\(([^)#:]+)[^)]*\)", path.read_text())
  missing = [link for link in links if not (path.parent / link).exists()]
  assert not missing


def test_the_index_lists_every_document():
  index = (ROOT / "docs" / "index.md").read_text()
  listed = {
    (ROOT / "docs" / link).resolve() for link in re.findall(r"\((.+?)\)", index)
  }
  assert set(DOCUMENTS) - {ROOT / "docs" / "index.md"} <= listed


@pytest.mark.parametrize("name, lines", COUNTED)
def test_a_file_of_the_reading_list_is_as_long_as_it_says(name, lines):
  actual = len((ROOT / name).read_text().splitlines())
  assert abs(actual - int(lines)) <= 0.2 * actual, f"write {actual}"


def test_the_reading_list_is_read():
  assert len(COUNTED) > 5


def test_a_path_that_contributing_names_exists():
  named = re.findall(
    r"`((?:medfm|tests|configs|experiments)/\S+)`", CONTRIBUTING
  )
  plain = [name for name in named if not re.search(r"[<A-Z]", name)]
  assert not [name for name in plain if not (ROOT / name).exists()]
