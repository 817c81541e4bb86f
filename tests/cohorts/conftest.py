"""Where the runs of these tests are."""

import pytest

from medfm.types import Folders


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  return tmp_path_factory.mktemp("cohorts")


@pytest.fixture(scope="module")
def folders(shared_cache):
  return Folders(None, shared_cache)
