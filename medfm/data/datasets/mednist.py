"""MedNIST: 64x64 grey slices of six body regions or modalities.

Assembled by B. J. Erickson (Mayo Clinic) from TCIA, the RSNA Bone Age
Challenge and the NIH Chest X-ray set. Very easy: use it for
pre-training and smoke tests, not as evidence of quality.
"""

import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import archives, files, records, splits
from medfm.data.images import decode
from medfm.data.images import files as image_files
from medfm.tasks import multiclass
from medfm.types import Dataset, Folders, UserError

CLASSES = ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
SIZE = 64
OFFICIAL = 58_954
_URL = (
  "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
  "0.8.1/MedNIST.tar.gz"
)
_MD5 = "0bc7306e7427e00ad1c5526a6677552d"
_NAME = re.compile(rf"(?:.*/)?({'|'.join(CLASSES)})/(\d+)\.jpe?g")
"""An image's name: its class folder and its number there."""

_MAX_BYTES = 1 << 20  # Of one image; a real one has about two thousand.


class MedNIST(records.Builder, skip_registration=True):
  """JPEG files, still encoded, split by blocks of neighbouring numbers."""

  def __init__(
    self, *, seed: int, fractions: tuple[float, ...], block: int, **kwargs
  ):
    self._seed, self._fractions, self._block = seed, fractions, block
    super().__init__(**kwargs)

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    return {
      "id": tfds.features.Text(),
      "patient": tfds.features.Text(),
      "image": tfds.features.Image(
        shape=(SIZE, SIZE, 1), dtype=np.uint8, encoding_format="jpeg"
      ),
      "label": tfds.features.ClassLabel(names=CLASSES),
    }

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    contents = _contents(self.raw)
    names = filter(None, map(_NAME.fullmatch, contents))
    slices = sorted((name[1], int(name[2]), name[0]) for name in names)
    self.changed("files that are not images", len(contents) - len(slices))
    for label in CLASSES:
      if not any(label == other for other, *_ in slices):
        raise UserError(
          f"{self.raw.name}: no JPEG files in a folder {label}/: not MedNIST"
        )
    labels, numbers, paths = zip(*slices, strict=True)
    patients = [
      f"synthetic {label} {number // self._block}"
      for label, number in zip(labels, numbers, strict=True)
    ]
    rows = splits.by_patient(
      np.array(paths),
      np.array(patients),
      np.array(list(map(CLASSES.index, labels))),
      fractions=self._fractions,
      seed=self._seed,
    )
    return {
      split: self._generate_examples(
        {
          "id": f"{labels[row]}/{numbers[row]:06d}",
          "patient": patients[row],
          "image": contents[paths[row]],
          "label": labels[row],
        }
        for row in chosen
      )
      for split, chosen in rows.items()
    }

  def _generate_examples(
    self, examples: Iterable[dict[str, Any]]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    for example in examples:
      # The bytes are stored as they are; this finds the broken ones.
      name = f"{self.raw.name}: {example['id']}"
      shape = decode.decoded(example["image"], name=name).shape
      if shape != (SIZE, SIZE, 1):
        raise UserError(
          f"{name} has the shape {shape}, expected grey {SIZE}x{SIZE}"
        )
      yield example["id"], example


def mednist(
  folders: Folders,
  *,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  block: int = 50,
) -> Dataset:
  """Six classes of 64x64 grey images: image [N,64,64,1] uint8, label [N].

  block: how many neighbouring file numbers make one pseudo-patient. There are
    no patient ids, and neighbours are often slices of one scan: a random
    split would put the same scan into training and test.
  """
  if block < 1:
    raise UserError(f"mednist block={block}: expected 1 or more numbers")
  names = ("MedNIST.tar.gz", "MedNIST", "mednist_subset.zip")
  path = files.find(folders, *names, url=_URL, md5=_MD5, what="MedNIST")
  prepared = records.prepared(
    MedNIST, folders, raw=path, seed=seed, fractions=fractions, block=block
  )
  train = prepared.splits["train"]
  total = sum(map(len, prepared.splits.values()))
  return image_files.dataset(
    prepared.splits,
    name="mednist",
    target=multiclass.fitted(CLASSES, train.arrays),
    card={
      "source": files.origin(path, url=_URL, md5=_MD5),
      "licence": "CC BY-SA 4.0",
      "citation": "MedNIST, assembled by B. J. Erickson (Mayo Clinic) from "
      "TCIA, RSNA Bone Age and NIH Chest X-ray images",
      "notes": [
        "very easy: no evidence of a model's quality",
        f"the patient key is synthetic: {block} neighbouring file numbers of "
        "a class, since neighbours are often slices of one scan; a scan that "
        "crosses the edge of a block can still be in two splits",
        *([] if total == OFFICIAL else [f"{total} of the {OFFICIAL} images"]),
      ],
      "changes": prepared.changes,
      "split": f"by synthetic patient, {fractions}, seed {seed}",
      "fingerprint": prepared.fingerprint,
    },
    reading=folders.reading,
    size=SIZE,
    channels=1,
  )


def _contents(raw: pathlib.Path) -> dict[str, bytes]:
  """name -> bytes of all files of a folder, zip or tar; nothing is written.

  The whole set, about 100 MB, is read at once, since a compressed tar can only
  be read from start to end.
  """
  if raw.is_dir():
    return {
      path.relative_to(raw.parent).as_posix(): decode.content(path)
      for path in raw.rglob("*")
      if path.is_file()
    }
  contents = {}
  try:
    for member in archives.members(raw):
      if member.kind != "file":
        continue
      if member.size > _MAX_BYTES:
        raise UserError(
          f"{raw.name}: holds a file of {member.size:,} bytes: not MedNIST"
        )
      with member.open() as file:
        contents[member.name] = file.read()
  except archives.DAMAGED as error:
    raise UserError(
      f"{raw.name}: damaged or truncated archive: fetch it again"
    ) from error
  return contents
