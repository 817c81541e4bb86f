"""BUSI: breast ultrasound at 256 pixels, with a caption for each image.

The images are of Al-Dhabyani et al. 2020. The captions are thirty templates
that only say the class again, not reports: good to try image and text, but no
evidence of what learning from reports gives.
"""

import csv
import io
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import archives, cards, files, records, splits
from medfm.data.captions import files as caption_files
from medfm.data.images import decode, near
from medfm.spec import forwards
from medfm.tasks import multiclass
from medfm.types import Dataset, Folders, UserError

CLASSES = ("normal", "benign", "malignant")
TABLE = "all_captions.csv"
_COLUMNS = ("image_path", "text_caption", "label")
_URL = "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset"
LENGTH = 24  # Tokens; the longest caption has 16 of a small vocabulary.
_MAX_BYTES = 1 << 22
_COMPARED = 64
"""The side at which copies are looked for, whatever size a model reads."""


class Row(NamedTuple):
  """A row of the table of captions, its number there, and its file."""

  number: int
  path: str
  caption: str
  label: str
  content: bytes


class BusiCaptions(records.Builder, skip_registration=True):
  """Grey images of one size; near copies are kept in one split."""

  def __init__(
    self, *, size: int, seed: int, fractions: tuple[float, ...], **kwargs
  ):
    self._size, self._seed, self._fractions = size, seed, fractions
    super().__init__(**kwargs)

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    return {
      "id": tfds.features.Text(),
      "patient": tfds.features.Text(),
      "image": tfds.features.Tensor(
        shape=(self._size, self._size, 1), dtype=np.uint8, encoding="zlib"
      ),
      "text": tfds.features.Text(),
      "label": tfds.features.ClassLabel(names=CLASSES),
    }

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    listed = rows(self.raw)
    pictures = [decode.decoded(row.content, name=row.path) for row in listed]
    coloured = sum(
      p.shape[-1] > 1 and (p != p[..., :1]).any() for p in pictures
    )
    self.changed("colour images (coloured marks) made grey", int(coloured))
    grey = [decode.with_channels(picture, 1) for picture in pictures]
    small = np.stack([decode.resized(each, _COMPARED) for each in grey])
    groups = together(len(small), *near.search({"": {"image": small}})("", ""))
    copies = len(groups) - len(np.unique(groups))
    self.changed("images kept in one split with a near copy of them", copies)
    parts = splits.by_patient(
      np.array([row.path for row in listed]),
      np.array([f"synthetic {group}" for group in groups]),
      np.array([CLASSES.index(row.label) for row in listed]),
      fractions=self._fractions,
      seed=self._seed,
    )
    made = [
      {
        "id": row.path,
        "patient": f"synthetic {group}",
        "image": decode.resized(picture, self._size),
        "text": row.caption,
        "label": row.label,
      }
      for row, picture, group in zip(listed, grey, groups, strict=True)
    ]
    return {
      split: self._generate_examples([made[row] for row in chosen])
      for split, chosen in parts.items()
    }

  def _generate_examples(
    self, examples: list[dict[str, Any]]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    for example in examples:
      yield example["id"], example


@forwards(
  caption_files.dataset, "tokenizer", "length", "too_long", length=LENGTH
)
def busi_captions(
  folders: Folders,
  *,
  size: int = 64,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  **cutting: Any,
) -> Dataset:
  """Breast ultrasound: image [N,size,size,1] uint8, its caption, label [N].

  The set names no patients. Near copies (`images.near`) count as one, so that
  they lie in one split; other images of one patient may still lie in several.

  tokenizer, length, too_long: as in `captions.files.dataset`.
  """
  if size < 1:
    raise UserError(f"busi_captions size={size}: expected 1 or more")
  names = ("busi_256.zip", "Dataset_BUSI_256")
  what = "BUSI with captions"
  path = files.find(folders, *names, url=_URL, what=what, download=False)
  prepared = records.prepared(
    BusiCaptions, folders, raw=path, size=size, seed=seed, fractions=fractions
  )
  train = prepared.splits["train"]
  return caption_files.dataset(
    prepared.splits,
    folders,
    name="busi_captions",
    target=multiclass.fitted(CLASSES, {"label": train.arrays["label"]}),
    card={
      "source": files.origin(path, url=_URL),
      "licence": "public release; the captions state none",
      "citation": "Al-Dhabyani et al., Data in Brief 28:104863 (2020)",
      "notes": [
        "the captions are templates that only say the class again, not "
        "radiology reports: no evidence of what learning from reports gives",
        "no patients are named: near copies count as one patient, other images "
        "of one patient may lie in several splits",
        "BUSI holds near copies and wrong labels (Pawlowska et al. 2023)",
      ],
      cards.READ: f"images: grey, made {size} x {size}",
      "changes": prepared.changes,
      "split": f"by groups of near copies, {tuple(fractions)}, seed {seed}",
      "fingerprint": prepared.fingerprint,
    },
    size=size,
    channels=1,
    **{"length": LENGTH, **cutting},
  )


def rows(raw: pathlib.Path) -> list[Row]:
  """The table of captions with its files, from a folder or a zip."""
  contents = _contents(raw)
  tables = [name for name in contents if name.endswith(f"/{TABLE}")]
  if len(tables) != 1:
    raise UserError(f"{raw.name}: expected one {TABLE}, not {len(tables)}")
  top = tables[0].removesuffix(TABLE)
  text = contents[tables[0]].decode("utf-8-sig", "replace")
  lines = csv.DictReader(io.StringIO(text))
  if not set(_COLUMNS) <= set(lines.fieldnames or ()):
    raise UserError(
      f"{TABLE}: expected the columns {', '.join(_COLUMNS)}, not "
      + ", ".join(lines.fieldnames or ())
    )
  listed = []
  for number, line in enumerate(lines, 2):
    path, caption, label = (line[column] or "" for column in _COLUMNS)
    where = f"{TABLE}, row {number}"
    if f"{top}{path}" not in contents:
      raise UserError(f"{where}: image_path: no such file in {raw.name}")
    if not caption.strip():
      raise UserError(f"{where}: text_caption: the text is empty")
    if label not in CLASSES:
      raise UserError(f"{where}: label: expected {', '.join(CLASSES)}")
    content = contents[f"{top}{path}"]
    listed.append(Row(number, path, caption.strip(), label, content))
  return listed


def together(count: int, i: np.ndarray, j: np.ndarray) -> np.ndarray:
  """[N] the smallest number of each row's group; pairs i, j are in one."""
  groups = np.arange(count)
  while True:
    lower = np.minimum(groups[i], groups[j])
    merged = groups.copy()
    np.minimum.at(merged, i, lower)
    np.minimum.at(merged, j, lower)
    if (merged == groups).all():
      return groups
    groups = merged


def _contents(raw: pathlib.Path) -> dict[str, bytes]:
  """name -> bytes of all files; nothing is written."""
  if raw.is_dir():
    return {
      path.relative_to(raw.parent).as_posix(): path.read_bytes()
      for path in raw.rglob("*")
      if path.is_file()
    }
  contents = {}
  try:
    for member in archives.members(raw):
      if member.kind == "file":
        if member.size > _MAX_BYTES:
          raise UserError(
            f"{raw.name}: holds a file of {member.size:,} bytes: not BUSI"
          )
        with member.open() as file:
          contents[member.name] = file.read()
  except archives.DAMAGED as error:
    raise UserError(
      f"{raw.name}: damaged or truncated archive: fetch it again"
    ) from error
  return contents
