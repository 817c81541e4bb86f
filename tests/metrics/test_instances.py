"""Scores of single objects, by hand and by counting pixel for pixel."""

import numpy as np
import pytest

from medfm.metrics import instances

pytestmark = pytest.mark.once


def row(*parts):
  """A label map of one row: (number, pixels) one after another."""
  return np.concatenate([np.full(n, k) for k, n in parts])[None]


TRUTH = row((1, 10), (0, 2), (2, 10), (0, 2), (3, 10))
CALLED = row((5, 8), (0, 4), (7, 10), (0, 2), (9, 4), (0, 6))
# IoU .8, 1 and .4.


def scored(truth, predicted):
  return instances.scores(truth, predicted)


def test_average_precision_by_hand():
  # Two of three match up to .75, one from .8 on: 2 / (2 + 1 + 1), 1 / 5.
  made = scored(TRUTH, CALLED)
  assert made["ap50"] == pytest.approx(0.5)
  assert made["mean_ap"] == pytest.approx((6 * 0.5 + 4 * 0.2) / 10)


def test_an_iou_of_exactly_the_threshold_is_no_match():
  each = instances.pairs(TRUTH, CALLED)
  assert instances.found(each, 0.79).sum() == 2
  assert instances.found(each, 0.8).sum() == 1


def test_halves_of_an_object_are_no_match():
  made = scored(row((1, 10)), row((1, 5), (2, 5)))
  assert made["objects_found"] == 0 and made["mean_ap"] == 0


def test_panoptic_quality_by_hand():
  # IoU .8 + 1 of two matches, over (3 + 3) / 2.
  assert scored(TRUTH, CALLED)["panoptic_quality"] == pytest.approx(0.6)


def test_aggregated_jaccard_by_hand():
  # Common 8 + 10 + 4, unions 10 + 10 + 10; nothing is left over.
  assert scored(TRUTH, CALLED)["aggregated_jaccard"] == pytest.approx(22 / 30)
  more = np.concatenate([CALLED, row((11, 6), (0, 28))])
  truth = np.concatenate([TRUTH, row((0, 34))])
  assert scored(truth, more)["aggregated_jaccard"] == pytest.approx(22 / 36)


def test_counts_of_objects():
  made = scored(TRUTH, CALLED)
  counts = [made[f"objects_{k}"] for k in ("found", "true", "predicted")]
  assert counts == [2, 3, 3]


def test_numbers_of_objects_do_not_matter():
  renamed = np.array([0, 60_000, 7, 31])[TRUTH].astype(np.uint16)
  assert scored(renamed, CALLED) == scored(TRUTH, CALLED)


def test_a_perfect_prediction_has_1_everywhere():
  made = scored(TRUTH, TRUTH + (TRUTH > 0))
  for name in instances.NAMES[:4]:
    assert made[name] == 1


def test_scores_are_symmetric():
  there, back = scored(TRUTH, CALLED), scored(CALLED, TRUTH)
  for name in ("mean_ap", "ap50", "panoptic_quality"):
    assert there[name] == pytest.approx(back[name])


def test_pairs_equal_counting_pixel_for_pixel():
  generator = np.random.default_rng(0)
  truth, predicted = generator.integers(0, 5, (2, 12, 12))
  each = instances.pairs(truth, predicted)
  codes = (truth * 5 + predicted)[(truth > 0) & (predicted > 0)]
  assert len(each.i) == len(np.unique(codes))
  for i, j, both, iou in zip(each.i, each.j, each.both, each.iou, strict=True):
    a, b = truth == i + 1, predicted == j + 1
    assert both == (a & b).sum()
    assert iou == pytest.approx((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("side", [0, 1])
def test_an_image_without_objects_on_one_side_has_0(side):
  pair = [TRUTH, TRUTH]
  pair[side] = TRUTH * 0
  made = scored(*pair)
  assert [made[name] for name in instances.NAMES[:4]] == [0] * 4
  assert made["objects_true"] + made["objects_predicted"] == 3


def test_an_image_without_any_object_has_no_score():
  made = scored(TRUTH * 0, TRUTH * 0)
  assert np.isnan([made[name] for name in instances.NAMES[:4]]).all()
  assert [made[name] for name in instances.NAMES[4:]] == [0] * 3


def test_an_image_that_is_all_object_has_no_background():
  full = np.ones((3, 4), int)
  assert scored(full, full)["mean_ap"] == 1


@pytest.mark.parametrize(
  ("predicted", "match"),
  [
    (CALLED[:, 1:], "shape"),
    (CALLED * 1.0, "float64"),
    (-CALLED, "holds -9"),
  ],
)
def test_bad_label_maps_are_an_error(predicted, match):
  with pytest.raises(ValueError, match=match):
    scored(TRUTH, predicted)


def test_a_threshold_below_a_half_is_an_error():
  with pytest.raises(ValueError, match=r"\.5 or more"):
    instances.scores(TRUTH, CALLED, thresholds=(0.4,))
