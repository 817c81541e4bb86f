"""Near copies of one set, grouped."""

import numpy as np
import pytest
from PIL import Image

from medfm.data.images import alike
from medfm.types import Folders, UserError


@pytest.fixture
def raw(tmp_path):
  """Twelve made-up pictures of blobs; b is a brighter copy of a, c equals a."""
  paths, generator = {}, np.random.default_rng(0)
  for name in "adefghijklmn":
    coarse = generator.integers(0, 200, (8, 8)).astype(np.uint8)
    picture = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
    paths[name] = tmp_path / f"{name}.png"
    picture.save(paths[name])
    if name == "a":
      paths |= {k: tmp_path / f"{k}.png" for k in "bc"}
      picture.point(lambda value: value * 1.2 + 5).save(paths["b"])
      picture.save(paths["c"])
  return paths


def test_near_copies_are_one_group_and_others_are_alone(raw, tmp_path):
  folders = Folders(None, str(tmp_path / "cache"))
  near = alike.groups(folders, raw)
  assert near["a"] == near["b"] == near["c"]
  assert len(set(near.values())) == len(raw) - 2
  equal = alike.groups(folders, raw, equal=True)
  assert equal["a"] == equal["c"] != equal["b"]


def test_a_damaged_picture_is_named(raw, tmp_path):
  raw["d"].write_bytes(raw["d"].read_bytes()[:100])
  with pytest.raises(UserError, match=r"^d: .* truncated"):
    alike.groups(Folders(None, str(tmp_path / "cache")), raw)


def test_chains_are_one_group():
  groups = alike.linked(6, [(4, 2), (2, 0), (5, 5), (3, 1)])
  assert groups.tolist() == [0, 1, 0, 1, 0, 2]
