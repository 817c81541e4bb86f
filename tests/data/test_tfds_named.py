"""Sets of TensorFlow Datasets, read by name without TensorFlow."""

import io
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds

from medfm.data import files
from medfm.data.datasets import tfds_named
from medfm.types import Folders, UserError


class NamedToy(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Grey images of a value that tells their class; no validation split."""

  VERSION = tfds.core.Version("1.0.0")

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          "picture": tfds.features.Image(shape=(None, None, 1)),
          "kind": tfds.features.ClassLabel(names=["dark", "light"]),
        }
      ),
      supervised_keys=("picture", "kind"),
    )

  def _split_generators(self, dl_manager):
    return {
      "train": self._generate_examples(40),
      "test": self._generate_examples(4),
    }

  def _generate_examples(self, n):
    for i in range(n):
      buffer = io.BytesIO()
      pixels = np.full((5, 6), 200 * (i % 2), np.uint8)
      PIL.Image.fromarray(pixels).save(buffer, "PNG")
      yield i, {"picture": buffer.getvalue(), "kind": i % 2}


@pytest.fixture
def here(tmp_path, monkeypatch):
  monkeypatch.setenv(files.OFFLINE, "1")
  return Folders(raw=str(tmp_path / "raw"), cache=str(tmp_path / "cache"))


@pytest.fixture
def prepared(here):
  builder = NamedToy(data_dir=f"{here.raw}/tfds", file_format="array_record")
  builder.download_and_prepare()
  return here


def test_images_and_labels_are_read(prepared):
  dataset = tfds_named.named(prepared, name="named_toy")
  assert dataset.info.target.names == ("dark", "light")
  for split in dataset.splits.values():
    image, label = split.arrays["image"], split.arrays["label"]
    assert image.shape[1:] == (5, 6, 1)
    assert (image[:, 0, 0, 0] == 200 * label).all()


def test_missing_validation_examples_are_taken_from_train(prepared):
  dataset = tfds_named.named(prepared, name="named_toy")
  sizes = {name: len(split) for name, split in dataset.splits.items()}
  assert sizes == {"train": 36, "validation": 4, "test": 4}
  assert sum(dataset.info.target.counts) == 36
  assert "validation taken from train" in dataset.card["split"]
  assert not np.isin(
    dataset.splits["train"].ids, dataset.splits["validation"].ids
  ).any()


def test_an_unknown_feature_is_refused_with_the_known_ones(prepared):
  with pytest.raises(UserError, match="the set has kind, picture"):
    tfds_named.named(prepared, name="named_toy", label="colour")


def test_records_of_tensorflow_are_refused_in_one_line(here):
  builder = NamedToy(data_dir=f"{here.raw}/tfds", file_format="array_record")
  builder.download_and_prepare()
  (path,) = pathlib.Path(here.raw).rglob("dataset_info.json")
  path.write_text(path.read_text().replace("array_record", "tfrecord"))
  with pytest.raises(UserError, match=r"^tfds named_toy: TFDS needs Tensor"):
    tfds_named.named(here, name="named_toy")


def test_an_unknown_name_is_refused_in_one_line(here):
  with pytest.raises(UserError, match=r"^tfds no_such: .* no such set") as e:
    tfds_named.named(here, name="no_such")
  assert "\n" not in str(e.value)


def test_absent_data_are_told_in_one_line(here):
  with pytest.raises(UserError, match=r"^tfds mnist: .* missing: put") as e:
    tfds_named.named(here, name="mnist")
  assert "\n" not in str(e.value)
