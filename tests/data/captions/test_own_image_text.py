"""A user's own images with texts: what they become, and what is refused."""

import numpy as np
import pytest

from medfm import spec
from medfm.data import leakage
from medfm.data.captions import own, pairs
from medfm.data.text import tokenizers
from medfm.types import Folders, UserError
from tests import readings
from tests.data.images import scans

TEXTS = ("a clear lung", "a shadow on the left", "fluid on both sides")


def rows(n=20):
  return scans.rows(n, text=lambda i: f"{TEXTS[i % 3]}, {i % 4}")


def read(root, table, **settings):
  folders = Folders(raw=None, cache=str(root.parent / "cache"))
  given = {
    "path": str(table),
    "size": 8,
    "length": 12,
    "label": "label",
    "task": "multiclass",
    "patient": "patient",
  }
  return own.own_image_text(folders, **given | settings)


@pytest.fixture
def root(tmp_path):
  folder = tmp_path / "images"
  folder.mkdir()
  return folder


def test_each_image_stands_beside_its_text(root):
  table = scans.table(root, rows())
  data = read(root, table)
  assert list(data.info.inputs) == ["image", "text"]
  assert data.private and data.info.target.names == ("no", "yes")
  token = tokenizers.Tokenizer(spec.settings(data.encode)["tokenizer"])
  for split in data.splits.values():
    assert split.arrays["image/image"].shape[1:] == (8, 8, 1)
    for name, ids in zip(split.ids, split.arrays["text/tokens"], strict=True):
      number = int(name.removesuffix(".png"))
      assert token.decoded(ids) == f"{TEXTS[number % 3]}, {number % 4}"


def test_equal_texts_are_known_and_leak_nothing_by_themselves(root):
  table = scans.table(root, rows())
  data = read(root, table)
  split = data.splits["train"]
  group = pairs.equal_texts(split, data.info)
  numbers = np.array([int(name.removesuffix(".png")) for name in split.ids])
  said = numbers % 12  # Every twelfth text is the same.
  np.testing.assert_array_equal(group[:, None] == group, said[:, None] == said)
  report = leakage.leakage(data)
  assert set(data.card["compared_by"]) == {"image"}
  assert all(not pair["exact"]["count"] for pair in report["pairs"].values())


def test_labels_are_not_needed(root):
  unlabelled = [
    {k: v for k, v in row.items() if k != "label"} for row in rows()
  ]
  data = read(root, scans.table(root, unlabelled), task="none", label="")
  assert data.info.target.names == ()
  assert set(data.splits["train"].arrays) == {
    "image/image", "text/tokens", "text/segment", "text/positions",
  }  # fmt: skip


def test_long_texts_are_cut_and_counted_or_refused(root):
  made = rows()
  made[3]["text"] = "shadow " * 30
  table = scans.table(root, made)
  data = read(root, table)
  changes = {e["what"]: e["count"] for e in data.card["changes"]}
  cut = {what: n for what, n in changes.items() if "longer than 12" in what}
  assert list(cut.values()) == [1]
  with pytest.raises(UserError, match=r"3\.png: 32 tokens and length=12"):
    read(root, table, too_long="error", tokenizer=_words)


def _words(texts, folders):
  """A tokenizer in which every word is one token."""
  return tokenizers.wordpiece(texts, folders, vocabulary=2000)


def test_new_files_are_read_with_or_without_texts(root):
  table = scans.table(root, rows())
  data = read(root, table)
  new = data.encode(str(table))
  assert new.arrays["text/tokens"].shape == (20, 12)
  assert "text/present" not in new.arrays
  for split in data.splits.values():
    rows_of = [list(new.ids).index(name) for name in split.ids]
    for name in ("image/image", "text/tokens", "text/segment"):
      np.testing.assert_array_equal(
        new.arrays[name][rows_of], split.arrays[name]
      )
  pictures = data.encode(str(root))
  assert not pictures.arrays["text/present"].any()


def test_another_cohort_is_read_as_training_was(root):
  table = scans.table(root, rows())
  folders = Folders(raw=None, cache=str(root.parent / "cache"))

  def factory(folders):
    return own.own_image_text(
      folders,
      path=str(table),
      size=8,
      length=12,
      label="label",
      task="multiclass",
      patient="patient",
    )

  readings.assert_every_row_is_read_as_training_read_it(factory, folders)


@pytest.mark.parametrize(
  ("change", "settings", "message"),
  [
    ({"text": ""}, {}, r"row 5, column 'text': the text is empty"),
    ({"image": "none.png"}, {}, r"row 5, .*no such file: 'none\.png'"),
    ({}, {"text": "report"}, r"report"),
    ({}, {"text": ""}, r"text= must name the CSV's column"),
    ({}, {"path": "folder"}, r"folder: expected a CSV file with columns"),
    ({}, {"too_long": "window"}, r"too_long='window'"),
    ({}, {"length": 2}, r"length=2: expected 3 tokens or more"),
  ],
)
def test_bad_input_is_one_line(root, change, settings, message):
  made = rows()
  made[3] |= change
  table = scans.table(root, made)
  (root / "none.png").unlink(missing_ok=True)
  with pytest.raises(UserError, match=message) as caught:
    read(root, table, **settings)
  assert "\n" not in str(caught.value)


def test_one_image_with_two_texts_is_refused(root):
  made = rows()
  made.append({**made[3], "text": "another text"})
  with pytest.raises(UserError, match="differs from an earlier row"):
    read(root, scans.table(root, made))
