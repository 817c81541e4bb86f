"""Folders of synthetic images."""

import pytest

from tests.data.images import scans


@pytest.fixture
def classes(tmp_path):
  """A synthetic folder of two classes with ten images each."""
  root = tmp_path / "images"
  for label in ("benign", "malignant"):
    for number in range(10):
      scans.save(root / label / f"{number}.png", number)
  return root


@pytest.fixture
def root(tmp_path):
  folder = tmp_path / "images"
  folder.mkdir()
  return folder


@pytest.fixture
def trained(classes):
  return scans.read(classes, channels=3)
