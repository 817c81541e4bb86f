"""The cases that a report shows with their regions."""

import base64
import dataclasses
import json
import types

import numpy as np
import pytest

from medfm.explain import regions as explained
from medfm.report import overlays
from medfm.tasks import regions as task
from medfm.tasks.regions import measured
from medfm.types import Dataset, Split
from tests.objectives import marked

pytestmark = pytest.mark.once


def _context(private=False):
  info, batch = marked.volumes()
  arrays = {k: batch[k] for k in ("image", "level", "spacing_mm", "regions")}
  split = Split(arrays, np.array([f"v{k}" for k in range(8)]))
  guess = batch["regions"].copy()
  guess[2] = 0  # The worst case.
  said = task.condense(info, batch, {"regions": guess})
  data = Dataset({"test": split}, info, {}, private=private)
  context = types.SimpleNamespace(
    data=data,
    info=info,
    task=task,
    first=True,
    held_out={"test": split},
    predicted={"test": said},
  )
  return context


def _unpacked(case, name):
  return measured.unpacked(base64.b64decode(case[name]))


def test_the_worst_case_is_shown_with_what_was_marked():
  context = _context()
  block, montage = explained.overlays(context).shown["test"]
  worst = block["cases"][0]
  assert worst["words"].startswith("worst: v2, Dice 0.000")
  assert _unpacked(worst, "predicted").max() == 0
  np.testing.assert_array_equal(
    _unpacked(worst, "truth"), context.held_out["test"].arrays["regions"][2]
  )
  assert montage["montage"] and len(montage["cases"]) == 1


def test_the_users_own_images_are_shown_only_if_asked():
  assert not explained.overlays(_context(private=True)).shown
  assert not explained.overlays(_context(), show=False).shown
  assert explained.overlays(_context(private=True), show=True).shown


def test_a_block_is_drawn():
  for block in explained.overlays(_context()).shown["test"]:
    figure = overlays.drawn(block)
    assert len(figure.axes) >= 8 or len(figure.axes) == 9


def test_large_images_are_cut_to_their_regions_and_thinned_out():
  truth = np.zeros((200, 200, 200), np.uint8)
  truth[20:180, 20:180, 20:180] = 1
  image = np.random.default_rng(0).normal(size=(*truth.shape, 1))
  case = explained.packed_case(image, truth, truth, (1.0, 1.0, 2.0))
  assert case["thinned"] == 3
  assert case["spacing_mm"] == [3.0, 3.0, 6.0]
  shown = _unpacked(case, "image")
  assert shown.shape == (58, 58, 58, 1) and shown.dtype == np.uint8
  assert _unpacked(case, "truth").shape == shown.shape[:3]


def test_pictures_without_a_spacing_are_json():
  picture = np.zeros((9, 8, 1), np.uint8)
  truth = np.zeros((9, 8), np.uint8)
  case = explained.packed_case(picture, truth, truth, (np.nan, np.nan))
  assert json.loads(json.dumps(case, allow_nan=False))["spacing_mm"] is None


def test_other_tasks_have_nothing_to_show():
  context = _context()
  context.task = dataclasses
  assert not explained.overlays(context).shown
