"""Image files become arrays, or one clear line. Generated images are toys."""

import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from medfm.data.images import decode, dicom
from medfm.types import UserError


def _file(array, suffix="PNG", mode=None, **options):
  picture = Image.fromarray(array)
  file = io.BytesIO()
  (picture.convert(mode) if mode else picture).save(file, suffix, **options)
  return file.getvalue()


def _noise(*shape, dtype=np.uint8, seed=0):
  top = np.iinfo(dtype).max
  return np.random.default_rng(seed).integers(0, top, shape, dtype)


def test_grey_png_keeps_its_values_and_gains_a_channel_axis():
  array = _noise(5, 7)
  np.testing.assert_array_equal(
    decode.decoded(_file(array), name="a")[:, :, 0], array
  )


@pytest.mark.parametrize("suffix", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_all_its_bits(suffix):
  array = _noise(5, 7, dtype=np.uint16)
  found = decode.decoded(_file(array, suffix), name="a")
  assert found.dtype == np.uint16
  np.testing.assert_array_equal(found[:, :, 0], array)


@pytest.mark.parametrize("suffix", ["PNG", "BMP", "TIFF"])
def test_colour_keeps_its_values(suffix):
  array = _noise(5, 7, 3)
  np.testing.assert_array_equal(
    decode.decoded(_file(array, suffix), name="a"), array
  )


def test_alpha_is_dropped():
  array = _noise(5, 7, 4)
  np.testing.assert_array_equal(
    decode.decoded(_file(array), name="a"), array[:, :, :3]
  )


def test_a_palette_becomes_its_colours():
  array = np.repeat(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), 4, 0)
  found = decode.decoded(_file(array, mode="P"), name="a")
  np.testing.assert_array_equal(found, array)


def test_a_bilevel_image_is_black_and_white():
  array = np.array([[0, 255], [255, 0]], np.uint8)
  found = decode.decoded(_file(array, mode="1"), name="a")
  np.testing.assert_array_equal(found[:, :, 0], array)


def test_floating_point_tiff_stays_floating_point():
  array = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
  found = decode.decoded(_file(array, "TIFF"), name="a")
  np.testing.assert_array_equal(found[:, :, 0], array)


def test_a_float_image_with_nan_is_refused():
  array = np.full((2, 3), np.nan, np.float32)
  with pytest.raises(UserError, match=r"a\.tif: pixels are not finite"):
    decode.decoded(_file(array, "TIFF"), name="a.tif")


def test_exif_orientation_is_applied():
  exif = Image.Exif()
  exif[0x0112] = 6  # A quarter turn.
  data = _file(_noise(4, 6), "JPEG", exif=exif)
  assert decode.decoded(data, name="a").shape == (6, 4, 1)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_at_any_byte_is_an_error(progressive):
  data = _file(_noise(9, 9, 3), "JPEG", progressive=progressive)
  for length in range(1, len(data)):
    with pytest.raises(UserError, match="bad"):
      decode.decoded(data[:length], name="bad")


@pytest.mark.parametrize("tail", [b"\0", b"A"])
def test_a_jpeg_with_an_overwritten_end_is_an_error(tail):
  data = _file(_noise(64, 64), "JPEG")
  with pytest.raises(UserError, match="damaged or truncated"):
    decode.decoded(data[:-50] + tail * 50, name="bad")


def test_any_flipped_byte_of_a_png_is_an_error():
  data = _file(_noise(6, 6))
  for position in range(len(data)):
    flipped = bytearray(data)
    flipped[position] ^= 0x10
    with pytest.raises(UserError):
      decode.decoded(bytes(flipped), name="bad")


@pytest.mark.parametrize("suffix", ["PNG", "TIFF", "BMP"])
def test_half_a_file_is_an_error(suffix):
  data = _file(_noise(32, 32), suffix)
  with pytest.raises(UserError):
    decode.decoded(data[: len(data) // 2], name="bad")


@pytest.mark.parametrize(
  "data", [b"", b"hello", b"\0" * 200, b"GIF89a" + b"\0" * 50]
)
def test_what_is_no_image_is_an_error_naming_the_file(data):
  with pytest.raises(UserError, match=r"^notes\.png: "):
    decode.decoded(data, name="notes.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
  data = bytearray(_file(_noise(2, 2)))
  data[16:24] = (20_000).to_bytes(4) * 2
  data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
  with pytest.raises(UserError, match=r"bomb: .* far too large"):
    decode.decoded(bytes(data), name="bomb")


def test_more_pixels_than_the_limit_are_refused(monkeypatch):
  monkeypatch.setattr(dicom, "MAX_PIXELS", 30)
  with pytest.raises(UserError, match="more than 30 pixels"):
    decode.decoded(_file(_noise(5, 7)), name="a")


def test_pages_of_a_tiff_need_a_choice():
  first, second = (Image.fromarray(_noise(3, 3, seed=s)) for s in (1, 2))
  file = io.BytesIO()
  first.save(file, "TIFF", save_all=True, append_images=[second])
  with pytest.raises(UserError, match="2 frames or pages"):
    decode.decoded(file.getvalue(), name="a")
  np.testing.assert_array_equal(
    decode.decoded(file.getvalue(), name="a", frame=1)[:, :, 0],
    np.asarray(second),
  )


def test_a_missing_file_is_one_line(tmp_path):
  with pytest.raises(UserError, match=r"x\.png: cannot be opened"):
    decode.decoded(str(tmp_path / "x.png"), name="x.png")


def test_padding_keeps_the_whole_image_centred_on_black():
  found = decode.resized(np.full((4, 8, 1), 200, np.uint8), 8)
  np.testing.assert_array_equal(found[2:6], 200)
  np.testing.assert_array_equal(found[[0, 1, 6, 7]], 0)


def test_cropping_keeps_the_centre():
  array = np.zeros((4, 8, 1), np.uint8)
  array[:, 2:6] = 200
  found = decode.resized(array, 4, how="crop")
  np.testing.assert_array_equal(found, np.full((4, 4, 1), 200))


def test_stretching_fills_the_square():
  found = decode.resized(np.full((4, 8, 3), 200, np.uint8), 6, how="stretch")
  np.testing.assert_array_equal(found, np.full((6, 6, 3), 200))


def test_resizing_sixteen_bits_agrees_with_floats_to_one_step():
  array = _noise(12, 12, 1, dtype=np.uint16)
  found = decode.resized(array, 6)
  reference = np.asarray(
    Image.fromarray(array[:, :, 0].astype(np.float32)).resize(
      (6, 6), Image.Resampling.BILINEAR
    )
  )
  assert found.dtype == np.uint16
  np.testing.assert_allclose(found[:, :, 0], reference, atol=0.5)


def test_an_unknown_way_to_resize_names_the_choices():
  with pytest.raises(UserError, match="pad, crop or stretch"):
    decode.resized(np.zeros((2, 2, 1), np.uint8), 4, how="squash")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_to_colour_and_back_changes_nothing(dtype):
  grey = _noise(9, 9, 1, dtype=dtype)
  colour = decode.with_channels(grey, 3)
  np.testing.assert_array_equal(decode.with_channels(colour, 1), grey)


def test_luma_weighs_green_most():
  primaries = np.eye(3, dtype=np.uint8)[None] * 255
  found = decode.with_channels(primaries, 1)[0, :, 0]
  np.testing.assert_array_equal(found, [76, 150, 29])


def test_widening_keeps_black_and_white():
  array = np.array([0, 255], np.uint8)
  np.testing.assert_array_equal(decode.with_dtype(array, np.uint16), [0, 65535])


def test_narrowing_undoes_widening():
  array = np.arange(256, dtype=np.uint8)
  wide = decode.with_dtype(array, np.uint16)
  np.testing.assert_array_equal(decode.with_dtype(wide, np.uint8), array)


def test_floating_point_images_do_not_mix_with_others():
  with pytest.raises(UserError, match="cannot be mixed with"):
    decode.with_dtype(np.zeros((2, 2, 1), np.float32), np.uint8)


def test_parallel_results_keep_their_order_and_raise_the_first_error():
  squares = list(decode.in_order(lambda i: i * i, range(50)))
  assert squares == [i * i for i in range(50)]
  broken = decode.in_order(
    lambda i: [][0] if i > 3 else _raise_three(i), range(9)
  )
  with pytest.raises(ValueError, match="3"):
    list(broken)


def _raise_three(number):
  if number == 3:
    raise ValueError("3")


def test_a_folder_offers_images_by_suffix_and_scans_by_content(tmp_path):
  contents = {
    "a.PNG": b"",
    "b.txt": b"",
    ".c.png": b"",
    "IM0001": b"\0" * 128 + b"DICM",
    "IM0002": b"no",
    "DICOMDIR": b"\0" * 128 + b"DICM",
  }
  for name, content in contents.items():
    (tmp_path / name).write_bytes(content)
  offered = [
    name
    for name in sorted(os.listdir(tmp_path))
    if decode.offered(str(tmp_path / name))
  ]
  assert offered == ["IM0001", "a.PNG"]


def test_images_are_decoded_ahead_but_not_without_bound():
  asked = []
  items = (asked.append(i) or i for i in range(50))
  squares = decode.in_order(lambda i: i * i, items, ahead=4)
  assert next(squares) == 0
  assert asked == [0, 1, 2, 3]
  assert list(squares) == [i * i for i in range(1, 50)]


def test_one_of_its_threads_may_be_the_last_to_hold_it():
  """As after an error, whose traceback another thread throws away."""
  begun, closed, raised = threading.Event(), threading.Event(), []

  def read(number):
    if number == 3:
      begun.wait()
      try:
        images.close()
      except RuntimeError as error:  # It would wait for itself.
        raised.append(error)
      closed.set()
    return number

  images = decode.in_order(read, range(9), ahead=4)
  assert next(images) == 0
  begun.set()
  assert closed.wait(10) and not raised


def _tiff(array, photometric, kind=1, bits=0):
  """A TIFF of one strip: photometric 0 is white, 1 black where it is zero."""
  height, width = array.shape
  tags = [
    (256, width), (257, height), (258, bits or 8 * array.dtype.itemsize),
    (259, 1), (262, photometric), (273, 0), (277, 1), (278, height),
    (279, array.nbytes), (339, kind),
  ]  # fmt: skip
  start = 8 + 2 + 12 * len(tags) + 4
  head = b"II*\0" + struct.pack("<IH", 8, len(tags))
  for tag, value in tags:
    value = start if tag == 273 else value
    head += struct.pack("<HHII", tag, 4, 1, value)
  return head + bytes(4) + array.tobytes()


@pytest.mark.parametrize(
  ("array", "kind"),
  [
    (np.array([[0, 64], [128, 255]], np.uint8), 1),
    (np.array([[0, 64], [128, 255]], np.uint16) * 257, 1),
    (np.array([[0, 0.25], [0.5, 1]], np.float32), 3),
  ],
)
def test_a_tiff_whose_white_is_zero_is_inverted(array, kind):
  black = decode.decoded(_tiff(array, 1, kind), name="a")[:, :, 0]
  white = decode.decoded(_tiff(array, 0, kind), name="a")[:, :, 0]
  np.testing.assert_array_equal(black, array)
  top = 1 if kind == 3 else np.iinfo(array.dtype).max
  np.testing.assert_array_equal(white, top - array)


def test_a_float_tiff_of_unknown_black_is_refused_where_white_is_zero():
  data = _tiff(np.array([[-100, 3000]], np.float32), 0, 3)
  with pytest.raises(UserError, match=r"a: .* black is unknown"):
    decode.decoded(data, name="a")


def test_twelve_bits_stored_in_sixteen_fill_the_range_where_they_are_known():
  data = _file(np.array([[0, 2048, 4095]], np.uint16))
  found = decode.picture(data, name="a", bits=12)
  assert found.pixels[..., 0].tolist() == [[0, 32776, 65535]]
  assert found.changes == (
    "of 12 bits stored in 16, brought to the whole range",
  )
  with pytest.raises(UserError, match=r"outside 0\.\.4095"):
    decode.picture(_file(np.array([[5000]], np.uint16)), name="a", bits=12)


def test_colour_of_sixteen_bits_is_told_to_lose_some():
  data = _sixteen_bit_colour()
  assert decode.picture(data, name="a").changes == ("of 16 bits read as 8",)


def _sixteen_bit_colour():
  """A PNG of two pixels, of which Pillow writes none of 16 bits in colour."""

  def chunk(kind, content):
    size, checksum = len(content), zlib.crc32(kind + content)
    return (
      struct.pack(">I", size) + kind + content + struct.pack(">I", checksum)
    )

  row = b"\0" + struct.pack(">6H", 0, 257, 514, 65535, 0, 256)
  head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
  parts = ((b"IHDR", head), (b"IDAT", zlib.compress(row)), (b"IEND", b""))
  return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_transparent_parts_are_told_to_become_opaque():
  array = _noise(4, 4, 4)
  array[..., 3] = 255
  assert decode.picture(_file(array), name="a").changes == ()
  array[0, 0, 3] = 0
  told = decode.picture(_file(array), name="a").changes
  assert told == ("partly transparent, made opaque",)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_one_transparent_colour_is_told_to_become_opaque(mode):
  picture = Image.fromarray(_noise(9, 9, 3)).convert(mode)
  file = io.BytesIO()
  clear = picture.getpixel((0, 0))
  picture.save(file, "PNG", transparency=clear)
  told = decode.picture(file.getvalue(), name="a").changes
  assert told == ("partly transparent, made opaque",)


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path):
  os.mkfifo(tmp_path / "x.png")
  for path in (tmp_path / "x.png", "/dev/zero"):
    with pytest.raises(UserError, match="is not a file but"):
      decode.decoded(path, name="x.png")
  os.mkfifo(tmp_path / "scan")
  assert not decode.offered(str(tmp_path / "scan"))
  assert decode.patient_key(tmp_path / "x.png") == ""
