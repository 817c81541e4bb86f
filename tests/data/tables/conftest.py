"""Datasets of a user's CSV."""

import pytest

from medfm.data.tables import own
from tests.data.tables import cohort


@pytest.fixture
def table(tmp_path):
  """Makes the dataset of a CSV text with these settings."""

  def make(content=None, other=None, **settings):
    given = {"label": "outcome", **settings}
    content = content or cohort.text()
    return cohort.dataset(tmp_path, own.own_table, content, other, **given)

  return make
