"""MedMNIST v2: twelve sets of small images under their official splits.

The larger sizes are MedMNIST+ (Zenodo record 10519652).
"""

import contextlib
import pathlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import files, records
from medfm.data.images import files as image_files
from medfm.spec import chosen
from medfm.tasks import multiclass, multilabel
from medfm.types import Dataset, Folders, Split, UserError

SIZES = (28, 64, 128, 224)
_KEYS = {"train": "train", "val": "validation", "test": "test"}
_CITATION = (
  "Yang J. et al. MedMNIST v2. Scientific Data 10, 41 (2023). "
  "doi:10.1038/s41597-022-01721-8"
)


class Member(NamedTuple):
  """One set: classes, channels, images per split, origin, md5 per size."""

  classes: tuple[str, ...]
  channels: int
  counts: tuple[int, int, int]
  source: str
  md5: tuple[str, str, str, str]
  licence: str = "CC BY 4.0"
  notes: tuple[str, ...] = ()
  multilabel: bool = False

  @property
  def mirror_axes(self) -> tuple[int, ...]:
    """Along which an image may be mirrored: none if a class names a side."""
    sided = any(name.endswith(("-left", "-right")) for name in self.classes)
    return () if sided else (-1,)


_ORGANS = (
  "bladder", "femur-left", "femur-right", "heart", "kidney-left",
  "kidney-right", "liver", "lung-left", "lung-right", "pancreas", "spleen",
)  # fmt: skip
_LITS = "slices of the LiTS abdominal CT scans (Bilic et al. 2019)"

MEMBERS = {
  "pathmnist": Member(
    (
      "adipose", "background", "debris", "lymphocytes", "mucus",
      "smooth muscle", "normal colon mucosa", "cancer-associated stroma",
      "colorectal adenocarcinoma epithelium",
    ), 3, (89996, 10004, 7180),
    "colorectal histology patches (Kather et al. 2019)",
    ("a8b06965200029087d5bd730944a56c1", "55aa9c1e0525abe5a6b9d8343a507616",
     "ac42d08fb904d92c244187169d1fd1d9", "2c51a510bcdc9cf8ddb2af93af1eadec"),
    notes=("the test images come from another clinical centre",),
  ),
  "chestmnist": Member(
    (
      "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass",
      "nodule", "pneumonia", "pneumothorax", "consolidation", "edema",
      "emphysema", "fibrosis", "pleural", "hernia",
    ), 1, (78468, 11219, 22433),
    "NIH ChestX-ray14 (Wang et al. 2017)",
    ("02c8a6516a18b556561a56cbdd36c4a8", "9de6cd0b934ebb5b7426cfba5efbae16",
     "db107e5590b27930b62dbaf558aebee3", "45bd33e6f06c3e8cdb481c74a89152aa"),
    notes=("labels were mined from report texts, not read from images",),
    multilabel=True,
  ),
  "dermamnist": Member(
    (
      "actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma",
      "benign keratosis-like lesions", "dermatofibroma", "melanoma",
      "melanocytic nevi", "vascular lesions",
    ), 3, (7007, 1003, 2005),
    "HAM10000 dermatoscopy (Tschandl et al. 2018)",
    ("0744692d530f8e62ec473284d019b0c7", "b70a2f5635c6199aeaa28c31d7202e1f",
     "2defd784463fa5243564e855ed717de1", "8974907d8e169bef5f5b96bc506ae45d"),
    licence="CC BY-NC 4.0",
    notes=("several images of one lesion may lie in different splits",),
  ),
  "octmnist": Member(
    (
      "choroidal neovascularization", "diabetic macular edema", "drusen",
      "normal",
    ), 1, (97477, 10832, 1000),
    "retinal optical coherence tomography (Kermany et al. 2018)",
    ("c68d92d5b585d8d81f7112f81e2d0842", "e229e9440236b774d9f0dfef9d07bdaf",
     "0a97e76651ace45c5d943ee3f65b63ae", "abc493b6d529d5de7569faaef2773ba3"),
  ),
  "pneumoniamnist": Member(
    ("normal", "pneumonia"), 1, (4708, 524, 624),
    "paediatric chest X-rays (Kermany et al. 2018)",
    ("28209eda62fecd6e6a2d98b1501bb15f", "8f4eceb4ccffa70c672198ea285246c6",
     "05b46931834c231683c68f40c47b2971", "d6a3c71de1b945ea11211b03746c1fe1"),
  ),
  "retinamnist": Member(
    ("0", "1", "2", "3", "4"), 3, (1080, 120, 400),
    "DeepDRiD fundus photographs (Liu et al. 2022)",
    ("bd4c0672f1bba3e3a89f0e4e876791e4", "afda852cc34dcda56f86ad2b2457dbcc",
     "e48e916a24454daf90583d4e6efb1a18", "eae7e3b6f3fcbda4ae613ebdcbe35348"),
    notes=("grades 0-4 are ordered; here they are five plain classes",),
  ),
  "breastmnist": Member(
    ("malignant", "normal, benign"), 1, (546, 78, 156),
    "breast ultrasound, BUSI (Al-Dhabyani et al. 2020)",
    ("750601b1f35ba3300ea97c75c52ff8f6", "742edef2a1fd1524b2efff4bd7ba9364",
     "363e4b3f8d712e9b5de15470a2aaadf1", "b56378a6eefa9fed602bb16d192d4c8b"),
    notes=("the positive class 1 is normal or benign, not malignant",),
  ),
  "bloodmnist": Member(
    (
      "basophil", "eosinophil", "erythroblast", "immature granulocytes",
      "lymphocyte", "monocyte", "neutrophil", "platelet",
    ), 3, (11959, 1712, 3421),
    "peripheral blood cells (Acevedo et al. 2020)",
    ("7053d0359d879ad8a5505303e11de1dc", "2b94928a2ae4916078ca51e05b6b800b",
     "adace1e0ed228fccda1f39692059dd4c", "b718ff6835fcbdb22ba9eacccd7b2601"),
    notes=("immature granulocytes: myelo-, metamyelo- and promyelocytes",),
  ),
  "tissuemnist": Member(
    (
      "collecting duct, connecting tubule", "distal convoluted tubule",
      "glomerular endothelial cells", "interstitial endothelial cells",
      "leukocytes", "podocytes", "proximal tubule segments",
      "thick ascending limb",
    ), 1, (165466, 23640, 47280),
    "kidney cortex cells, BBBC051 (Woloshuk et al. 2021)",
    ("ebe78ee8b05294063de985d821c1c34b", "123ece2eba09d0aa5d698fda57103344",
     "61b955355d7425a89687b06cca3ce0c2", "b077128c4a949f0a4eb01517f9037b9c"),
    notes=("all cells come from three tissue specimens",),
  ),
  "organamnist": Member(
    _ORGANS, 1, (34561, 6491, 17778), f"axial {_LITS}",
    ("68e3f8846a6bd62f0c9bf841c0d9eacc", "2dcccc29b88e6da5a01161ef20cda288",
     "eeae80d0a227a8d099027e1b3cfd3b60", "50747347e05c87dd3aaf92c49f9f3170"),
  ),
  "organcmnist": Member(
    _ORGANS, 1, (12975, 2392, 8216), f"coronal {_LITS}",
    ("b9ceb9546e10131b32923c5bbeaea2b1", "3ce34a8724ea6f548e6db4744d03b6a9",
     "773c1f009daa3fe5d9a2a201b2a7ed94", "050f5e875dc056f6768abf94ec9995d1"),
  ),
  "organsmnist": Member(
    _ORGANS, 1, (13932, 2452, 8827), f"sagittal {_LITS}",
    ("9ab87b696fb54e2a387ebe992d6ed5f1", "53a6d115339d874c25e309a994ff46d3",
     "ded0c5fa01a95dc4978b956f613e9b8e", "b354719e553fbbb2513d5533f52a4cb1"),
  ),
}  # fmt: skip


class MedMNIST(records.Builder, skip_registration=True):
  """The arrays of one npz file, read row by row, never unpickled."""

  shuffled = False  # The file's order is the official one.

  def __init__(self, *, member: str, size: int, **kwargs):
    self._member = MEMBERS[member]
    self._shape = (size, size, self._member.channels)
    super().__init__(**kwargs)

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    classes, tensor = self._member.classes, tfds.features.Tensor
    return {
      "id": tfds.features.Text(),
      "image": tensor(shape=self._shape, dtype=np.uint8, encoding="zlib"),
      "label": tensor(shape=(len(classes),), dtype=np.float32)
      if self._member.multilabel
      else tfds.features.ClassLabel(names=classes),
    }

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    with _archive(self.raw) as archive:
      members = archive.namelist()
    for name in (f"{k}_{what}" for k in _KEYS for what in ("images", "labels")):
      if f"{name}.npy" not in members:
        raise UserError(f"{self.raw.name}: no array {name!r}: not MedMNIST")
    return {split: self._generate_examples(key) for key, split in _KEYS.items()}

  def _generate_examples(self, key: str) -> Iterator[tuple[int, dict]]:
    with _archive(self.raw) as archive:
      labels = self._labels(archive, key)
      rows = _rows(archive, f"{key}_images", self._shape, len(labels))
      for row, (image, label) in enumerate(zip(rows, labels, strict=True)):
        yield row, {"id": f"{key}/{row}", "image": image, "label": label}

  def _labels(self, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    """[n] int64 or [n,K] float32, each within its range."""
    with archive.open(f"{key}_labels.npy") as file:
      labels = np.lib.format.read_array(file, allow_pickle=False)
    classes = len(self._member.classes)
    where = f"{self.raw.name}, {key}_labels"
    multilabel = self._member.multilabel
    shapes = [(classes,)] if multilabel else [(), (1,)]
    if labels.shape[1:] not in shapes or labels.dtype.kind not in "iubf":
      raise UserError(
        f"{where}: {labels.dtype} of shape {labels.shape}, expected numbers of "
        f"shape {(len(labels), *shapes[-1])}"
      )
    top = 1 if multilabel else classes - 1
    good = np.isin(labels, np.arange(top + 1))
    if not good.all():
      row = int(np.argwhere(~good)[0, 0])
      raise UserError(f"{where}: row {row} is not one of 0..{top}")
    if multilabel:
      return labels.astype(np.float32)
    return labels.reshape(-1).astype(np.int64)


def medmnist(
  folders: Folders, *, name: str = "breastmnist", size: int = 28
) -> Dataset:
  """One of the twelve 2-D sets at 28, 64, 128 or 224 pixels.

  image [N,size,size,1|3] uint8; label int32 [N], or float32 [N,14] for
  chestmnist. Retinamnist's ordered grades are treated as plain classes.
  """
  member = chosen("name", name, MEMBERS)
  if size not in SIZES:
    raise UserError(f"medmnist size={size}: expected one of {SIZES}")
  file = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
  url = f"https://zenodo.org/records/10519652/files/{file}?download=1"
  md5 = member.md5[SIZES.index(size)]
  path = files.find(folders, file, url=url, md5=md5, what=name)
  prepared = records.prepared(
    MedMNIST, folders, raw=path, member=name, size=size
  )
  splits = {split: prepared.splits[split] for split in _KEYS.values()}
  task = multilabel if member.multilabel else multiclass
  return image_files.dataset(
    splits,
    name=name,
    target=task.fitted(member.classes, splits["train"].arrays),
    card={
      "source": files.origin(path, url=url, md5=md5),
      "licence": member.licence,
      "citation": _CITATION,
      "notes": _notes(member, splits),
      "changes": prepared.changes,
      "split": "official train, validation and test",
      "fingerprint": prepared.fingerprint,
    },
    reading=folders.reading,
    size=size,
    channels=member.channels,
    resize="crop",
  )


def _notes(member: Member, splits: dict[str, Split]) -> list[str]:
  return [
    f"images: {member.source}, cropped and shrunk by the authors",
    "the files name no patients: intervals count images as independent, and "
    "are too narrow if patients have several",
    *member.notes,
    *(
      f"{name}: {len(split)} images, officially {count}: numbers are not "
      "comparable to published ones"
      for (name, split), count in zip(
        splits.items(), member.counts, strict=True
      )
      if len(split) != count
    ),
  ]


@contextlib.contextmanager
def _archive(path: pathlib.Path) -> Iterator[zipfile.ZipFile]:
  """An npz file; any damage to it gives a one-line error."""
  try:
    with zipfile.ZipFile(path) as archive:
      yield archive
  except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
    raise UserError(
      f"{path.name}: damaged or truncated npz file: fetch it again"
    ) from error
  except ValueError as error:
    raise UserError(
      f"{path.name}: holds an array that is not plain numbers (a pickle, "
      "perhaps), or a damaged one: not the official file"
    ) from error


def _rows(
  archive: zipfile.ZipFile, key: str, shape: tuple[int, int, int], count: int
) -> Iterator[np.ndarray]:
  """The images of an array one by one, so that no array must fit into memory.

  Reading the last byte of a member makes zipfile compare its checksum.
  """
  name = pathlib.Path(archive.filename).name
  with archive.open(f"{key}.npy") as file:
    form = np.lib.format
    first = form.read_magic(file) == (1, 0)
    header = form.read_array_header_1_0 if first else form.read_array_header_2_0
    written, fortran, dtype = header(file)
    plain = shape[:2] if shape[2] == 1 else shape
    expected = ((count, *plain), (count, *shape))
    if dtype != np.uint8 or fortran or written not in expected:
      raise UserError(
        f"{name}, {key}: {dtype} of shape {written}, expected uint8 of shape "
        f"{expected[0]}"
      )
    size = int(np.prod(shape))
    for _ in range(count):
      data = file.read(size)
      if len(data) != size:
        raise EOFError(key)
      yield np.frombuffer(data, np.uint8).reshape(shape)
