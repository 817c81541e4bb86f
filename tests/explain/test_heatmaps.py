"""Heat maps of slides: what is drawn, and that none is where none may be."""

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from medfm.data.slides.input import Bag
from medfm.explain import heatmaps
from medfm.report import blocks
from medfm.tasks.multiclass import Classes
from medfm.types import Info, Ragged, Split
from tests import composed
from tests.evals import contexts

PLACES = np.array([[0, 0], [0, 1], [1, 1]], np.int32)


@pytest.fixture
def context(tmp_path):
  """One slide of three tiles, with most attention on the second."""
  cells = [[np.full((32, 32, 3), (180, 90, 150), np.uint8)] * 2] * 2
  path = composed.pyramid(
    tmp_path / "composed.tif", composed.picture(cells), levels=1
  )
  places = np.empty(1, object)
  places[0] = PLACES
  split = Split(
    {
      "bag": Ragged(np.zeros((3, 2), "f4"), np.array([3])),
      "label": np.array([1]),
    },
    np.array(["composed.tif"]),
    source={
      "places": places,
      "slide": np.array([str(path)], object),
      "slide_mpp": np.array([0.0], object),
    },
  )
  info = Info(
    "toy", {"slide": Bag(32, 0.5, 0.5, "toy")}, Classes(("well", "sick"))
  )
  predicted = {
    "probs": np.array([[0.2, 0.8]]),
    "attention": np.array([[0.1, 0.7, 0.2, 0.0]]),
  }
  return contexts.of(info, {"test": split}, {"test": predicted})


def test_the_strongest_tile_is_the_darkest_and_bare_glass_stays_grey():
  small = np.full((16, 16, 3), 200, np.uint8)
  drawn = heatmaps.overlaid(small, PLACES, np.array([0.1, 0.7, 0.2]), 8)
  orange = drawn[..., 0].astype(int) - drawn[..., 2]
  assert orange[0, 8] > orange[8, 8] > orange[0, 0] > 0 == orange[8, 0]


def test_a_slide_is_drawn_with_its_words_and_shown_in_a_report(context):
  (block,) = heatmaps.heatmaps(context, tile_count=2).shown["test"]
  (picture,) = block["pictures"]
  assert picture["words"].startswith("composed.tif: label sick, predicted sick")
  assert "3 tiles" in picture["words"] and "right" in picture["words"]
  image = Image.open(io.BytesIO(base64.b64decode(picture["png"])))
  assert image.width > 2 * 400 and image.height > 400
  page = blocks.markup(block | {"split": "test"})
  assert "Attention over slides: test" in page and "data:image/png" in page


def test_nothing_is_shown_where_nothing_may_be(context):
  private = dataclasses.replace(context.data, private=True)
  hidden = dataclasses.replace(context, data=private)
  assert not heatmaps.heatmaps(hidden).shown
  assert heatmaps.heatmaps(hidden, show=True).shown
  assert not heatmaps.heatmaps(context, show=False).shown


def test_a_slide_without_a_resolution_is_drawn_at_the_one_that_was_given(
  context, tmp_path
):
  white = np.full((64, 64, 3), 255, np.uint8)
  tissue = np.full((64, 64, 3), (180, 90, 150), np.uint8)
  cells = [
    [tissue if (r, c) == (1, 1) else white for c in range(3)] for r in range(3)
  ]
  path = composed.pyramid(
    tmp_path / "bare.tif", composed.picture(cells), mpp=None, levels=1
  )
  split = context.splits["test"]
  split.source["slide"][0] = str(path)
  split.source["slide_mpp"][0] = 0.25
  bag = context.info.only
  drawn = heatmaps.drawing(split, bag, 0, PLACES[2:], np.ones(1), 1)
  strongest = drawn[-heatmaps._TILE // 2, heatmaps._TILE // 2]
  assert strongest.tolist() == [180, 90, 150]


def test_a_slide_that_is_gone_is_said_to_be(context):
  split = context.splits["test"]
  split.source["slide"][0] += ".moved"
  (block,) = heatmaps.heatmaps(context).shown["test"]
  assert "cannot be read any more" in block["pictures"][0]["words"]
