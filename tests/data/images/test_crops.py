"""Parts of pictures."""

import numpy as np
import pytest

from medfm.data.images import crops
from medfm.types import UserError


def test_a_box_counts_from_the_top_left():
  pixels = np.arange(20).reshape(4, 5, 1)
  part = crops.inside(pixels, (1, 2, 3, 4), "cell")
  assert part[..., 0].tolist() == [[11, 12], [16, 17]]


@pytest.mark.parametrize("box", [(0, 0, 6, 1), (-1, 0, 2, 2), (2, 1, 2, 3)])
def test_a_box_that_is_not_within_its_picture_is_refused(box):
  with pytest.raises(UserError, match=r"^cell: the box .* picture of 5 x 4"):
    crops.inside(np.zeros((4, 5, 1)), box, "cell")
