"""Transforms keep shape and dtype, and do what their names say."""

import functools

import numpy as np
import pytest

from medfm.data import rng
from medfm.data.transforms import images
from tests import infos

INFO = infos.info("toy")
CASES = {
  "flip_horizontal": functools.partial(images.flip_horizontal, probability=1),
  "shift": functools.partial(images.shift, max_pixels=3),
  "random_crop": functools.partial(images.random_crop, padding=3),
}


def _example(dtype=np.uint8):
  image = np.arange(1, 6 * 5 * 2 + 1, dtype=dtype).reshape(6, 5, 2)
  return {"image": image, "label": np.int32(1)}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_shape_dtype_and_label_stay(name, dtype):
  after = CASES[name](_example(dtype), INFO, rng.generator(0))
  assert after["image"].shape == (6, 5, 2)
  assert after["image"].dtype == dtype
  assert after["label"] == 1


@pytest.mark.parametrize("name", CASES)
def test_the_input_stays_as_it_was(name):
  example = _example()
  for i in range(5):
    CASES[name](example, INFO, rng.generator(0, i))["image"][:] = 0
  np.testing.assert_array_equal(example["image"], _example()["image"])


def test_a_flip_mirrors_left_and_right():
  example = _example()
  after = CASES["flip_horizontal"](example, INFO, rng.generator(0))
  np.testing.assert_array_equal(after["image"], example["image"][:, ::-1])


def test_a_flip_happens_as_often_as_its_probability():
  example = _example()
  flipped = [
    not np.array_equal(
      images.flip_horizontal(
        example, INFO, rng.generator(0, i), probability=0.25
      )["image"],
      example["image"],
    )
    for i in range(1000)
  ]
  assert abs(np.mean(flipped) - 0.25) < 0.05


def _moves(transform):
  """Where the pixel of the middle goes, over many draws."""
  image = np.zeros((9, 9, 1), np.uint8)
  image[4, 4] = 1
  return {
    tuple(
      int(place[0]) - 4
      for place in np.nonzero(
        transform({"image": image}, INFO, rng.generator(0, i))["image"][..., 0]
      )
    )
    for i in range(300)
  }


@pytest.mark.parametrize(
  "transform",
  [
    functools.partial(images.shift, max_pixels=1),
    functools.partial(images.random_crop, padding=1),
  ],
)
def test_moves_go_every_way_up_to_their_limit(transform):
  steps = (-1, 0, 1)
  assert _moves(transform) == {(y, x) for y in steps for x in steps}


def test_a_shift_repeats_the_border_and_a_crop_pads_with_zeros():
  white = {"image": np.full((4, 4, 1), 255, np.uint8)}
  shifted = [images.shift(white, INFO, rng.generator(0, i)) for i in range(20)]
  cropped = [
    images.random_crop(white, INFO, rng.generator(0, i)) for i in range(20)
  ]
  assert all((example["image"] == 255).all() for example in shifted)
  assert any((example["image"] == 0).any() for example in cropped)
