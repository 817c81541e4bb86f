"""Where tissue is found, and which tiles are cut from it."""

import dataclasses

import numpy as np
import pytest

from medfm.data.slides import encoders, input, reader, tiles, tissue
from medfm.types import Ragged, Split, UserError
from tests import composed
from tests.data.slides.conftest import PLACES

pytestmark = pytest.mark.once

GRID = tiles.Grid(32, 0.5, 0.5)


def cut(path, grid=GRID):
  with reader.opened(path) as slide:
    tiling = tiles.tiling(slide, grid)
    found = [*tiles.pixels(slide, grid, tiling.places, 7)]
  return tiling, np.concatenate(found)


def test_tiles_are_those_with_tissue_in_the_pixels_of_the_file(slide, whole):
  tiling, found = cut(slide)
  assert tiling.places.tolist() == PLACES
  assert tiling.shape == (8, 8) and not tiling.magnified
  for pixels, (row, column) in zip(found, PLACES, strict=True):
    wanted = whole[row * 32 :, column * 32 :][:32, :32]
    np.testing.assert_array_equal(pixels, wanted)


def test_a_coarser_resolution_reads_a_coarser_level(slide, whole):
  _, found = cut(slide, GRID._replace(mpp=1.0))
  assert found.shape == (4, 32, 32, 3)
  block = whole[64:128, 64:128].reshape(32, 2, 32, 2, 3).mean((1, 3))
  np.testing.assert_allclose(found[0], block, atol=1)


def test_a_resolution_between_two_levels_is_averaged_down(slide):
  with reader.opened(slide) as opened:
    assert [opened.level(m) for m in (0.2, 0.5, 0.9, 1, 1.7, 9)] == [
      0, 0, 0, 1, 1, 2,
    ]  # fmt: skip
  _, found = cut(slide, tiles.Grid(16, 0.75, 0.2))
  assert found.shape[1:] == (16, 16, 3)


def test_a_slide_a_little_too_coarse_is_magnified_and_a_coarse_one_refused(
  slide,
):
  tiling, _ = cut(slide, GRID._replace(mpp=0.3))
  assert tiling.magnified
  with pytest.raises(UserError, match=r"too coarse for mpp=0\.2"):
    cut(slide, GRID._replace(mpp=0.2))


def test_marks_of_a_pen_are_no_tissue(whole, tmp_path):
  marked = np.array(whole)
  marked[4:24, 8:248] = (20, 150, 60)
  marked[200:220, 8:248] = (25, 40, 170)
  marked[224:250, 8:248] = (215, 30, 40)
  marked[0:3] = 0
  path = composed.pyramid(tmp_path / "a.tif", marked)
  tiling, _ = cut(path)
  assert tiling.places.tolist() == PLACES
  assert tiling.pen > 0.15


def test_an_empty_slide_has_no_tissue_and_one_line_says_so(tmp_path):
  noise = np.random.default_rng(0).normal(0, 4, (256, 256, 3))
  glass = np.clip(np.array([235, 225, 205]) + noise, 0, 255).astype(np.uint8)
  path = composed.pyramid(tmp_path / "glass.tif", glass)
  with pytest.raises(UserError, match=r"glass\.tif: no tile has 50 % of tissu"):
    cut(path)


def test_pale_tissue_beside_strongly_stained_is_kept(kinds, tmp_path):
  cells = [[None] * 8 for _ in range(8)]
  for place in range(10):
    cells[1 + place // 5][1 + place % 5] = kinds["TUM"][place]
    cells[4 + place // 5][1 + place % 5] = kinds["MUC"][place]
  tiling, _ = cut(composed.pyramid(tmp_path / "a.tif", composed.picture(cells)))
  assert len(tiling.places) == 20


def test_otsu_parts_two_heaps_and_specks_and_holes_are_cleaned():
  values = np.concatenate([np.full(90, 0.1), np.full(10, 0.8)])
  assert 0.1 < tissue.otsu(values) < 0.8
  small = np.full((20, 20, 3), 250, np.uint8)
  small[4:16, 4:16] = (180, 90, 150)
  small[9:11, 9:11] = 250  # A hole.
  small[0, 18] = (180, 90, 150)  # A speck.
  mask = tissue.tissue(small, least=9).mask
  assert mask[9, 9] and not mask[0, 18]


def test_colours_and_textures_are_a_row_of_numbers_that_know_no_neighbour(
  kinds,
):
  encoder = encoders.colour_and_texture()
  found = encoder.of(kinds["TUM"])
  assert found.shape == (10, 32) and found.dtype == np.float32
  np.testing.assert_allclose(
    encoder.of(kinds["TUM"][3:4])[0], found[3], atol=1e-5
  )
  red = kinds["TUM"][..., 0].reshape(10, -1) / 255
  np.testing.assert_allclose(found[:, 0], red.mean(1), atol=1e-5)
  assert found[:, 20:30].sum(1) == pytest.approx(1, abs=1e-5)
  assert found[:, 3].mean() > encoder.of(kinds["STR"])[:, 3].mean()


def test_a_bag_is_fitted_pooled_and_compared():
  values = np.arange(12, dtype=np.float32).reshape(6, 2)
  split = Split({"bag": Ragged(values, np.array([2, 6]))}, np.array(["a", "b"]))
  bag = input.fitted(input.Bag(32, 0.5, 0.5, "toy"), split)
  np.testing.assert_allclose(bag.mean, values.mean(0))
  np.testing.assert_allclose(bag.std, values.std(0))
  design = bag.design(split, 0)
  pooled = design.of(split)
  assert len(design.names) == 6 == pooled.shape[1]
  np.testing.assert_allclose(pooled[0], [1, 2, 1, 1, 2, 3])
  assert bag.profile(split.arrays).values.tolist() == [[2], [4]]
  other = dataclasses.replace(bag, mpp=1.0)
  with pytest.raises(ValueError, match="at 1 um/px"):
    other.recoded({}, bag)
