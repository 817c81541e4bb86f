"""What classical models see of the inputs."""

import numpy as np
import pytest

from medfm.data import designs
from medfm.data.images.input import Image
from medfm.data.tables.input import Table
from medfm.tasks.multiclass import Classes
from medfm.types import Info, Split, UserError
from tests import infos

BINARY = infos.info("toy", "multiclass", ("no", "yes"), numeric=("a", "b", "c"))
MIXED = infos.info(
  "toy",
  "multiclass",
  ("no", "yes"),
  categorical={"sex": ("F", "M"), "site": ("1", "2", "3")},
)
TABLE = Table(("a",), (0.0,), (1.0,), {"sex": ("F", "M")})
BOTH = Info("both", {"scan": Image(), "table": TABLE}, Classes(("no", "yes")))


def _split(count):
  features = np.random.default_rng(0).normal(size=(count, 3))
  return Split(
    {"features": features.astype(np.float32)}, np.arange(count).astype(str)
  )


def _both():
  return Split(
    {
      "table/features": np.array([[1.0], [3.0], [np.nan]], np.float32),
      "table/categories": np.array([[0], [1], [-1]], np.int32),
      "table/present": np.array([True, True, False]),
      "scan/image": np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1),
      "scan/present": np.array([False, True, True]),
    },
    np.array(["0", "1", "2"]),
  )


def test_missing_value_is_the_training_median_and_flagged():
  train = _split(5)
  train.arrays["features"][:, 0] = [1, 2, np.nan, 10, 3]
  design = designs.linear(train, BINARY, 0)
  assert design.names == ("a", "b", "c", "a missing")
  np.testing.assert_array_equal(design.of(train)[2, [0, 3]], [2.5, 1])


def test_levels_become_columns_but_the_first():
  codes = np.array([[0, 0], [1, 2], [-1, 0]], np.int32)
  split = Split({"categories": codes}, np.arange(3).astype(str))
  design = designs.linear(split, MIXED, 0)
  assert design.names == ("sex=M", "sex missing", "site=3")
  np.testing.assert_array_equal(
    design.of(split), [[0, 0, 0], [1, 0, 1], [0, 1, 0]]
  )


def test_level_unseen_in_training_is_missing_to_trees():
  codes = np.array([[0, 0], [1, 2]], np.int32)
  train = Split({"categories": codes}, np.arange(2).astype(str))
  test = Split({"categories": codes[:, ::-1]}, train.ids)
  design = designs.native(train, MIXED, 0)
  assert design.levels == (0, 1)
  np.testing.assert_array_equal(design.of(test), [[0, 0], [np.nan, np.nan]])


def test_inputs_stand_side_by_side_and_a_missing_one_is_marked():
  design = designs.linear(_both(), BOTH, 0)
  assert design.names == (
    "pixel 0", "scan missing", "a", "sex=M", "table missing",
  )  # fmt: skip
  np.testing.assert_allclose(
    design.of(_both()),
    [[0.6, 1, 1, 0, 0], [0.2, 0, 3, 1, 0], [1, 0, 2, 0.5, 1]],
    rtol=1e-6,
  )


def test_trees_see_a_missing_input_as_missing_values():
  design = designs.native(_both(), BOTH, 0)
  assert design.levels == (2,)
  nan = np.nan
  np.testing.assert_allclose(
    design.of(_both()), [[nan, 1, 0], [0.2, 3, 1], [1, nan, nan]], rtol=1e-6
  )


@pytest.mark.parametrize("made", [designs.linear, designs.native])
def test_what_a_missing_input_holds_changes_no_column(made):
  other = _both()
  other.arrays["scan/image"][0] = 77
  other.arrays["table/features"][2] = 9
  design = made(_both(), BOTH, 0)
  np.testing.assert_array_equal(design.of(other), design.of(_both()))
  np.testing.assert_array_equal(
    made(other, BOTH, 0).of(_both()), design.of(_both())
  )


def test_text_has_no_columns_and_says_so():
  info = infos.info("notes", vocabulary=7)
  with pytest.raises(UserError, match="text in 7 tokens"):
    designs.linear(_split(2), info, 0)


def test_handcrafted_columns_of_images_stand_beside_those_of_a_table():
  info = Info("both", {**BOTH.inputs, "scan": Image((16, 16))}, BOTH.target)
  both = _both()
  images = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 1), np.uint8)
  both.arrays["scan/image"] = images
  plain = designs.linear(both, BOTH, 0).names
  design = designs.handcrafted(both, info, 0, kind="colour_texture")
  assert "colour_texture 0" in design.names
  assert set(plain) - set(design.names) == {
    name for name in plain if name.startswith("pixel")
  }
  assert design.of(both).shape == (3, len(design.names))


def test_handcrafted_columns_of_a_table_alone_are_refused():
  with pytest.raises(UserError, match="hand-crafted features are of images"):
    designs.handcrafted(_split(3), BINARY, 0, kind="hog")
