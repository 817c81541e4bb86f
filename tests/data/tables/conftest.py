"""Datasets of a user's CSV."""

import pytest

from medfm.data.tables import own
from medfm.types import Folders, UserError
from tests.data.tables.cohort import text


@pytest.fixture
def table(tmp_path):
  """Makes the dataset of a CSV text with these settings."""

  def make(content=None, other=None, **settings):
    (tmp_path / "cohort.csv").write_text(content or text())
    if other is not None:
      (tmp_path / "later.csv").write_text(other)
      settings["test_path"] = "later.csv"
    folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
    given = {"path": "cohort.csv", "label": "outcome", **settings}
    return own.own_table(folders, **given)

  return make


@pytest.fixture
def fault(table):
  """The one-line message of a mistake."""

  def message(*args, **settings):
    with pytest.raises(UserError) as caught:
      table(*args, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)

  return message
