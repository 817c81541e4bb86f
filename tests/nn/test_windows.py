"""Windows over pictures of any size give every place one class."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.data.transforms import patches
from medfm.data.volumes import plan
from medfm.data.volumes.input import Volume
from medfm.nn import windows
from tests import infos

VOLUME = Volume(axes=2)


def _sign(image):
  """Class 1 where the image is above 0."""
  return jnp.concatenate([-image, image], -1)


def _image(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
  ("shape", "patch"),
  [
    ((9, 13), (4, 6)),
    ((3, 5), (4, 6)),
    ((4, 6), (4, 6)),
    ((9, 5, 7), (4, 4, 4)),
  ],
)
def test_every_place_gets_its_own_class(shape, patch):
  image = _image(2, *shape, 1)
  found = windows.slid(_sign, image, patch=patch)
  assert found.dtype == jnp.uint8 and found.shape == (2, *shape)
  np.testing.assert_array_equal(found, image[..., 0] > 0)


def test_windows_that_overlap_are_averaged_by_a_gaussian():
  patch, middle = (4,), 1.5
  image = np.zeros((1, 6, 1), "float32")

  def by_place(image):  # The first place of a window votes for class 1.
    votes = jnp.array([0.9, -1, -1, -1])[None, :, None]
    return jnp.concatenate([jnp.zeros_like(votes), votes], -1)

  bell = np.exp(-0.5 * ((np.arange(4) - middle) / (4 / 8)) ** 2)
  bell = np.maximum(bell / bell.max(), 1e-3)
  votes = np.zeros(6)
  for start in (0, 2):  # Half a patch apart.
    votes[start : start + 4] += bell * [0.9, -1, -1, -1]
  found = windows.slid(by_place, image, patch=patch)
  np.testing.assert_array_equal(found[0], votes > 0)
  assert found[0, 0] == 1 and found[0, 2] == 0


def test_windows_beyond_the_true_size_are_left_out():
  calls = []

  def counted(image):
    jax.debug.callback(lambda: calls.append(1))
    return _sign(image)

  image = _image(1, 8, 8, 1)
  size = np.array([[4, 4, 1]])
  found = windows.slid(counted, image, size, patch=(4, 4))
  found.block_until_ready()
  assert len(calls) == 1
  np.testing.assert_array_equal(found[0, :4, :4], image[0, :4, :4, 0] > 0)
  whole = windows.slid(counted, image, patch=(4, 4))
  whole.block_until_ready()
  assert len(calls) == 10


@pytest.mark.parametrize("others", [(12, 14), (4, 3), (31, 9)])
def test_the_classes_of_a_picture_do_not_depend_on_its_batch(others):
  def by_mean(image):  # What a normalising network sees: the whole window.
    return _sign(image - image.mean((1, 2), keepdims=True))

  images = [_image(1, 9, 13, 1), _image(1, *others, 1, seed=1)]
  sizes = np.array([image.shape[1:] for image in images])
  batch = np.zeros((2, *sizes.max(0)), "float32")
  for row, image in enumerate(images):
    batch[row, : image.shape[1], : image.shape[2]] = image[0]
  together = windows.slid(by_mean, batch, sizes, patch=(4, 6))
  for image, found in zip(images, together, strict=True):
    alone = windows.slid(by_mean, image, patch=(4, 6))[0]
    np.testing.assert_array_equal(found[: len(alone), : alone.shape[1]], alone)


@pytest.mark.parametrize("overlap", [0, 0.5, 0.9])
def test_windows_of_many_shapes_are_those_of_a_plain_sum(overlap):
  def by_place(image):
    tilt = jnp.arange(30.0).reshape(1, 5, 6, 1)
    return _sign(
      image + 0.1 * jnp.sin(tilt) - image.mean((1, 2), keepdims=True)
    )

  image, patch = _image(1, 14, 9, 1), (5, 6)
  sums, bell = np.zeros((14, 9, 2)), windows._bell(patch)[..., None]
  starts = [
    np.linspace(0, n - w, -(-(n - w) // max(round(w * (1 - overlap)), 1)) + 1)
    for n, w in zip((14, 9), patch, strict=True)
  ]
  for x in np.floor(starts[0] + 0.5).astype(int):
    for y in np.floor(starts[1] + 0.5).astype(int):
      part = by_place(image[:, x : x + 5, y : y + 6])[0]
      sums[x : x + 5, y : y + 6] += bell * part
  found = windows.slid(by_place, image, patch=patch, overlap=overlap)
  np.testing.assert_array_equal(found[0], sums.argmax(-1))


def test_no_more_windows_are_computed_than_the_largest_picture_has():
  calls = []

  def counted(image):
    jax.debug.callback(lambda: calls.append(1))
    return _sign(image)

  size = np.array([[12, 4], [4, 12]])
  image = _image(2, 12, 12, 1) * (np.arange(12) < 4)[None, None, :, None]
  windows.slid(counted, image, size, patch=(4, 4)).block_until_ready()
  jax.effects_barrier()
  assert len(calls) == 5 + 4


def test_windows_lie_right_along_an_axis_of_any_length():
  counts, starts = windows._even(np.array([[40_000]]), (8,), 0.9)
  last = counts[0, 0] - 1
  assert windows._even(np.array([[20]]), (20,), 0.9)[0][0, 0] == 11
  assert [int(starts(0, n)[0]) for n in (0, last // 2, last)] == [
    0,
    20_000,
    40_000,
  ]


def test_a_picture_smaller_than_the_patch_lies_where_training_puts_it():
  image = _image(2, 3, 9, 1) + 5
  info = infos.info("toy")
  only = dataclasses.replace(VOLUME, plan=plan.Plan(patch=(8, 6)))
  info = dataclasses.replace(info, inputs={"image": only})

  def by_place(image):  # Class 1 where a window's place and value say so.
    votes = image[..., 0] * jnp.arange(48.0).reshape(8, 6)[None] % 2 - 1
    return jnp.stack([jnp.zeros_like(votes), votes], -1)

  def trained(image):
    example = {"image": image, "level": np.zeros(2)}
    cut = patches.patch(example, info, np.random.default_rng(0))["image"]
    return by_place(cut[None])[0].argmax(-1)

  image = image[:, :, :5]
  found = windows.slid(by_place, image, patch=(8, 6))
  for row in range(2):  # 3 of 8 rows begin at 3, 5 of 6 columns at 1.
    expected = trained(image[row])[3:6, 1:6]
    np.testing.assert_array_equal(found[row], expected)


def test_mirror_images_are_averaged():
  def lopsided(image):
    return image * jnp.arange(4.0)[None, :, None]

  image = _image(1, 4, 1)
  found = windows.mirrored(lopsided, (0,))(image)
  np.testing.assert_allclose(found, image * 1.5, atol=1e-6)
