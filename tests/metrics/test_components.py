"""Connected components: kept, filled, told apart."""

import numpy as np
import pytest

from medfm.metrics import components
from medfm.metrics.components import BORDER, INSIDE

pytestmark = pytest.mark.once


def grid(*rows):
  """A label map from rows of digits."""
  return np.array([[int(c) for c in row] for row in rows])


def discs(*centres, radius=6, side=40):
  """Discs numbered from 1; where they overlap, the nearest centre's."""
  y, x = np.mgrid[:side, :side]
  away = np.stack([np.hypot(y - a, x - b) for a, b in centres])
  return np.where(away.min(0) <= radius, away.argmin(0) + 1, 0)


def same(a, b):
  """Whether two label maps have the same objects, whatever their numbers."""
  pairs = {(int(i), int(j)) for i, j in zip(a.ravel(), b.ravel(), strict=True)}
  return len(pairs) == len(np.unique(a)) == len(np.unique(b))


def test_only_the_largest_component_of_each_structure_stays():
  labels = grid("010110", "200110", "000000", "202220")
  kept, removed = components.largest(labels, structures=2)
  assert (kept == grid("000110", "000110", "000000", "002220")).all()
  assert removed == 3
  assert labels[0, 1] == 1  # The given array is left as it is.


def test_corners_join_voxels_if_asked_to():
  labels = grid("10", "01")
  assert components.largest(labels, structures=1)[1] == 1
  assert components.largest(labels, structures=1, connectivity=2)[1] == 0


def test_holes_are_filled_and_another_structure_stays():
  labels = grid("1111", "1021", "1111")
  made, count = components.filled(labels, structures=2)
  assert (made == grid("1111", "1121", "1111")).all() and count == 1


def test_a_tube_is_filled_slice_by_slice_alone():
  ring = grid("111", "101", "111")
  tube = np.stack([ring] * 3, -1)
  assert components.filled(tube, structures=1)[1] == 0
  assert components.filled(tube, structures=1, axis=2)[1] == 3


def test_touching_objects_are_found_again_from_their_border_classes():
  truth = discs((12, 12), (12, 23), (28, 16))
  assert components.instances_of(truth > 0, how="components").max() == 2
  classes = components.border_classes(truth)
  made = components.instances_of(classes)
  assert made.dtype == np.int32 and made.max() == 3
  assert same(made, truth)


def test_probabilities_are_taken_at_their_likeliest_class():
  classes = components.border_classes(discs((12, 12), (12, 23)))
  probs = np.eye(3, dtype=np.float32)[classes]
  made = components.instances_of(probs)
  assert (made == components.instances_of(classes)).all()


def test_border_classes_keep_an_inside_for_the_smallest_object():
  truth = grid("00000", "01100", "01100", "00020", "00000")
  classes = components.border_classes(truth)
  assert ((classes > 0) == (truth > 0)).all()
  for k in (1, 2):
    assert (classes[truth == k] == INSIDE).any()


def test_insides_of_touching_objects_do_not_touch():
  truth = grid("1111222", "1111222", "1111222")
  classes = components.border_classes(truth)
  assert (classes[:, 3:5] == BORDER).all()
  assert (classes[:, [0, 6]] == INSIDE).all()  # The image's edge is no border.


def test_a_border_without_inside_is_an_object_of_its_own():
  classes = np.zeros((3, 9), int)
  classes[1, 1:4], classes[1, 2], classes[1, 6:8] = BORDER, INSIDE, BORDER
  made = components.instances_of(classes, fill=False)
  assert made[1].tolist() == [0, 1, 1, 1, 0, 0, 2, 2, 0]


def test_seeds_meet_in_the_middle_and_do_not_leave_the_mask():
  seeds, mask = np.zeros((1, 9), int), np.ones((1, 9), bool)
  seeds[0, 0], seeds[0, 6], mask[0, 7] = 4, 2, False
  made = components.grown(seeds, mask)[0]
  assert made[:3].tolist() == [4] * 3 and made[4:7].tolist() == [2] * 3
  assert made[7] == 0 and made[8] not in (0, 2, 4)


def test_overlapping_discs_are_split_at_their_waist():
  y, x = np.mgrid[:40, :44]
  large = np.hypot(y - 20, x - 14) <= 12
  small = np.hypot(y - 20, x - 30) <= 6
  made = components.instances_of(large | small, how="distance")
  assert made.max() == 2
  # The waist is at column 24.7, nearer to the centre of the small disc.
  assert (made[20, 2:25] == made[20, 14]).all()
  assert (made[20, 26:37] == made[20, 30]).all()


def test_small_objects_and_seeds_are_dropped():
  mask = discs((12, 12)) > 0
  mask[30, 30] = True
  made = components.instances_of(mask, how="components", least=2)
  assert made.max() == 1 and made[30, 30] == 0
  assert components.instances_of(mask, how="components", least=1).max() == 2
  classes = grid("2222222", "2122112", "2222222")
  made = components.instances_of(classes, least_seed=2, fill=False)
  assert (made == 1).all()


def test_insides_that_touch_are_split_at_their_waist_if_asked_for():
  y, x = np.mgrid[:40, :70]
  discs = [(y - 20) ** 2 + (x - c) ** 2 <= 14**2 for c in (22, 46)]
  classes = np.where(discs[0] | discs[1], components.INSIDE, 0)
  assert components.instances_of(classes).max() == 1
  made = components.instances_of(classes, waist=9)
  assert made.max() == 2 and (made > 0).sum() == (classes > 0).sum()
  assert len(np.unique(made[:, :30])) == 2  # One of them and outside.


@pytest.mark.parametrize("how", ["border", "distance", "components"])
def test_holes_of_objects_are_filled_unless_told_not_to(how):
  mask = np.ones((9, 9), int)
  mask[4, 4] = 0
  mask = np.pad(mask, 2)
  assert components.instances_of(mask, how=how)[6, 6] == 1
  assert components.instances_of(mask, how=how, fill=False)[6, 6] == 0


@pytest.mark.parametrize("how", ["border", "distance", "components"])
def test_an_empty_prediction_has_no_objects(how):
  made = components.instances_of(np.zeros((5, 6), int), how=how)
  assert made.shape == (5, 6) and not made.any()


def test_an_unknown_way_is_an_error():
  with pytest.raises(ValueError, match="how='guess'"):
    components.instances_of(np.zeros((5, 6), int), how="guess")
