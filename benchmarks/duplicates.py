"""What the rules for near copies find and what they take for one by mistake.

`MEDFM_DATA_DIR=DIR python -m benchmarks.duplicates [--speed]` prints the tables
of docs/leakage.md: planted copies of real images, texts and rows that are
found, of how many, and how many real examples are taken for a copy; `--speed`
adds how long 10,000 to 100,000 images take.
"""

import csv
import io
import os
import pathlib
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import PIL.Image

from medfm.data.images import near as images
from medfm.data.tables import near as tables
from medfm.data.text import near as texts

_PLANTED, _HELD_OUT = 100, 300


def _shifted(image: np.ndarray) -> np.ndarray:
  return np.roll(image, 2, 1)


def _cropped(image: np.ndarray, share: float = 0) -> np.ndarray:
  """Without 2 pixels, or a share of them, at each side; as large as before."""
  side = image.shape[0]
  edge = round(share * side) or 2
  box = (edge, edge, side - edge, side - edge)
  picture = PIL.Image.fromarray(image).crop(box)
  return np.asarray(picture.resize((side, side), PIL.Image.Resampling.BILINEAR))


def _jpeg(image: np.ndarray) -> np.ndarray:
  file = io.BytesIO()
  PIL.Image.fromarray(image).save(file, "JPEG", quality=50)
  return np.asarray(PIL.Image.open(file))


def _noisy(image: np.ndarray) -> np.ndarray:
  noise = np.random.default_rng(0).normal(0, 8, image.shape)
  return (image + noise).clip(0, 255).astype(np.uint8)


OF_IMAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "JPEG, quality 50": _jpeg,
  "gamma 0.7": lambda x: (255 * (x / 255) ** 0.7).astype(np.uint8),
  "noise of sd 8": _noisy,
  "mirrored": lambda x: x[:, ::-1],
  "turned by 90 degrees": np.rot90,
  "shifted by 2 pixels": _shifted,
  "mirrored and shifted": lambda x: _shifted(x[::-1]),
  "cropped by 2 pixels": _cropped,
  "cropped by 5 %": lambda x: _cropped(x, 0.05),
  "cropped by 10 %": lambda x: _cropped(x, 0.1),
  "turned by 3 degrees": lambda x: np.asarray(PIL.Image.fromarray(x).rotate(3)),
  "negative": lambda x: 255 - x,
}


def _words(text: str, places: slice) -> str:
  words = text.split()
  words[places] = ["however"] * len(words[places])
  return " ".join(words)


OF_TEXTS: dict[str, Callable[[str], str]] = {
  "without its full stop": lambda x: x.rstrip(". "),
  "one word changed": lambda x: _words(x, slice(5, 6)),
  "every twentieth word changed": lambda x: _words(x, slice(None, None, 20)),
  "every tenth word changed": lambda x: _words(x, slice(None, None, 10)),
  "without its first sentence": lambda x: x.partition(". ")[2],
  "its first half": lambda x: x[: len(x) // 2],
  "its first sentence": lambda x: x.partition(". ")[0],
  "a sentence appended": lambda x: f"{x} These findings await confirmation.",
  "every tenth word dropped": lambda x: " ".join(
    word for place, word in enumerate(x.split()) if place % 10
  ),
  "numbers changed": lambda x: re.sub(
    r"\d", lambda digit: str((int(digit[0]) + 3) % 10), x
  ),
  "without punctuation": lambda x: re.sub(r"[^\w\s]", "", x),
}


def _rounded(rows: np.ndarray) -> np.ndarray:
  spread = np.nanstd(rows, axis=0)
  return rows + np.float32(0.0005) * spread


def _digits(rows: np.ndarray, count: int) -> np.ndarray:
  kept = [float(f"{value:.{count}g}") for value in rows.ravel()]
  return np.array(kept, np.float32).reshape(rows.shape)


def _noise(rows: np.ndarray, share: float) -> np.ndarray:
  noise = np.random.default_rng(0).normal(0, share, rows.shape)
  return (rows + noise * np.nanstd(rows, axis=0)).astype(np.float32)


def _one(rows: np.ndarray, count: int, change: Callable) -> np.ndarray:
  rows = rows.copy()
  for column in range(count):
    rows[:, column] = change(rows[:, column])
  return rows


OF_ROWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "all values moved by 0.0005 sd": _rounded,
  "one value rounded": lambda x: _one(x, 1, np.round),
  "one value missing": lambda x: _one(x, 1, lambda c: np.full_like(c, np.nan)),
  "two values missing": lambda x: _one(x, 2, lambda c: np.full_like(c, np.nan)),
  "three values missing": lambda x: _one(
    x, 3, lambda c: np.full_like(c, np.nan)
  ),
  "all values with 3 digits": lambda x: _digits(x, 3),
  "all values with 2 digits": lambda x: _digits(x, 2),
  "noise of 0.03 sd": lambda x: _noise(x, 0.03),
}


def main() -> None:
  """Prints the tables in Markdown."""
  root = pathlib.Path(os.environ["MEDFM_DATA_DIR"])
  _print(_each(OF_IMAGES), dict(_of_images(root)), _image_rule)
  _print(_each(OF_TEXTS), {"abstracts": _abstracts(root)}, _text_rule)
  _print(OF_ROWS, dict(_of_tables(root)), _table_rule)
  if "--speed" in sys.argv:
    _speed(root)


def _print(changes, sets, rule) -> None:
  """A row for each change: how many planted copies of each set are found."""
  print(f"\n| of {_PLANTED} copies | {' | '.join(sets)} |")
  print("|---|" + "---:|" * len(sets))
  columns = []
  for held in sets.values():
    rest = held[_HELD_OUT:]
    splits = {"rest": rest, "others": held[:_HELD_OUT]}
    for name, change in changes.items():
      splits[name] = change(rest[:_PLANTED])
    found = rule(splits)
    counts = []
    for name in changes:
      i, j = found("rest", name)
      counts.append(str(len(np.unique(j[i == j]))))
    _, j = found("rest", "others")
    alarms = f"{len(np.unique(j))} of {_HELD_OUT} among {len(rest):,}"
    columns.append([*counts, alarms])
  titles = [*changes, "*others taken for a copy*"]
  for title, *cells in zip(titles, *columns, strict=True):
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


def _each(changes: dict[str, Callable]) -> dict[str, Callable]:
  """The changes, of a list of examples."""

  def of_all(change: Callable) -> Callable:
    return lambda examples: [change(each) for each in examples]

  return {name: of_all(change) for name, change in changes.items()}


def _image_rule(splits):
  held = {k: {"image": np.stack(list(v))[..., None]} for k, v in splits.items()}
  return images.search(held)


def _table_rule(splits):
  found = tables.search({k: {"features": v} for k, v in splits.items()})

  def unequal(a, b):
    i, j = found(a, b)
    left, right = splits[a][i], splits[b][j]
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    return i[~same.all(1)], j[~same.all(1)]

  return unequal


def _text_rule(splits):
  numbers: dict[str, int] = {}
  held = {}
  for name, each in splits.items():
    rows = [re.findall(r"\w+|[^\w\s]", text.lower())[:510] for text in each]
    width = max(map(len, rows)) + 2
    tokens = np.zeros((len(rows), width), np.int32)
    for place, row in enumerate(rows):
      codes = [numbers.setdefault(word, len(numbers) + 3) for word in row]
      tokens[place, : len(row) + 2] = [1, *codes, 2]
    held[name] = {"tokens": tokens, "segment": (tokens > 0).astype(np.int32)}
  return texts.search(held)


def _shuffled(values):
  order = np.random.default_rng(0).permutation(len(values))
  if isinstance(values, np.ndarray):
    return values[order]
  return [values[place] for place in order]


def _of_images(root: pathlib.Path) -> Iterator[tuple[str, np.ndarray]]:
  for name in ("pneumoniamnist", "breastmnist"):
    with np.load(root / "images" / f"{name}.npz") as file:
      parts = [file[f"{k}_images"] for k in ("train", "val", "test")]
      yield f"{name}, 28 px", _shuffled(np.concatenate(parts))[:2500]
  with zipfile.ZipFile(root / "images/mednist_subset.zip") as file:
    names = [n for n in file.namelist() if "CXR" in n and n.endswith("g")]
    pictures = [PIL.Image.open(io.BytesIO(file.read(n))) for n in names]
    grey = [np.asarray(picture.convert("L")) for picture in pictures]
    yield "MedNIST radiographs, 64 px", _shuffled(np.stack(grey))


def _abstracts(root: pathlib.Path) -> list[str]:
  with zipfile.ZipFile(root / "text/medical_abstracts_test.zip") as file:
    lines = io.TextIOWrapper(file.open("medical_tc_test.csv"), "utf8")
    rows = list(csv.DictReader(lines))
  # Some abstracts are in the set under several labels; here each is once.
  return _shuffled(list(dict.fromkeys(r["medical_abstract"] for r in rows)))


def _of_tables(root: pathlib.Path) -> Iterator[tuple[str, np.ndarray]]:
  from sklearn.datasets import load_breast_cancer

  yield (
    "breast cancer, 30 numbers",
    _shuffled(load_breast_cancer().data.astype(np.float32)),
  )
  with zipfile.ZipFile(root / "tabular/treatment_effect_rct.zip") as file:
    (name,) = [n for n in file.namelist() if n.endswith("ihdp_npci_1.csv")]
    values = np.loadtxt(file.open(name), delimiter=",", dtype=np.float32)
    yield "infants (IHDP), 25 of few levels", _shuffled(values[:, 5:])


def _speed(root: pathlib.Path) -> None:
  """Seconds for N training and N/10 test images as alike as radiographs are."""
  held = dict(_of_images(root))["pneumoniamnist, 28 px"].astype(np.float32)
  generator = np.random.default_rng(0)

  def made(count: int) -> np.ndarray:
    """Mixtures of two radiographs, the second mirrored or not."""
    mixed = np.zeros((count, *held.shape[1:], 1), np.uint8)
    for row in mixed:
      first, second = held[generator.integers(0, len(held), 2)]
      share, turn = generator.uniform(0.3, 0.7), generator.choice([1, -1])
      row[..., 0] = share * first + (1 - share) * second[:, ::turn]
    return mixed

  print("\n| training images | test images | seconds | CPU seconds |")
  print("|---:|---:|---:|---:|")
  for count in (10_000, 30_000, 100_000):
    splits = {"a": {"image": made(count)}, "b": {"image": made(count // 10)}}
    wall, cpu = time.perf_counter(), time.process_time()
    images.search(splits)("a", "b")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
      f"| {count:,} | {count // 10:,} | {wall:.0f} | {cpu:.0f} |", flush=True
    )


if __name__ == "__main__":
  main()
