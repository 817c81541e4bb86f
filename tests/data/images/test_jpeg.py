"""A JPEG whose header promises another image than its data hold."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from medfm.data.images import decode, jpeg
from medfm.types import UserError


def saved(pixels, **options):
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, "JPEG", **options)
  return file.getvalue()


def resized(data, height, width):
  """The file with another size in its header."""
  place = data.index(b"\xff\xc0") + 5
  return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def picture(height=64, width=48, colour=True):
  """Synthetic: waves and noise."""
  generator = np.random.default_rng(0)
  y, x = np.mgrid[:height, :width] / 9
  waves = 90 * np.sin(y) * np.cos(x) + 128
  noise = generator.normal(0, 9, (height, width, 3))
  pixels = np.clip(waves[..., None] + noise, 0, 255).astype(np.uint8)
  return pixels if colour else pixels[..., 0]


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize(
  ("height", "width"), [(128, 48), (96, 48), (32, 48), (64, 96), (64, 16)]
)
def test_another_size_in_the_header_is_refused(height, width, colour):
  data = resized(saved(picture(colour=colour)), height, width)
  with pytest.raises(UserError, match=r"^a\.jpg: .* header and data disagree"):
    decode.decoded(data, name="a.jpg")


def smooth(height, width):
  """Synthetic: a few waves, as neighbouring pixels of real pictures are."""
  y, x = np.mgrid[:height, :width]
  waves = np.sin(x / 31 + y / 53) + np.sin(y / 37) * np.cos(x / 47)
  noise = np.random.default_rng(0).normal(0, 2, (height, width))
  return np.clip(50 * waves + 128 + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize(
  ("height", "width"), [(128, 192), (96, 256), (190, 125)]
)
def test_sides_exchanged_in_the_header_are_refused(height, width, options):
  data = saved(smooth(192, 128), **options)
  place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
  sides = struct.pack(">HH", height, width)
  swapped = data[:place] + sides + data[place + 4 :]
  decode.decoded(data, name="a.jpg")
  if (height, width) == (190, 125):  # As many blocks: nothing to be seen.
    decode.decoded(swapped, name="a.jpg")
    return
  with pytest.raises(UserError, match=r"^a\.jpg: .* header and data disagree"):
    decode.decoded(swapped, name="a.jpg")


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize(
  "options",
  [{}, {"optimize": True}, {"progressive": True}, {"subsampling": 0},
   {"restart_marker_blocks": 4}],
)  # fmt: skip
def test_a_sound_file_is_read_whatever_its_encoding(quality, options):
  for shape in ((64, 48), (61, 33), (8, 8), (200, 17)):
    data = saved(picture(*shape), quality=quality, **options)
    assert decode.decoded(data, name="a").shape == (*shape, 3)


@pytest.mark.parametrize("black", [1, 8, 30, 63, 64])
@pytest.mark.parametrize("options", [{}, {"optimize": True}])
def test_an_image_that_ends_in_black_is_sound(black, options):
  pixels = picture()
  pixels[64 - black :] = 0
  data = saved(pixels, **options)
  assert jpeg.agrees(data, np.asarray(Image.open(io.BytesIO(data))))
