"""Any image classification set of TensorFlow Datasets, by its name."""

import contextlib
import io
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from medfm.data import decoded, disk, files, splits
from medfm.data.images import input as image_input
from medfm.data.images import trained
from medfm.tasks import multiclass
from medfm.types import Dataset, Folders, Info, Split, UserError


def named(
  folders: Folders,
  *,
  name: str,
  image: str | None = None,
  label: str | None = None,
  split_seed: int = 0,
) -> Dataset:
  """A prepared TFDS set as images with one class each.

  name: as TFDS spells it, with config and version where wanted:
    "malaria", "colorectal_histology", "patch_camelyon:2.0.0".
  image, label: the features to take; None takes those the set declares.

  Reads array_record files in `<raw>/tfds` or `<cache>/tfds` (whatever wrote
  them), else asks TFDS to make them there. If there is no official validation
  or test split, it is taken from the training examples at random, since TFDS
  names no patients.

  Raises: UserError if the data are missing or TFDS needs TensorFlow for them,
    or if an image has another size than the first.
  """
  cache = pathlib.Path(folders.cache).expanduser()
  try:
    builder = _builder(folders, name)
    image, label = _features(builder, image, label)
    fingerprint = disk.digest(builder.data_dir)
    # Which features were taken is part of what was decoded.
    place = cache / "decoded" / f"{fingerprint}-{image}-{label}"
    parts, _ = decoded.cached(
      place, lambda: (_sources(builder, image, label), [])
    )
  except (ImportError, NotImplementedError) as error:
    raise UserError(
      f"tfds {name}: TFDS needs TensorFlow for it: where that is installed, "
      "prepare it with file_format='array_record' and copy the folder to "
      "<raw>/tfds"
    ) from error
  except ValueError as error:
    raise UserError(f"tfds {name}: {error}") from error
  changes, how = [], "official"
  if folders.reading:
    parts, changes = trained.refitted(parts, folders.reading, name, "pad")
  else:
    parts, how = _completed(parts, split_seed)
  train = parts["train"]
  classes = tuple(builder.info.features[label].names)
  return Dataset(
    splits=parts,
    info=Info(
      name=name,
      inputs={"image": image_input.of(train)},
      target=multiclass.fitted(classes, train.arrays),
    ),
    card={
      "source": f"TensorFlow Datasets: {builder.info.full_name}",
      "licence": builder.info.redistribution_info.license or "not stated",
      "citation": builder.info.citation,
      "notes": "no patients are named: near copies of one may be in two splits",
      "changes": changes,
      "split": how,
      "fingerprint": fingerprint,
    },
  )


def _builder(folders: Folders, name: str):
  """A builder whose records can be read without TensorFlow.

  Raises: UserError, and ImportError or NotImplementedError if they cannot.
  """
  import tensorflow_datasets as tfds  # Slow to import, and needed here alone.

  homes = [folders.raw, folders.cache] if folders.raw else [folders.cache]
  places = [pathlib.Path(home).expanduser() / "tfds" for home in homes]
  try:
    for place in places:
      with contextlib.suppress(tfds.core.DatasetNotFoundError):
        builder = tfds.builder(name, data_dir=place)
        if pathlib.Path(builder.data_dir).is_dir():
          if builder.info.file_format.value != "array_record":
            raise NotImplementedError
          return builder
    builder = tfds.builder(
      name, data_dir=places[-1], file_format="array_record"
    )
  except tfds.core.DatasetNotFoundError:
    raise UserError(
      f"tfds {name}: TensorFlow Datasets has no such set: see "
      "https://www.tensorflow.org/datasets/catalog"
    ) from None
  missing = f"tfds {name}: its records are missing"
  if os.environ.get(files.OFFLINE, "0") not in ("", "0"):
    raise UserError(
      f"{missing}: put them into {places[0]} (downloads are off: "
      f"{files.OFFLINE})"
    )
  tfds.disable_progress_bar()
  try:
    with (
      disk.locked(pathlib.Path(builder.data_dir)),
      contextlib.redirect_stdout(io.StringIO()),
    ):
      builder.download_and_prepare()
  except (ImportError, NotImplementedError):
    raise
  except Exception as error:  # Servers, checksums, manual downloads.
    reason = " ".join(str(error).split())[:200]
    raise UserError(
      f"{missing} and cannot be made ({reason}): put them into {places[0]}"
    ) from error
  return builder


def _features(builder, image: str | None, label: str | None) -> list[str]:
  """The names of the image and label features."""
  import tensorflow_datasets as tfds

  features = builder.info.features
  chosen = []
  for wanted, kind, role in (
    (image, tfds.features.Image, "image"),
    (label, tfds.features.ClassLabel, "label"),
  ):
    names = [name for name, found in features.items() if type(found) is kind]
    declared = [n for n in builder.info.supervised_keys or () if n in names]
    if wanted is None:
      names = declared[-1:] or names
    else:
      names = [name for name in names if name == wanted]
    if len(names) != 1:
      raise UserError(
        f"tfds {builder.name}: {role}={wanted!r} names no single "
        f"{kind.__name__} feature; the set has {', '.join(sorted(features))}"
      )
    chosen += names
  return chosen


class _Pairs:
  """Image and label of each record, named by its split and row."""

  def __init__(self, source, split: str, image: str, label: str):
    self._source, self._split = source, split
    self._features = {"image": image, "label": label}

  def __len__(self) -> int:
    return len(self._source)

  def __iter__(self) -> Iterator[dict[str, Any]]:
    for row, example in enumerate(decoded.examples(self._source)):
      arrays = {name: example[key] for name, key in self._features.items()}
      yield {"id": f"{self._split}-{row}", **arrays}


def _sources(builder, image: str, label: str) -> dict[str, _Pairs]:
  sources = {
    splits.WORDS[name]: _Pairs(
      builder.as_data_source(split=name), name, image, label
    )
    for name in builder.info.splits
    if name in splits.WORDS
  }
  if "train" not in sources:
    raise UserError(
      f"tfds {builder.name}: expected a split 'train', found "
      f"{', '.join(builder.info.splits)}"
    )
  return sources


def _completed(
  parts: dict[str, Split], seed: int
) -> tuple[dict[str, Split], str]:
  """All three splits, and how they were made."""
  shares = {"validation": 0.1, "test": 0.2}
  missing = [name for name in shares if name not in parts]
  if not missing:
    return parts, "official"
  taken = [shares[name] if name in missing else 0.0 for name in shares]
  train = parts["train"]
  rows = splits.by_patient(
    train.ids,
    None,
    train.arrays["label"],
    fractions=(1 - sum(taken), *taken),
    seed=seed,
  )
  whole = parts | {name: train.take(taken) for name, taken in rows.items()}
  how = f"{' and '.join(missing)} taken from train at random, seed {seed}"
  return {name: whole[name] for name in splits.NAMES}, how
