"""What every kind of input says of itself."""

import json

import numpy as np
import pytest

from medfm import spec, types
from medfm.data.images import input as image_input
from medfm.data.images.input import Image
from medfm.data.slides.input import Bag
from medfm.data.tables import input as table_input
from medfm.data.tables.input import Table
from medfm.data.text import input as text_input
from medfm.data.text.input import Tokens
from medfm.data.volumes.input import Volume
from medfm.tasks.pretext import Nothing
from medfm.types import Info, Split, UserError

TABLE = Table(("age", "dose"), (50.0, 1.0), (10.0, 0.0), {"sex": ("f", "m")})
CASES = {
  "table": (
    TABLE,
    {
      "features": np.array([[60, 1], [np.nan, 3]], np.float32),
      "categories": np.array([[0], [1]], np.int32),
    },
    "2 numbers and 1 categories",
  ),
  "images": (
    Image((2, 2), 3, "uint16"),
    {"image": np.full((2, 2, 2, 3), 65535, np.uint16)},
    "colour images of 2 x 2",
  ),
  "volumes": (
    Volume(3, 1, "int16", (2, 2, 2), range=(0.0, 100.0, 40.0, 10.0)),
    {
      "image": np.array([0, 400], np.int16).reshape(2, 1, 1, 1, 1)
      * np.ones((1, 2, 2, 2, 1), np.int16),
      "level": np.array([[0, 0], [400, 0]], np.float32),
    },
    "volumes of 2 x 2 x 2",
  ),
  "text": (
    Tokens(9, {"pad": 0}),
    {
      "tokens": np.ones((2, 4), np.int32),
      "segment": np.ones((2, 4), np.int32),
    },
    "text in 9 tokens",
  ),
  "slides": (
    Bag(224, 0.5, 0.5, "colours", (1.0, 0.0), (0.5, 1.0)),
    {"bag": np.ones((2, 3, 2), np.float32)},
    "bags of 224 px tiles at 0.5 um/px, as colours",
  ),
}
each_case = pytest.mark.parametrize("case", CASES)


def several() -> Info:
  inputs = {name: described for name, (described, *_) in CASES.items()}
  return Info("toy", inputs, Nothing())


@each_case
def test_it_survives_json_and_describes_itself(case):
  described, _, words = CASES[case]
  assert described.describe() == words
  again = json.loads(json.dumps(spec.plain(described)))
  assert spec.noun(again).settings() == described.settings()


@each_case
def test_a_blank_has_the_shapes_of_the_others(case):
  described, arrays, _ = CASES[case]
  blank = described.blank(3, arrays)
  assert set(blank) == set(arrays)
  for name, array in blank.items():
    assert array.shape == (3, *arrays[name].shape[1:])
    assert array.dtype == arrays[name].dtype


@each_case
def test_scaling_leaves_other_arrays_alone(case):
  described, arrays, _ = CASES[case]
  batch = {**arrays, "id": np.arange(2)}
  assert described.scale(batch)["id"] is batch["id"]
  assert described.scale({"id": batch["id"]}) == {"id": batch["id"]}


@each_case
def test_a_rule_finds_what_is_alike_in_either_direction(case):
  described, arrays, _ = CASES[case]
  if described.near is None:
    assert case in ("text", "slides", "volumes")
    return
  twins = described.near.search({"train": arrays, "test": arrays})
  forth, back = twins("train", "test"), twins("test", "train")
  assert set(zip(*forth, strict=True)) == {
    (j, i) for i, j in zip(*back, strict=True)
  }
  assert described.near.rule


def test_a_table_is_standardised_and_a_constant_column_only_centred():
  scaled = TABLE.scale(CASES["table"][1])["features"]
  np.testing.assert_allclose(scaled, [[1, 0], [np.nan, 2]])


def test_images_span_minus_one_to_one_or_what_is_asked():
  described, arrays, _ = CASES["images"]
  assert np.all(described.scale(arrays)["image"] == 1)
  wanted = described.scale(arrays, mean=(1.0, 0.0, 0.5), std=0.5)
  np.testing.assert_allclose(wanted["image"][0, 0, 0], [0, 2, 1])


def test_a_model_with_more_rows_than_the_tokenizer_keeps_them():
  tokens = CASES["text"][0]
  assert tokens.settings({"vocabulary": 12}) == {"vocabulary": 12}
  assert tokens.settings({"vocabulary": 3}) == {"vocabulary": 9}


def test_a_view_is_one_input_and_what_is_of_the_example():
  batch = {
    "table/features": 1, "images/image": 2, "images/present": 3, "weight": 4,
  }  # fmt: skip
  assert types.view(batch, several().inputs, "images") == {
    "image": 2, "present": 3, "weight": 4,
  }  # fmt: skip
  sole = Info("toy", {"table": TABLE}, Nothing())
  assert types.view({"features": 1, "id": 2}, sole.inputs, "table") == {
    "features": 1, "id": 2,
  }  # fmt: skip


def test_what_takes_one_kind_of_input_says_what_there_is_instead():
  info = Info("scans", {"image": Image((2, 2))}, Nothing())
  for only in (table_input.only, text_input.only):
    with pytest.raises(UserError, match="scans"):
      only(info)
    with pytest.raises(UserError, match="has the inputs table, images, vol"):
      only(several())
  assert text_input.among(info) is None
  assert text_input.among(several()) is CASES["text"][0]
  split = Split(CASES["images"][1], np.array(["a", "b"]))
  assert image_input.of(split) == Image((2, 2), 3, "uint16")
