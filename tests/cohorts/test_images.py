"""A run on images, and other cohorts, whose every row predict reads alike."""

import numpy as np
import PIL.Image
import pytest

from tests.cohorts.checks import MAJORITY, check_run, equal, judged
from tests.running import run

pytestmark = [
  pytest.mark.xdist_group("cohorts of images"),
  pytest.mark.usefixtures("undrawn"),
]


def pictures(root, n, seed, draw):
  """Synthetic images of two classes, and files of other kinds."""
  generator = np.random.default_rng(seed)
  for label, shade in (("dark", 60), ("light", 180)):
    (root / label).mkdir(parents=True)
    for i in range(n):
      draw(root / label / f"{i}", i, shade, generator)
  return root


def small_and_grey(path, i, shade, generator):
  pixels = generator.normal(shade, 20, (20, 24)).clip(0, 255)
  PIL.Image.fromarray(pixels.astype(np.uint8)).save(f"{path}.png")


def of_many_kinds(path, i, shade, generator):
  """In colour, of 16 bits, and grey, all larger."""
  if i % 3 == 0:
    pixels = generator.normal(shade, 40, (64, 64, 3)).clip(0, 255)
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(f"{path}.png")
  elif i % 3 == 1:
    pixels = generator.normal(shade * 257, 5000, (50, 64)).clip(0, 65535)
    PIL.Image.fromarray(pixels.astype(np.uint16)).save(f"{path}.tif")
  else:
    small_and_grey(path, i, shade, generator)


@pytest.fixture(scope="module")
def of_images(here, folders):
  place, root = here / "images", pictures(here / "scans", 20, 0, small_and_grey)
  run(
    "own_images.py:tiny",
    place,
    folders,
    f"data.path={root}",
    "data.resize=crop",
    "batch_size=16",
    MAJORITY,
  )
  return place


def test_a_run_on_own_images_is_whole(of_images, folders):
  check_run(of_images, folders)


def test_images_of_any_kind_are_made_those_of_training(
  of_images, folders, tmp_path, capsys
):
  root = pictures(tmp_path / "elsewhere", 11, 3, of_many_kinds)
  capsys.readouterr()
  settings = (f"data.path={root}", "data.size=64", "data.name=elsewhere")
  stage, rows = judged(of_images, folders, "own_images.py", *settings)
  assert [entry["n"] for entry in stage["splits"].values()] == [22]
  said = capsys.readouterr().out
  equal(rows, of_images, root, tmp_path)
  (line,) = [line for line in said.splitlines() if "read as" in line]
  assert "8 colour made grey" in line and "8 of 16 bits made 8" in line
  assert "(as in training)" in line and "resize='crop' of training" in said


@pytest.mark.parametrize("part", ["", "test"])
def test_a_folder_of_few_images_of_one_class_is_scored(
  of_images, folders, tmp_path, part
):
  root = pictures(tmp_path / "few", 2, 3, small_and_grey)
  for path in (root / "light").iterdir():
    path.unlink()
  (root / "light").rmdir()
  if part:
    (root / part).mkdir()
    (root / "dark").rename(root / part / "dark")
  settings = (f"data.path={root}", f"data.name=few{part}")
  _, rows = judged(of_images, folders, "own_images.py", *settings)
  assert [row["label"] for row in rows] == ["dark", "dark"]
