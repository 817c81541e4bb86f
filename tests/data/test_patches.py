"""Patches are cut from images of any size, also around what is marked."""

import dataclasses

import numpy as np
import pytest

from medfm.data import loader
from medfm.data.transforms import patches
from medfm.types import Ragged, Split, UserError
from tests.objectives import marked

INFO = marked.info()


def _example(shape=(6, 9, 7), place=(5, 8, 6)):
  image = np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1)
  regions = np.zeros(shape, np.uint8)
  regions[place] = 2
  return {
    "image": image,
    "regions": regions,
    "level": np.array([image.mean(), image.std()], np.float32),
    "places": np.array([[2, *place]], np.int32),
  }


def _cut(example, seed=0, **settings):
  return patches.patch(example, INFO, np.random.default_rng(seed), **settings)


def test_image_and_regions_are_cut_at_one_place():
  example = _example()
  flat = example["image"][..., 0]
  for seed in range(20):
    cut = _cut(example, seed, marked=0.0)
    assert cut["image"].shape == (4, 4, 4, 1)
    start = np.argwhere(flat == cut["image"][0, 0, 0, 0])[0]
    there = tuple(slice(s, s + 4) for s in start)
    np.testing.assert_array_equal(cut["image"][..., 0], flat[there])
    np.testing.assert_array_equal(cut["regions"], example["regions"][there])
    assert "places" not in cut


def test_what_fills_a_patch_becomes_0_when_it_is_scaled():
  small = _example((2, 4, 4), (0, 0, 0))
  mean = small["level"][0]
  assert _cut(small)["image"][0, 0, 0, 0] == pytest.approx(mean)
  ranged = dataclasses.replace(INFO.only, range=(-100.0, 300.0, 40.0, 30.0))
  info = dataclasses.replace(INFO, inputs={"image": ranged})
  cut = patches.patch(small, info, np.random.default_rng(0))
  assert cut["image"][0, 0, 0, 0] == 40
  scaled = ranged.scale({"image": cut["image"][None]})["image"]
  assert scaled[0, 0, 0, 0, 0] == 0


def test_every_place_can_begin_a_patch():
  example = _example((5, 4, 4), (0, 0, 0))
  starts = {
    int(_cut(example, seed, marked=0.0)["image"][0, 0, 0, 0] // 16)
    for seed in range(40)
  }
  assert starts == {0, 1}


def test_a_marked_place_is_within_the_patch_as_often_as_asked():
  example = _example((40, 40, 40), (30, 7, 39))
  always = [_cut(example, seed, marked=1.0) for seed in range(20)]
  assert all((cut["regions"] == 2).any() for cut in always)
  never = [_cut(example, seed, marked=0.0) for seed in range(20)]
  assert not any((cut["regions"] == 2).any() for cut in never)


def test_a_small_image_is_filled_up_on_both_sides_with_its_mean():
  example = _example((2, 4, 4), (0, 0, 0))
  cut = _cut(example)
  np.testing.assert_array_equal(cut["image"][1:3], example["image"])
  np.testing.assert_allclose(cut["image"][[0, 3]], example["level"][0])
  assert not cut["regions"][[0, 3]].any()


def test_a_loader_gives_patches_of_one_shape_and_reads_no_copy():
  examples = [_example((6 + k, 9, 7)) for k in range(4)]

  def ragged(name):
    arrays = [example[name] for example in examples]
    return Ragged(
      np.concatenate([a.ravel() for a in arrays]),
      np.cumsum([a.size for a in arrays]),
      np.array([a.shape for a in arrays]),
    )

  split = Split(
    {
      **{name: ragged(name) for name in ("image", "regions", "places")},
      "level": np.stack([e["level"] for e in examples]),
    },
    np.arange(4).astype(str),
  )
  seen = []

  def cut(example, generator):
    seen.append(
      np.shares_memory(example["image"], split.arrays["image"].values)
    )
    return patches.patch(example, INFO, generator)

  batches = loader.batches(
    split, batch_size=3, steps=2, seed=0, transforms=[cut]
  )
  batch = batches[0]
  assert batch["image"].shape == (3, 4, 4, 4, 1)
  assert batch["regions"].shape == (3, 4, 4, 4)
  np.testing.assert_array_equal(batch["image/size"], [[4, 4, 4, 1]] * 3)
  assert seen and all(seen)


def test_data_without_a_plan_are_refused():
  plain = dataclasses.replace(INFO.only, plan=type(INFO.only.plan)())
  info = dataclasses.replace(INFO, inputs={"image": plain})
  with pytest.raises(UserError, match="has no patches"):
    patches.patch(_example(), info, np.random.default_rng(0))
