"""The same made-up data for every tool, as files each reads in its own way."""

import csv
import pathlib

import numpy as np
from PIL import Image

CLASSES = 10
COLUMNS = 30
_HELD_OUT = 20  # Validation and test examples, never reached.


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
