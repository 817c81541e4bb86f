"""Drawings of regions: what is shown, where, and in which proportions."""

import numpy as np
import pytest

from medfm.explain import regions
from medfm.metrics import overlap
from medfm.report import overlays, style
from medfm.report.overlays import Case
from medfm.tasks.regions import figures

pytestmark = pytest.mark.once


def volume(shape=(12, 16, 10), **given):
  """A box, and the same box moved by two voxels."""
  truth = np.zeros(shape, np.uint8)
  truth[3:7, 4:10, 2:8] = 1
  truth[3:6, 4:9, 5] = 2
  image = np.random.default_rng(0).normal(size=shape)
  return Case(image, truth, np.roll(truth, 2, 0), **given)


def picture(channels=0, **given):
  truth = np.zeros((20, 30), np.int32)
  truth[2:8, 3:9], truth[2:8, 9:15] = 7, 300
  shape = (20, 30, channels) if channels else (20, 30)
  image = np.random.default_rng(0).random(shape)
  return Case(image, truth, np.roll(truth, 1, 1), **given)


def panels(figure):
  return [axes for axes in figure.axes if axes.axison]


def lines(axes, colour):
  """How many outlined objects have this colour."""
  from matplotlib import colors

  wanted = colors.to_rgba(colour)
  return sum(
    tuple(drawn.get_edgecolor()[0]) == wanted
    for drawn in axes.collections
    if len(drawn.get_edgecolor())
  )


def test_a_volume_is_a_row_of_three_planes_at_the_largest_true_area():
  case = volume()
  figure = overlays.contours([case, case])
  drawn = panels(figure)
  assert len(drawn) == 6
  titles = [axes.get_title(loc="left") for axes in drawn[:3]]
  places = ["axial, slice 2", "coronal, slice 4", "sagittal, slice 3"]
  assert titles == places


def test_each_plane_shows_its_slice_with_the_last_axis_upwards():
  case = volume()
  axial, coronal, sagittal = panels(overlays.contours([case]))
  shown = [axes.images[0].get_array() for axes in (axial, coronal, sagittal)]
  np.testing.assert_array_equal(shown[0], case.image[:, :, 2].T)
  np.testing.assert_array_equal(shown[1], case.image[:, 4, :].T)
  np.testing.assert_array_equal(shown[2], case.image[3, :, :].T)
  assert axial.images[0].origin == "lower"


def test_thick_slices_are_drawn_as_thick_as_they_are():
  case = volume(spacing_mm=(1, 2, 3))
  axial, coronal, sagittal = panels(overlays.contours([case]))
  aspects = [axes.get_aspect() for axes in (axial, coronal, sagittal)]
  assert aspects == [2, 3, 1.5]


@pytest.mark.parametrize("spacing", [None, (np.nan, 1, 1)])
def test_an_unknown_spacing_gives_square_pixels(spacing):
  for axes in panels(overlays.contours([volume(spacing_mm=spacing)])):
    assert axes.get_aspect() == 1


def test_every_object_is_outlined_in_truth_and_prediction():
  (axes,) = panels(overlays.contours([picture()]))
  assert lines(axes, style.SKY) == lines(axes, style.ORANGE) == 2


def test_a_contour_surrounds_its_object():
  (axes,) = panels(overlays.contours([picture()]))
  first = axes.collections[0].get_paths()[0].get_extents()
  assert (first.x0, first.x1) == (2.5, 8.5)
  assert (first.y0, first.y1) == (1.5, 7.5)


@pytest.mark.parametrize(("channels", "axes"), [(0, 2), (1, 2), (3, 3), (4, 3)])
def test_pictures_are_grey_or_coloured_by_their_channels(channels, axes):
  (drawn,) = panels(overlays.contours([picture(channels)]))
  assert drawn.images[0].get_array().ndim == axes
  assert drawn.images[0].origin == "upper"


def test_a_picture_of_equal_channels_is_windowed_like_a_grey_one():
  grey = picture(1)
  image = np.repeat((grey.image * 20).astype(np.uint8), 3, -1)
  (drawn,) = panels(overlays.contours([grey._replace(image=image)]))
  assert drawn.images[0].get_array().ndim == 2
  assert 10 < drawn.images[0].get_clim()[1] < 30


def test_sides_of_a_slice_are_named():
  axial, coronal, _ = panels(overlays.contours([volume(axes="RAS")]))
  assert [t.get_text() for t in axial.texts] == ["L", "R", "P", "A"]
  assert [t.get_text() for t in coronal.texts] == ["L", "R", "I", "S"]


def test_zoom_shows_the_surroundings_of_the_regions():
  (axes,) = panels(overlays.contours([picture()], zoom=True))
  left, right = axes.get_xlim()
  assert left == -0.5 or left == pytest.approx(-0.5)
  assert 15 < right < 25
  bottom, top = axes.get_ylim()
  assert bottom > top  # As pictures are, from top to bottom.


def test_an_empty_case_is_drawn_without_contours():
  case = volume()
  nothing = case._replace(truth=case.truth * 0, predicted=case.truth * 0)
  drawn = panels(overlays.contours([nothing], zoom=True))
  assert len(drawn) == 3 and not any(axes.collections for axes in drawn)


def test_a_montage_covers_the_regions_from_end_to_end():
  figure = overlays.montage(volume(title="a"), slices=3, axis=0)
  titles = [axes.get_title(loc="left") for axes in panels(figure)]
  assert titles == [f"sagittal, slice {k}" for k in (3, 6, 8)]


def test_figures_name_both_lines():
  figure = overlays.contours([picture(title="worst: a, Dice 0.5")])
  words = [text.get_text() for text in figure.legends[0].get_texts()]
  assert words == ["True", "Predicted"]
  assert style.png(figure).startswith(b"\x89PNG")


def test_a_long_name_leaves_room_for_its_score():
  title = f"worst: {'9d3f' * 20}, mean AP 0.125"
  (axes,) = panels(overlays.contours([picture(title=title)]))
  shown = axes.get_title(loc="left")
  assert shown.startswith("worst: 9d3f") and shown.endswith(", mean AP 0.125")
  assert len(shown) == 38 and "…" in shown


def test_extremes_are_by_patient():
  score = np.array([0.1, 0.9, 0.5, 0.6, 0.8])
  patients = np.array(["a", "a", "b", "c", "d"])
  # a has a mean of 0.5, and so has b; a comes first.
  rows = dict(regions.extremes(score, patients))
  assert rows["worst"] in (0, 1) and rows["best"] == 4
  assert dict(regions.extremes(score)) == {"worst": 0, "median": 3, "best": 1}


def test_extremes_leave_out_cases_without_a_score():
  score = np.array([[np.nan, np.nan], [0.2, np.nan], [0.9, 0.7]])
  assert regions.extremes(score) == [("worst", 1), ("best", 2)]
  assert regions.extremes(np.full((2, 2), np.nan)) == []


def test_distributions_leave_out_what_is_not_known():
  values = {"a": np.array([0.5, np.nan, 0.7]), "b": np.array([0.9] * 3)}
  panel = figures.Panel(values, "Dice, test", "Dice", (0, 1.02))
  (axes,) = figures.distributions([panel]).axes
  ticks = [tick.get_text() for tick in axes.get_xticklabels()]
  assert ticks == ["a\nn = 2", "b\nn = 3"]
  assert len(axes.collections[0].get_offsets()) == 2


def test_agreement_marks_the_bias_and_the_limits():
  true, predicted = np.array([1.0, 2, 3, np.nan]), np.array([2.0, 2, 5, 1])
  _, right = figures.agreement(true, predicted, "a", "ml").axes
  heights = sorted(line.get_ydata()[0] for line in right.lines)
  assert heights == pytest.approx([1 - 1.96, 0, 1, 1 + 1.96])
  assert right.get_xlabel() == "Mean of true and predicted (ml)"


def test_cases_without_distance_have_a_column_only_if_there_are_any():
  block = figures.outcomes([[3, 1, 0, 0, 0]], ["a"], "test")
  assert block["columns"][-1] == "Absent" and block["rows"] == [
    ("a", 3, 1, 0, 0)
  ]
  block = figures.outcomes([[3, 1, 0, 0, 2]], ["a"], "test")
  assert len(block["columns"]) == len(overlap.OUTCOMES) + 1
