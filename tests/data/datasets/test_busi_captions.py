"""BUSI with captions: the real archive, and small made-up ones."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from medfm.data.datasets import busi_captions
from medfm.types import Folders, UserError

HEADER = "image_path,text_caption,label\n"


def archive(root, lines, header=HEADER):
  """A made-up zip of six noisy pictures, and of the lines of its table."""
  generator = np.random.default_rng(0)
  top = "Dataset_BUSI_256"
  with zipfile.ZipFile(root / "busi_256.zip", "w") as made:
    for label in busi_captions.CLASSES:
      for number in range(4):
        file = io.BytesIO()
        pixels = generator.integers(0, 256, (32, 32)).astype("uint8")
        Image.fromarray(pixels).save(file, "PNG")
        made.writestr(f"{top}/{label}/{number}.png", file.getvalue())
    made.writestr(f"{top}/all_captions.csv", header + "\n".join(lines) + "\n")


def lines():
  return [
    f"{label}/{number}.png,A scan of {label} tissue.,{label}"
    for label in busi_captions.CLASSES
    for number in range(4)
  ]


def read(root, **settings):
  folders = Folders(raw=str(root), cache=str(root / "cache"))
  return busi_captions.busi_captions(folders, **{"size": 16} | settings)


def test_the_real_archive_holds_thirty_captions_that_name_the_class(data_dir):
  listed = busi_captions.rows(data_dir / "images" / "busi_256.zip")
  assert len(listed) == 780
  assert len({row.caption for row in listed}) == 30
  assert all(row.label in row.caption for row in listed)


def test_a_made_up_archive_becomes_three_splits(tmp_path):
  archive(tmp_path, lines())
  data = read(tmp_path)
  assert sum(map(len, data.splits.values())) == 12
  train = data.splits["train"].arrays
  assert train["image/image"].shape[1:] == (16, 16, 1)
  assert train["text/tokens"].shape[1:] == (busi_captions.LENGTH,)
  assert data.info.target.names == busi_captions.CLASSES
  assert any("no evidence" in note for note in data.card["notes"])


def test_groups_of_copies_are_joined_through_others():
  pairs = np.array([[0, 3], [3, 5], [4, 1]]).T
  told = busi_captions.together(7, *pairs)
  np.testing.assert_array_equal(told, [0, 1, 2, 0, 1, 0, 6])


@pytest.mark.parametrize(
  ("line", "message"),
  [
    ("benign/9.png,A scan.,benign", "row 3: image_path: no such file"),
    ("benign/1.png, ,benign", "row 3: text_caption: the text is empty"),
    ("benign/1.png,A scan.,cyst", "row 3: label: expected normal, benign"),
  ],
)
def test_a_bad_row_is_named(tmp_path, line, message):
  archive(tmp_path, [lines()[0], line])
  with pytest.raises(UserError, match=message):
    read(tmp_path)


def test_a_table_without_captions_is_refused(tmp_path):
  archive(tmp_path, ["benign/1.png,benign"], "image_path,label\n")
  with pytest.raises(UserError, match="expected the columns image_path, text"):
    read(tmp_path)
