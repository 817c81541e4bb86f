"""The nouns every part of MedFM shares. Imports no jax."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

Example = dict[str, np.ndarray]
"""One sample on the host."""

Batch = Mapping[str, Any]
"""Arrays with leading axis B; always `weight` [B] (0 = padding), `id` [B]."""

Variables = Mapping[str, Any]
"""Linen collections: `params`, and perhaps `batch_stats`."""

Task = Literal["multiclass", "multilabel", "regression", "tokens", "none"]


class UserError(Exception):
  """A mistake the user can mend: shown as one line, without a traceback."""

  exit_code = 2


class Source(Protocol):
  """Random access to examples: what `tfds.data_source` returns."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> Example: ...


class Objective(NamedTuple):
  """What is learnt, as three pure functions.

  init(key, batch) -> variables.
  loss(variables, batch, key) -> (terms, updates): every term is [B], and
    terms["loss"] is minimised; updates are new non-trained collections.
  predict(variables, batch) -> dict of [B, ...] arrays, deterministic.
  task: the module of `medfm.tasks` that scores what `predict` says.
  coupled: whether an example's loss depends on the others of its batch.
  net: the linen module that is trained.
  inner: the objective that this one wraps, where it wraps one.
  """

  init: Callable[[Any, Batch], Variables]
  loss: Callable[[Variables, Batch, Any], tuple[dict[str, Any], Variables]]
  predict: Callable[[Variables, Batch], dict[str, Any]]
  task: Any = None
  coupled: bool = False
  net: Any = None
  inner: "Objective | None" = None


@dataclasses.dataclass(frozen=True)
class Split:
  """The examples of one split, held by column; a `Source`.

  arrays: what models and losses see, name -> [N, ...], often memory-mapped.
  ids: [N] str, the name of each example in every report.
  patients: [N] str, or None where the source names no patients.
  groups: name -> [N] str for subgroup tables; "" where unknown.
  """

  arrays: dict[str, np.ndarray]
  ids: np.ndarray
  patients: np.ndarray | None = None
  groups: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> Example:
    return {name: array[index] for name, array in self.arrays.items()}

  def take(self, indices: np.ndarray) -> "Split":
    """The split of these rows, in this order."""
    return Split(
      arrays={name: array[indices] for name, array in self.arrays.items()},
      ids=self.ids[indices],
      patients=None if self.patients is None else self.patients[indices],
      groups={name: array[indices] for name, array in self.groups.items()},
    )


@dataclasses.dataclass(frozen=True)
class Info:
  """What a model, an objective and a report must know of a dataset.

  Everything here is JSON-able and, where it is fitted, fitted on the
  training split alone; it is saved with a run so that `predict` treats a new
  file exactly as training treated the old ones.

  classes: class names (multiclass), label names (multilabel), target names
    (regression) or the IOB2 tags (tokens), in the order of the label's values
    or columns.
  counts: training examples per class, positive per label or words per tag;
    () otherwise.
  numeric: names of `features` [B,F], in order.
  numeric_mean, numeric_std: [F], of the training split's observed values.
  categorical: column name -> levels, in the order of `categories` [B,M];
    level i is stored as the integer i, anything else as -1 (missing).
  target_mean, target_std: [T] for regression; () otherwise.
  units: of the regression targets, one each; () otherwise.
  vocabulary: the number of token ids of `tokens` [B,L]; 0 where there are none.
  special: role (pad, cls, sep, mask, unk, bos, eos) -> token id; a role that
    the tokenizer does not have is absent.
  tokenizer: the hash of the tokenizer's file, "" where there is none.
  prompts: what stands around a text whose label a causal model is asked for,
    as lists of token ids: `shots` (what precedes it, one for each prompt),
    `answers` (one for each class) and `content_free` (texts that say
    nothing); and `names` of the prompts. {} where nothing is asked.
  """

  name: str
  task: Task
  classes: tuple[str, ...] = ()
  counts: tuple[int, ...] = ()
  numeric: tuple[str, ...] = ()
  numeric_mean: tuple[float, ...] = ()
  numeric_std: tuple[float, ...] = ()
  categorical: dict[str, tuple[str, ...]] = dataclasses.field(
    default_factory=dict
  )
  target_mean: tuple[float, ...] = ()
  target_std: tuple[float, ...] = ()
  units: tuple[str, ...] = ()
  vocabulary: int = 0
  special: dict[str, int] = dataclasses.field(default_factory=dict)
  tokenizer: str = ""
  prompts: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Folders:
  """Where data lives on this machine.

  raw: the user's folder of original files, or None.
  cache: prepared records, decoded arrays, downloads and compiled programs.
  """

  raw: str | None
  cache: str


@dataclasses.dataclass(frozen=True)
class Dataset:
  """Splits by name ("train", "validation", "test"), with their papers.

  card: the data card, JSON-able: `source`, `licence`, `citation`, `notes`,
    `changes` (what was dropped, repaired or relabelled, and how many),
    `split` (how it was made) and `fingerprint` (sha256 of the prepared data).
  encode: path -> a label-free `Split` of a user's new file or folder, treated
    as the training split was. A partial of a function of (path, info) with
    this dataset's `info` and JSON-able settings, which are saved with a run.
    None where there is no such format.
  private: the user's own data, of which a run shows no example unless asked.
  """

  splits: dict[str, Split]
  info: Info
  card: dict[str, Any]
  encode: Callable[[str], Split] | None = None
  private: bool = False
