"""The planted copies of the duplicates' table are what they are called."""

import numpy as np

from benchmarks import duplicates


def test_each_change_keeps_the_shape_and_changes_something():
  image = np.random.default_rng(0).integers(0, 255, (32, 32)).astype(np.uint8)
  for name, change in duplicates.OF_IMAGES.items():
    changed = np.asarray(change(image))
    assert changed.shape == image.shape, name
    assert not np.array_equal(changed, image), name
  text = "One two three of 4. " * 9 + "End."
  assert all(change(text) != text for change in duplicates.OF_TEXTS.values())
