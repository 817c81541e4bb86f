"""Texts as datasets: recorded as they are, split by document, then tokenised.

The records hold the texts; what depends on the training split or on the
tokenizer is made when the dataset is loaded, so that another seed, length or
tokenizer needs no new records.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import files, records, splits
from medfm.data.text import packing, sequences, text_tables
from medfm.data.text.input import Tokens
from medfm.data.text.sequences import TooLong
from medfm.data.text.tokenizers import Tokenizer
from medfm.tasks import multiclass, multilabel, regression, tags
from medfm.tasks.pretext import Nothing
from medfm.types import Dataset, Folders, Info, Split, Target, Task, UserError

STRINGS = ("text", "pair", "words", "tags")
SEPARATOR = "\t"
"""Between the words, and the tags, of a sentence as it is recorded."""


@dataclasses.dataclass(frozen=True)
class Rows:
  """Examples ready to be recorded, N of each.

  strings: `text` and perhaps `pair`; or `words` and `tags`, tab-separated.
  label: int32 [N] (multiclass), float32 [N,K] (multilabel), or None.
  documents: what keeps examples in one split, "" for itself; None: each.
  part: [N] the split of each, or None where none is given.
  """

  strings: dict[str, Sequence[str]]
  ids: Sequence[str]
  label: np.ndarray | None = None
  classes: tuple[str, ...] = ()
  documents: Sequence[str] | None = None
  groups: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
  part: np.ndarray | None = None
  changes: tuple[dict[str, Any], ...] = ()


class Builder(records.Builder, skip_registration=True):
  """Writes `Rows` in their order; subclasses give `rows`."""

  def rows(self) -> Rows:
    raise NotImplementedError

  @functools.cached_property
  def _rows(self) -> Rows:
    return self.rows()

  @property
  def changes(self) -> list[dict[str, Any]]:
    # The classes depend on the data and must come back with the records.
    return [*self._rows.changes, {"classes": self._rows.classes}]

  def _info(self) -> tfds.core.DatasetInfo:
    rows, features = self._rows, tfds.features
    kinds = {"id": features.Text()}
    kinds |= {name: features.Text() for name in rows.strings}
    kinds |= {f"group_{name}": features.Text() for name in rows.groups}
    if rows.documents is not None:
      kinds["patient"] = features.Text()
    if rows.label is not None and rows.label.ndim == 1:
      kinds["label"] = features.Scalar(np.int32)
    elif rows.label is not None:
      shape = rows.label.shape[1:]
      kinds["label"] = features.Tensor(shape=shape, dtype=np.float32)
    return tfds.core.DatasetInfo(
      builder=self,
      features=features.FeaturesDict(kinds),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    part = self._rows.part
    if part is None:
      return {splits.WHOLE: self._generate_examples(range(len(self._rows.ids)))}
    return {
      name: self._generate_examples(np.flatnonzero(part == name).tolist())
      for name in splits.NAMES
      if (part == name).any()
    }

  def _generate_examples(self, indices):
    rows = self._rows
    columns = {"id": rows.ids, **rows.strings}
    columns |= {f"group_{name}": group for name, group in rows.groups.items()}
    if rows.documents is not None:
      columns["patient"] = rows.documents
    for index in indices:
      example = {name: str(column[index]) for name, column in columns.items()}
      if rows.label is not None:
        example["label"] = rows.label[index]
      yield index, example


@dataclasses.dataclass(frozen=True)
class Raw:
  """A recorded set of texts, in its three splits.

  splits: their arrays hold `text` and perhaps `pair` [N] str, or `words` and
    `tags`, and perhaps `label`.
  how: the splits came about, for the card.
  """

  splits: dict[str, Split]
  classes: tuple[str, ...]
  changes: list[dict[str, Any]]
  how: str
  fingerprint: str


def raw(
  builder: type[Builder],
  folders: Folders,
  *,
  files: records.Raw,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  **settings: Any,
) -> Raw:
  """The texts of a builder; splits that it does not give are made."""
  prepared = records.prepared(builder, folders, raw=files, **settings)
  (classes,) = (e["classes"] for e in prepared.changes if "classes" in e)
  parts, how = splits.completed(prepared.splits, seed, tuple(fractions))
  return Raw(
    splits=parts,
    classes=tuple(classes),
    changes=[entry for entry in prepared.changes if "classes" not in entry],
    how=how.replace("patient", "document").replace("row", "text"),
    fingerprint=prepared.fingerprint,
  )


def dataset(
  own: Raw,
  folders: Folders,
  *,
  name: str,
  task: Task,
  card: Mapping[str, Any],
  tokenizer: Callable,
  length: int,
  too_long: TooLong = "windows",
  around_markers: bool = False,
  encode: Callable[..., Split] | None = None,
  private: bool = False,
  **columns: Any,
) -> Dataset:
  """The dataset of recorded texts, as tokens.

  tokenizer: a `tokenizers.Factory`.
  encode: reads a user's new file: `encode(path, info, tokenizer=, length=,
    too_long=, **columns)`; None takes `encoded`, for text.
  """
  token = tokenizer(plain(own.splits["train"]), folders)
  if around_markers:
    columns["around_markers"] = True
  settings = {"length": length, "too_long": too_long}
  parts, changes = {}, list(own.changes)
  for part, split in own.splits.items():
    parts[part], new = _tokenised(
      split, token, own.classes, around_markers, **settings
    )
    changes += [{**e, "what": f"{part}: {e['what']}"} for e in new]
  same_arrays(parts)
  info = Info(
    name=name,
    inputs={"text": Tokens(token.vocabulary, token.special, token.sha256)},
    target=_target(parts["train"], task, own.classes),
  )
  content = json.dumps([own.fingerprint, token.sha256, settings])
  return Dataset(
    splits=parts,
    info=info,
    card={
      **card,
      "changes": changes,
      "grouped_by": "document",
      "split": own.how,
      "tokenizer": token.card(),
      "text": measures(parts, token),
      "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
    },
    encode=functools.partial(
      encode or encoded,
      info=info,
      tokenizer=token.text,
      **settings,
      **columns,
    ),
    private=private,
  )


def plain(split: Split) -> Iterator[str]:
  """The texts of a recorded split, each once, as pre-training reads them."""
  seen = set()
  for name in ("text", "pair", "words"):
    for text in split.arrays.get(name, ()):
      if name == "words":
        text = text.replace(SEPARATOR, " ")
      if text not in seen:
        seen.add(text)
        yield text


def measures(
  parts: Mapping[str, Split], tokenizer: Tokenizer
) -> dict[str, Any]:
  """Tokens, unknown ones and padding of each split, for the card."""
  found = {}
  for name, split in parts.items():
    segment = np.asarray(split.arrays["segment"])
    tokens = split.arrays["tokens"][segment > 0]
    unknown = tokens == tokenizer.special.get("unk", -1)
    found[name] = {
      "rows": len(split),
      "tokens": len(tokens),
      "unknown": round(float(unknown.mean()), 5),
      "padding": packing.padding(segment),
    }
  return found


def encoded(
  path: str,
  info: Info,
  *,
  tokenizer: str,
  length: int,
  too_long: TooLong = "windows",
  text: str = "text",
  pair: str = "",
  id: str = "",
  around_markers: bool = False,
) -> Split:
  """New texts without labels: a .txt (one a line), CSV or JSON lines file.

  text, pair, id: columns of the file; of a .txt there is the text alone.
  """
  table = text_tables.read(path, text)
  strings = {"text": np.array(table[text], object)}
  if pair:
    strings["pair"] = np.array(table[pair], object)
  names = np.array(table[id] if id and id in table.columns else ids(table))
  for index, cell in enumerate(strings["text"]):
    if not cell:
      raise table.error(index, text, "the text is empty")
  return tokenised(
    Split(strings, names),
    info,
    tokenizer=tokenizer,
    length=length,
    too_long=too_long,
    around_markers=around_markers,
  )


def tokenised(
  split: Split,
  info: Info,
  *,
  tokenizer: str,
  length: int,
  too_long: TooLong,
  around_markers: bool = False,
) -> Split:
  """New texts (`text`, `pair` or `words`) as a run's tokenizer reads them."""
  own, _ = _tokenised(
    split,
    Tokenizer(tokenizer),
    info.target.names,
    around_markers,
    length=length,
    too_long=too_long,
  )
  return own


def of_rows(split: Split, rows: sequences.Rows) -> Split:
  """The split whose rows are those that its texts became."""
  arrays = dict(rows.arrays)
  if "label" in split.arrays:
    arrays["label"] = np.asarray(split.arrays["label"])[rows.source]
  if len(rows.source) > len(split):
    arrays["document"] = rows.source.astype(np.int32)
  own = split.take(rows.source)
  names = sequences.numbered(split.ids, rows.source)
  # Windows of a text resample together, whoever wrote it.
  patients = own.patients
  if patients is None and "document" in arrays:
    patients = np.array(own.ids, str)
  return dataclasses.replace(own, arrays=arrays, ids=names, patients=patients)


def content(*strings: str) -> str:
  """A name for what texts say, whatever their case, spaces and punctuation."""
  letters = [
    "".join(filter(str.isalnum, text.casefold())) or text for text in strings
  ]
  return hashlib.sha256("\n".join(letters).encode()).hexdigest()[:24]


def ids(table) -> list[str]:
  """`file:row` of each row of a table."""
  places = zip(table.files, table.rows, strict=True)
  return [f"{pathlib.Path(table.paths[f]).name}:{row}" for f, row in places]


def unpacked(
  folders: Folders, *names: str, url: str, what: str, download: bool = False
) -> tuple[pathlib.Path, dict[str, Any]]:
  """The folder of a set's archive (or the user's own), and its origin."""
  path = files.find(folders, *names, url=url, what=what, download=download)
  origin = files.origin(path, url=url)
  if path.is_file() and path.suffix == ".zip":
    cache = pathlib.Path(folders.cache).expanduser()
    path = files.unpacked(path, cache / "unpacked" / path.stem)
  return path, origin


def inner(folder: pathlib.Path, name: str, what: str) -> pathlib.Path:
  """The file or folder of this name anywhere within an unpacked archive."""
  found = sorted(p for p in folder.rglob(pathlib.PurePath(name).name))
  found = [p for p in found if p.as_posix().endswith(f"/{name}")]
  if not found:
    raise UserError(f"{what}: {folder} holds no {name}")
  return found[0]


def _tokenised(
  split: Split,
  tokenizer: Tokenizer,
  classes: tuple[str, ...],
  around_markers: bool,
  *,
  length: int,
  too_long: TooLong,
) -> tuple[Split, list[dict[str, Any]]]:
  settings = {"length": length, "too_long": too_long}
  columns = split.arrays
  if "words" in columns:
    sentences = [line.split(SEPARATOR) for line in columns["words"]]
    rows = sequences.words(
      tokenizer,
      sentences,
      _tag_numbers(columns.get("tags"), classes, split.ids),
      split.ids,
      **settings,
    )
  else:
    rows = sequences.texts(
      tokenizer,
      columns["text"],
      columns.get("pair"),
      split.ids,
      around_markers=around_markers,
      **settings,
    )
  return of_rows(split, rows), rows.changes


def _tag_numbers(tags, classes: tuple[str, ...], names) -> list | None:
  if tags is None:
    return None
  number = {name: i for i, name in enumerate(classes)}
  found = []
  for line, name in zip(tags, names, strict=True):
    own = line.split(SEPARATOR)
    for tag in own:
      if tag not in number:
        raise UserError(
          f"{name}: the tag {tag[:30]!r} does not occur in training"
        )
    found.append([number[tag] for tag in own])
  return found


def same_arrays(parts: dict[str, Split]) -> None:
  """Gives every split `document` where one of them has it."""
  if not any("document" in split.arrays for split in parts.values()):
    return
  for name, split in parts.items():
    if "document" not in split.arrays:
      document = np.arange(len(split), dtype=np.int32)
      arrays = {**split.arrays, "document": document}
      parts[name] = dataclasses.replace(split, arrays=arrays)


def _target(split: Split, task: Task, classes: tuple[str, ...]) -> Target:
  """Of the training split: texts per class or label, words per tag."""
  if "label" not in split.arrays:
    return Nothing()
  label = np.asarray(split.arrays["label"])
  if task == "tokens":
    return tags.fitted(classes, label)
  if "document" in split.arrays:
    label = label[np.unique(split.arrays["document"], return_index=True)[1]]
  if task == "multiclass":
    target = multiclass.fitted(classes, label)
    multiclass.require_every(target)
    return target
  return {"multilabel": multilabel, "regression": regression}[task].fitted(
    classes, label
  )
