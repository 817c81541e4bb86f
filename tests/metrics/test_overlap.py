"""Measures of one segmented case, against brute force and by hand."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff

from medfm.metrics import overlap, surfaces

pytestmark = pytest.mark.once

MM = (1.0, 1.0, 1.0)


def blobs(shape=(9, 10, 8), seed=0):
  """Two label maps of two structures that overlap in part."""
  generator = np.random.default_rng(seed)
  pair = []
  for _ in range(2):
    labels = np.zeros(shape, np.uint8)
    for k in (1, 2):
      first, *rest = generator.integers(0, 3, len(shape))
      corner = first % 2 + 4 * (k - 1), *rest
      box = tuple(slice(c, c + 4) for c in corner)
      labels[box][generator.random(labels[box].shape) < 0.9] = k
    pair.append(labels)
  return pair


def measured(truth, predicted, *, structures=1, spacing_mm=MM, tolerance=1.0):
  settings = {"spacing_mm": spacing_mm, "tolerance": tolerance}
  return overlap.measures(truth, predicted, structures=structures, **settings)


def cube(at=2, side=4, shape=(12, 12, 12)):
  labels = np.zeros(shape, np.uint8)
  labels[(slice(at, at + side),) * len(shape)] = 1
  return labels


def naive_surface(mask):
  """Voxels with a face on the outside, one by one."""
  edge = []
  for place in np.argwhere(mask):
    for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
      beside = place.copy()
      beside[axis] += step
      inside = (beside >= 0).all() and (beside < mask.shape).all()
      if not inside or not mask[tuple(beside)]:
        edge.append(place)
        break
  return np.array(edge)


def naive(truth, predicted, spacing, tolerance):
  a, b = (naive_surface(m) * np.array(spacing) for m in (truth, predicted))
  apart = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
  there, back = apart.min(1), apart.min(0)
  every = np.concatenate([there, back])
  common, total = (truth & predicted).sum(), truth.sum() + predicted.sum()
  return {
    "dice": 2 * common / total,
    "iou": common / (truth | predicted).sum(),
    "surface_dice": (every <= tolerance).mean(),
    "hd95": max(np.percentile(there, 95), np.percentile(back, 95)),
    "assd": every.mean(),
  }


@pytest.mark.parametrize("spacing", [MM, (0.5, 1.0, 3.0)])
@pytest.mark.parametrize("shape", [(9, 10, 8), (9, 10)])
def test_measures_equal_brute_force(spacing, shape):
  truth, predicted = blobs(shape)
  spacing = spacing[: len(shape)]
  made = measured(truth, predicted, structures=2, spacing_mm=spacing)
  for k in range(2):
    wanted = naive(truth == k + 1, predicted == k + 1, spacing, 1.0)
    for name, value in wanted.items():
      np.testing.assert_allclose(made[name][k], value, atol=1e-5)


def test_a_tree_and_a_distance_transform_give_equal_distances(monkeypatch):
  truth, predicted = (labels == 1 for labels in blobs())
  spacing = np.array([0.5, 1.0, 3.0])
  tree = surfaces.distances(truth, predicted, spacing)
  monkeypatch.setattr(surfaces, "_MANY", 0)
  mapped = surfaces.distances(truth, predicted, spacing)
  for a, b in zip(tree, mapped, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
  assert mapped.there.dtype == np.float32 != tree.there.dtype


def test_the_100th_percentile_is_the_hausdorff_distance():
  truth, predicted = (labels == 1 for labels in blobs())
  a, b = (np.argwhere(surfaces.surface(m)) for m in (truth, predicted))
  wanted = max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0])
  between = surfaces.distances(truth, predicted, np.ones(3))
  assert surfaces.hausdorff(between, 100) == pytest.approx(wanted)


def test_measures_are_symmetric_but_for_the_sign_of_the_difference():
  truth, predicted = blobs()
  there = measured(truth, predicted, structures=2)
  back = measured(predicted, truth, structures=2)
  for name in (*overlap.OVERLAPS, *overlap.DISTANCES):
    np.testing.assert_allclose(there[name], back[name])
  np.testing.assert_allclose(there["difference"], -back["difference"])


def test_a_perfect_prediction_has_overlap_1_and_distance_0():
  truth, _ = blobs()
  made = measured(truth, truth, structures=2)
  for name in overlap.OVERLAPS:
    assert (made[name] == 1).all()
  for name in (*overlap.DISTANCES, "difference"):
    assert (made[name] == 0).all()


def test_a_plate_moved_by_d_voxels_has_an_hd95_of_d_times_the_spacing():
  truth = np.zeros((12, 30, 30), np.uint8)
  truth[3] = 1
  moved = np.roll(truth, 4, 0)
  made = measured(truth, moved, spacing_mm=(2.5, 1.0, 1.0))
  assert made["hd95"][0] == made["assd"][0] == pytest.approx(10)


def test_distances_grow_with_the_spacing_and_volumes_with_its_cube():
  truth, predicted = blobs()
  small = measured(truth, predicted, structures=2)
  large = measured(truth, predicted, structures=2, spacing_mm=(3, 3, 3))
  for name, times in (("hd95", 3), ("assd", 3), ("true_size", 27), ("dice", 1)):
    np.testing.assert_allclose(large[name], times * small[name])


def test_a_distance_of_the_tolerance_is_within_it():
  truth = np.zeros((9, 20, 20), np.uint8)
  truth[2] = 1
  moved = np.roll(truth, 2, 0)
  for tolerance, share in ((2.0, 1.0), (1.9, 0.0)):
    made = measured(truth, moved, tolerance=tolerance)
    assert made["surface_dice"][0] == share


def test_structures_may_have_tolerances_of_their_own():
  truth = np.zeros((9, 20, 20), np.uint8)
  truth[2], truth[6] = 1, 2
  moved = np.roll(truth, 1, 0)
  made = measured(truth, moved, structures=2, tolerance=(1.0, 0.5))
  assert made["surface_dice"].tolist() == [1, 0]


def test_sizes_are_ml_of_volumes_mm2_of_images_and_pixels_of_pictures():
  volume = measured(cube(), cube(side=5), spacing_mm=(1, 2, 5))
  assert volume["true_size"][0] == pytest.approx(64 * 10 / 1000)
  assert volume["difference"][0] == pytest.approx(61 * 10 / 1000)
  flat = cube(shape=(12, 12))
  assert measured(flat, flat, spacing_mm=(0.5, 2))["true_size"][0] == 16
  assert measured(flat, flat, spacing_mm=None)["true_size"][0] == 16


def test_a_picture_is_measured_in_pixels():
  truth = np.zeros((9, 20), np.uint8)
  truth[2] = 1
  moved = np.roll(truth, 3, 0)
  assert measured(truth, moved, spacing_mm=None)["hd95"][0] == 3


def test_an_unknown_spacing_leaves_overlap_alone():
  made = measured(cube(), cube(at=3), spacing_mm=(1, np.nan, 1))
  known = {name for name in overlap.NAMES if not np.isnan(made[name][0])}
  assert known == {"dice", "iou", "in_truth", "in_predicted"}


def test_missed_invented_and_absent_structures():
  nothing = np.zeros((12, 12, 12), np.uint8)
  for truth, predicted, value in (
    (cube(), nothing, 0.0),
    (nothing, cube(), 0.0),
    (nothing, nothing, np.nan),
  ):
    made = measured(truth, predicted)
    for name in overlap.OVERLAPS:
      np.testing.assert_equal(made[name][0], value)
    assert np.isnan(made["hd95"][0]) and np.isnan(made["assd"][0])
  assert made["true_size"][0] == made["predicted_size"][0] == 0


def test_outcomes_count_every_case_once():
  nothing = np.zeros((12, 12, 12), np.uint8)
  made = [
    measured(*pair, spacing_mm=spacing)
    for *pair, spacing in (
      (cube(), cube(), MM),
      (cube(), nothing, MM),
      (nothing, cube(), MM),
      (nothing, nothing, MM),
      (cube(), cube(), (np.nan,) * 3),
    )
  ]
  columns = {name: np.stack([m[name] for m in made]) for name in overlap.NAMES}
  assert overlap.outcomes(columns).tolist() == [[2, 1, 1, 1, 1]]


def test_a_slice_has_the_outline_of_a_picture():
  flat = cube(shape=(12, 12), side=6)
  assert surfaces.surface(flat[..., None] > 0).sum() == 20
  assert surfaces.surface(flat > 0).sum() == 20


def test_a_structure_at_the_edge_of_the_grid_has_a_surface_there():
  assert surfaces.surface(np.ones((5, 5), bool)).sum() == 16


@pytest.mark.parametrize(
  ("truth", "predicted", "match"),
  [
    (cube(), cube()[1:], "shape"),
    (cube() * 1.0, cube(), "float64"),
    (cube() * 3, cube(), "labels from 0 to 3; expected 0 to 1"),
    (cube().astype(int) * -1, cube(), "labels from -1"),
  ],
)
def test_label_maps_that_cannot_be_compared_are_an_error(
  truth, predicted, match
):
  with pytest.raises(ValueError, match=match):
    measured(truth, predicted)


def test_a_spacing_of_zero_is_an_error():
  with pytest.raises(ValueError, match="3 positive numbers"):
    measured(cube(), cube(), spacing_mm=(1, 0, 1))


def test_a_structure_in_one_slice_has_the_surface_of_a_volume():
  y, x = np.mgrid[:40, :40] - 20
  disks = np.zeros((2, 40, 40, 5), np.uint8)
  for disk, radius in zip(disks, (10, 8), strict=True):
    disk[..., 2] = x**2 + y**2 <= radius**2
  made = measured(*disks, spacing_mm=(1, 1, 5))
  # As MONAI's SurfaceDistanceMetric on the whole volume.
  between = surfaces.distances(*(disk > 0 for disk in disks), (1.0, 1.0, 5.0))
  assert made["assd"][0] == pytest.approx(surfaces.average_distance(between))
  assert made["assd"][0] == pytest.approx(0.355, abs=1e-3)
  assert made["surface_dice"][0] == pytest.approx(0.860, abs=1e-3)
