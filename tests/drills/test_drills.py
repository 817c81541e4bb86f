"""The drills as tests: one always, the fast ones in CI, all with -m drill."""

import pathlib
import signal

import pytest

from tests.drills import every
from tests.drills.catalogue import Skipped
from tests.drills.room import Room

pytestmark = pytest.mark.once

ALWAYS = {f"once [{int(signal.SIGTERM)}]"}


def marks(one):
  if one.name in ALWAYS:
    return []
  return [pytest.mark.slow, *([] if one.fast else [pytest.mark.drill])]


CASES = [
  pytest.param(one, id=f"{one.kind}: {one.name}", marks=marks(one))
  for one in every.DRILLS
]


def test_what_is_always_tried_is_among_the_drills():
  assert {one.name for one in every.DRILLS if one.fast} >= ALWAYS


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
