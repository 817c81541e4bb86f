"""Real tiles, and slides composed of them."""

import numpy as np
import pytest

from tests import composed


@pytest.fixture(scope="session")
def kinds(data_dir):
  """class -> its real tiles, uint8 [10,32,32,3]."""
  return composed.tiles(data_dir)


@pytest.fixture(scope="session")
def whole(kinds):
  """A composed slide [256,256,3]: tissue in rows 2 to 5, columns 1 to 6."""
  cells = [[None] * 8 for _ in range(8)]
  for row in range(2, 6):
    for column in range(1, 7):
      pool = kinds["TUM" if (row + column) % 3 == 0 else "STR"]
      cells[row][column] = pool[row * column % 10]
  return composed.picture(cells)


PLACES = [[row, column] for row in range(2, 6) for column in range(1, 7)]


@pytest.fixture
def slide(whole, tmp_path):
  """The same in a file."""
  return composed.pyramid(tmp_path / "composed.tif", np.array(whole))
