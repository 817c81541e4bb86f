"""The drills as tests: the fast ones always, the others with -m drill."""

import pathlib

import pytest

from tests.drills import every
from tests.drills.catalogue import Skipped
from tests.drills.room import Room

CASES = [
  pytest.param(
    one,
    id=f"{one.kind}: {one.name}",
    marks=[] if one.fast else [pytest.mark.drill, pytest.mark.slow],
  )
  for one in every.DRILLS
]


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> pathlib.Path:
  """A folder for the drills of all test processes."""
  base = tmp_path_factory.getbasetemp()
  return (base.parent if base.name.startswith("popen-") else base) / "drills"


@pytest.mark.parametrize("one", CASES)
def test_a_drill_is_survived(one, shared, tmp_path):
  room = Room(shared, tmp_path)
  try:
    one.run(room)
  except Skipped as reason:
    pytest.skip(str(reason))
  finally:
    room.close()
