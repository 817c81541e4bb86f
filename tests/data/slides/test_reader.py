"""Slides of either library: levels, regions, resolution, damage."""

import struct

import numpy as np
import pytest

from medfm.data.slides import pyramid, reader
from medfm.types import UserError
from tests import composed

pytestmark = pytest.mark.once

APERIO = "Aperio Image Library v11.2.1\r\n256x256 |AppMag = 20|MPP = 0.4990"
OME = (
  '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy'
  '.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
  'DimensionOrder="XYCZT" Type="uint8" SizeX="256" SizeY="256" SizeC="3" '
  'SizeZ="1" SizeT="1" Interleaved="true" PhysicalSizeX="250" '
  'PhysicalSizeXUnit="nm" PhysicalSizeY="250" PhysicalSizeYUnit="nm">'
  '<Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData IFD="0" '
  'PlaneCount="1"/></Pixels></Image></OME>'
)


@pytest.mark.parametrize("nested", [False, True])
def test_levels_of_pages_and_of_nested_pages_are_the_same(
  whole, tmp_path, nested
):
  path = composed.pyramid(tmp_path / "a.tif", whole, nested=nested)
  with reader.opened(path) as slide:
    assert [level[:2] for level in slide.levels] == [
      (256, 256), (128, 128), (64, 64),
    ]  # fmt: skip
    assert [level.mpp for level in slide.levels] == pytest.approx([0.5, 1, 2])
    assert slide.stated


@pytest.mark.parametrize("options", [{}, {"compression": None}, {"tile": None},
                                     {"predictor": True}])  # fmt: skip
def test_a_region_is_the_picture_and_white_beyond_it(whole, tmp_path, options):
  path = composed.pyramid(tmp_path / "a.tif", whole, **options)
  with reader.opened(path) as slide:
    found = slide.region(0, 200, -10, 100, 150)
  wanted = np.full((100, 150, 3), 255, np.uint8)
  wanted[:56, 10:] = whole[200:, :140]
  np.testing.assert_array_equal(found, wanted)


def test_a_file_like_a_scanners_is_read_by_openslide(whole, tmp_path):
  path = composed.pyramid(
    tmp_path / "toy.svs", whole, mpp=None, description=APERIO
  )
  with reader.opened(path) as slide:
    assert slide.mpp == pytest.approx(0.499)
    np.testing.assert_array_equal(slide.region(0, 0, 0, 256, 256), whole)


def test_without_openslide_a_plain_scanners_tiff_is_read_all_the_same(
  whole, tmp_path, monkeypatch
):
  monkeypatch.setattr(reader, "_openslide", lambda: None)
  path = composed.pyramid(
    tmp_path / "toy.svs", whole, mpp=None, description=APERIO
  )
  with reader.opened(path) as slide:
    assert slide.mpp == pytest.approx(0.499)
  other = tmp_path / "a.mrxs"
  other.write_bytes(b"no TIFF")
  with (
    pytest.raises(UserError, match=r"a\.mrxs: pip install openslide-python"),
    reader.opened(other),
  ):
    pass


def test_the_resolution_of_ome_has_a_unit(whole, tmp_path):
  path = composed.pyramid(
    tmp_path / "a.ome.tif", whole, mpp=None, levels=1, description=OME
  )
  with reader.opened(path) as slide:
    assert slide.mpp == pytest.approx(0.25)


@pytest.mark.parametrize("mpp", [None, 25_400 / 72])
def test_a_slide_without_a_believable_resolution_is_refused_or_given_one(
  whole, tmp_path, mpp
):
  path = composed.pyramid(tmp_path / "bare.tif", whole, mpp=mpp)
  with (
    pytest.raises(UserError, match=r"^bare\.tif: .*--config\.data\.slide_mpp="),
    reader.opened(path),
  ):
    pass
  with reader.opened(path, slide_mpp=0.25) as slide:
    assert (slide.mpp, slide.stated) == (0.25, False)


def test_what_a_file_states_goes_before_what_is_given(slide):
  with reader.opened(slide, slide_mpp=0.1) as opened:
    assert opened.mpp == pytest.approx(0.5)


def test_pixels_that_are_not_square_are_refused(whole, tmp_path):
  path = composed.pyramid(
    tmp_path / "a.tif",
    whole,
    mpp=None,
    resolution=(2e4, 1e4),
    resolutionunit="CENTIMETER",
  )
  with pytest.raises(UserError, match="expected squares"), reader.opened(path):
    pass


@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.5, 0.999])
def test_a_slide_that_is_cut_short_is_one_line(slide, share):
  data = slide.read_bytes()
  slide.write_bytes(data[: int(share * len(data))])
  with (
    pytest.raises(UserError, match=r"composed\.tif: [^\n]*$"),
    reader.opened(slide) as opened,
  ):
    opened.region(0, 0, 0, 256, 256)


def test_a_flipped_byte_is_noticed(slide):
  data = bytearray(slide.read_bytes())
  data[len(data) // 2] ^= 0x10
  slide.write_bytes(data)
  with (
    pytest.raises(UserError, match="damaged"),
    reader.opened(slide) as opened,
  ):
    for level in range(3):
      opened.region(level, 0, 0, 256 >> level, 256 >> level)


def test_a_tile_that_would_inflate_without_end_is_refused():
  import zlib

  bomb = zlib.compress(bytes(1_000_000))
  with pytest.raises(ValueError, match="too long"):
    pyramid._inflated(bomb, 1000)
  assert pyramid._inflated(zlib.compress(bytes(9)), 9) == bytes(9)


def test_a_size_that_its_tiles_cannot_fill_is_refused(slide):
  data = bytearray(slide.read_bytes())
  place = data.index(struct.pack("<HHII", 256, 4, 1, 256))  # ImageWidth.
  data[place : place + 12] = struct.pack("<HHII", 256, 4, 1, 3_000_000_000)
  slide.write_bytes(data)
  with (
    pytest.raises(UserError, match=r"claims 256 x 3,000,000,000 pixels"),
    reader.opened(slide),
  ):
    pass


def test_grey_and_deep_pictures_are_refused(whole, tmp_path):
  path = composed.pyramid(
    tmp_path / "a.tif", whole[..., 0], photometric="minisblack", levels=1
  )
  with (
    pytest.raises(UserError, match="1 channels of 8 bits"),
    reader.opened(path),
  ):
    pass


def test_colours_that_are_not_red_green_and_blue_are_refused(whole, tmp_path):
  path = composed.pyramid(
    tmp_path / "a.tif", whole, photometric="cielab", levels=1
  )
  with (
    pytest.raises(UserError, match="stored as CIELAB, expected RGB: save"),
    reader.opened(path),
  ):
    pass


def test_what_is_no_slide_is_said_to_be_none(tmp_path):
  path = tmp_path / "a.tif"
  path.write_bytes(b"hello, this is no slide at all")
  with pytest.raises(UserError, match="is not a slide"), reader.opened(path):
    pass
