"""The same made-up data for every tool, as files each reads in its own way."""

import csv
import os
import pathlib

import numpy as np
from PIL import Image

CLASSES = 10
COLUMNS = 30
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 8192
_HELD_OUT = 20  # Validation and test examples, never reached.


class MissingError(Exception):
  """Data that a case needs and that cannot be made up; the text says which."""


def images(
  folder: pathlib.Path, *, count: int, size: int, channels: int, suffix: str
) -> None:
  """Grey or RGB images whose brightness tells the class.

  Leaves `train/<class>/<number>.<suffix>` (and small validation and test
  folders) for tools that read folders, and the training images decoded in
  `train.npz`: image uint8 [N,size,size,channels], label int32 [N].
  """
  generator = np.random.default_rng(0)
  for part, n in (("train", count), ("validation", _HELD_OUT), ("test", 20)):
    label = np.arange(n) % CLASSES
    coarse = generator.integers(0, 128, (n, 7, 7, channels))
    coarse = (coarse + 10 * label.reshape(-1, 1, 1, 1)).astype(np.uint8)
    pixels = np.stack([_smooth(image, size) for image in coarse])
    for index in range(n):
      place = folder / "files" / part / f"class{label[index]}"
      place.mkdir(parents=True, exist_ok=True)
      Image.fromarray(_plain(pixels[index])).save(place / f"{index}.{suffix}")
    if part == "train":
      np.savez(folder / "train.npz", image=pixels, label=label.astype(np.int32))


def volumes(
  folder: pathlib.Path, *, count: int, shape: tuple[int, int, int]
) -> None:
  """Noise in which cubes of two structures are brighter than the rest.

  Leaves NIfTI files that `pairs.csv` names in the columns image, mask and
  part, and the training volumes, each with mean 0 and deviation 1, in
  `train.npz`: image float32 [N,*shape], label uint8 [N,*shape] from 0 to 2.
  """
  import nibabel

  generator = np.random.default_rng(0)
  side, n = 8, count + 2
  (folder / "files").mkdir()
  rows, pictures, labels = [], [], []
  for index in range(n):
    coarse = generator.integers(0, 3, [extent // side for extent in shape])
    label = np.kron(coarse, np.ones((side,) * 3)).astype(np.uint8)
    picture = generator.standard_normal(shape) + label
    picture = ((picture - picture.mean()) / picture.std()).astype(np.float32)
    row = []
    for name, values in (("image", picture), ("mask", label)):
      row.append(f"files/{name}{index}.nii.gz")
      image = nibabel.Nifti1Image(values, np.eye(4))
      nibabel.save(image, folder / row[-1])
    part = ("validation", "test")[index - count] if index >= count else "train"
    rows.append([*row, part])
    pictures.append(picture)
    labels.append(label)
  with (folder / "pairs.csv").open("w", newline="") as file:
    csv.writer(file).writerows([["image", "mask", "part"], *rows])
  np.savez(
    folder / "train.npz",
    image=np.stack(pictures[:count]),
    label=np.stack(labels[:count]),
  )


def hippocampus(folder: pathlib.Path) -> None:
  """The decathlon's hippocampus, unpacked and decoded into `cache`.

  Leaves `train.txt`, the training volumes' files, one a line. Masks lie beside
  them in labelsTr.

  Raises: MissingError, where MEDFM_DATA_DIR does not hold it.
  """
  from medfm.data.datasets import decathlon
  from medfm.data.volumes import cases
  from medfm.types import Folders, UserError

  raw, cache = os.environ.get("MEDFM_DATA_DIR"), folder / "cache"
  try:
    decathlon.hippocampus(Folders(raw=raw, cache=str(cache)))
  except UserError as error:
    raise MissingError(str(error)) from None
  files: dict[str, pathlib.Path] = {}
  for place in (*([raw] if raw else []), cache / "unpacked"):
    for path in pathlib.Path(place).rglob("imagesTr/hippocampus_*.nii.gz"):
      files[path.name.removesuffix(".nii.gz")] = path.resolve()
  parts = cases.by_hash([*files], decathlon.COUNTS)
  chosen = sorted(name for name, part in parts.items() if part == "train")
  text = "".join(f"{files[name]}\n" for name in chosen)
  (folder / "train.txt").write_text(text)


def table(folder: pathlib.Path, *, count: int) -> None:
  """A table of numbers whose first columns tell one of two classes.

  Leaves `table.csv` with the columns x0.., label and part, and the training
  rows in `train.npz`: features float32 [N,F], label int32 [N].
  """
  generator = np.random.default_rng(0)
  n = count + 2 * _HELD_OUT
  features = generator.standard_normal((n, COLUMNS)).round(4)
  features = features.astype(np.float32)
  label = (features[:, :3].sum(1) > 0).astype(np.int32)
  part = np.repeat(
    ["train", "validation", "test"], [count, _HELD_OUT, _HELD_OUT]
  )
  with (folder / "table.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow([*(f"x{i}" for i in range(COLUMNS)), "label", "part"])
    for row, answer, where in zip(features, label, part, strict=True):
      writer.writerow([*map(str, row), ("no", "yes")[answer], where])
  np.savez(folder / "train.npz", features=features[:count], label=label[:count])


def corpus(folder: pathlib.Path, *, count: int, length: int) -> None:
  """Made-up documents of 40 to 400 random words, each word one token.

  Leaves `corpus.txt`, a document a line, and BERT's `vocab.txt`; and the
  documents between [CLS] and [SEP], end to end and cut into full rows, in
  `train.npz`: tokens int32 [N,length]. Those rows hold no padding.
  """
  generator = np.random.default_rng(0)
  words = _vocabulary(folder)
  cls, sep = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")
  line, ids = [], []
  for size in generator.integers(40, 401, count):
    document = generator.integers(len(SPECIAL), VOCABULARY, size)
    line.append(" ".join(words[document]))
    ids += [cls, *document, sep]
  (folder / "corpus.txt").write_text("\n".join(line) + "\n")
  rows = len(ids) // length
  tokens = np.array(ids[: rows * length], np.int32).reshape(rows, length)
  np.savez(folder / "train.npz", tokens=tokens)


def texts(folder: pathlib.Path, *, count: int, length: int) -> None:
  """Labelled texts that fill rows of `length` tokens, in one of two classes.

  Leaves `texts.csv` with the columns text, label and part, `vocab.txt`, and
  the training rows in `train.npz`: tokens int32 [N,length], label int32 [N].
  """
  generator = np.random.default_rng(0)
  words = _vocabulary(folder)
  n = count + 2 * _HELD_OUT
  label = np.arange(n, dtype=np.int32) % 2
  tokens = generator.integers(len(SPECIAL), VOCABULARY // 2, (n, length))
  tokens += label[:, None] * (VOCABULARY // 2 - len(SPECIAL))
  tokens[:, 0], tokens[:, -1] = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")
  part = np.repeat(
    ["train", "validation", "test"], [count, _HELD_OUT, _HELD_OUT]
  )
  with (folder / "texts.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["text", "label", "part"])
    for row, answer, where in zip(tokens, label, part, strict=True):
      writer.writerow(
        [" ".join(words[row[1:-1]]), ("no", "yes")[answer], where]
      )
  np.savez(
    folder / "train.npz",
    tokens=tokens[:count].astype(np.int32),
    label=label[:count],
  )


def prompts(folder: pathlib.Path, *, count: int, length: int) -> None:
  """`prompts.npz`: tokens int32 [count,length] to be continued."""
  generator = np.random.default_rng(0)
  tokens = generator.integers(len(SPECIAL), VOCABULARY, (count, length))
  np.savez(folder / "prompts.npz", tokens=tokens.astype(np.int32))


def _vocabulary(folder: pathlib.Path) -> np.ndarray:
  """Writes `vocab.txt`; its tokens [VOCABULARY], three syllables a word."""
  syllables = [a + b for a in "bcdfghjklmnpqrst" for b in "aeiou"]
  size = len(syllables)
  words = [
    syllables[i // size**2] + syllables[i // size % size] + syllables[i % size]
    for i in range(VOCABULARY - len(SPECIAL))
  ]
  tokens = [*SPECIAL, *words]
  (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
  return np.array(tokens)


def predictions(folder: pathlib.Path, *, count: int) -> None:
  """`predictions.npz` of a fair model: label int32 [N], probs [N,CLASSES]."""
  generator = np.random.default_rng(0)
  label = generator.integers(0, CLASSES, count).astype(np.int32)
  logits = generator.standard_normal((count, CLASSES))
  logits[np.arange(count), label] += 1.5
  probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  np.savez(folder / "predictions.npz", label=label, probs=probs)


def _smooth(coarse: np.ndarray, size: int) -> np.ndarray:
  image = Image.fromarray(_plain(coarse)).resize((size, size), Image.BILINEAR)
  return np.asarray(image).reshape(size, size, -1)


def _plain(image: np.ndarray) -> np.ndarray:
  return image[:, :, 0] if image.shape[-1] == 1 else image
