"""The nouns every part of MedFM shares. Imports no jax."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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


Arrays = Mapping[str, np.ndarray]
"""Columns [N, ...] by name."""


class Near(NamedTuple):
  """How near duplicates among the splits of a dataset are found.

  rule: in words, for reports.
  search: an input's arrays by split -> (a, b) -> rows (i of a, j of b) that
    are near; where they are equal they may be among them.
  """

  rule: str
  search: Callable[
    [Mapping[str, Arrays]],
    Callable[[str, str], tuple[np.ndarray, np.ndarray]],
  ]


class Design(NamedTuple):
  """What a classical model sees of a split: one table of numbers.

  names: of the D columns. of: split -> [N,D] float64.
  levels: which of the columns are codes of levels and no quantities.
  """

  names: tuple[str, ...]
  of: Callable[[Split], np.ndarray]
  levels: tuple[int, ...] = ()


class Input(Protocol):
  """What a model must know of one kind of input; JSON-able, frozen."""

  @property
  def arrays(self) -> tuple[str, ...]:
    """Names of the arrays that it may have in a split."""
    ...

  @property
  def near(self) -> Near | None:
    """How near duplicates are found; None where there is no rule."""
    ...

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Keyword arguments that a model of this input is called with.

    chosen: those that its config has set already.
    """
    ...

  def scale(self, batch: Batch) -> Batch:
    """The batch as models see it, on the device; operators alone."""
    ...

  def blank(
    self, count: int, like: Mapping[str, np.ndarray] = {}
  ) -> dict[str, np.ndarray]:
    """Arrays of `count` examples that do not have this input.

    like: the arrays of examples that have it, for their names and shapes.
    """
    ...

  def design(self, train: Split, seed: int) -> Design | None:
    """Columns for linear models, fitted on the training split: no NaN."""
    ...

  def native(self, train: Split, seed: int) -> Design | None:
    """Columns for trees, which take NaN for missing and levels as they are."""
    ...

  def describe(self) -> str:
    """What it is, in a few words for reports and errors."""
    ...


class Target(Protocol):
  """What is predicted, as its task describes it; JSON-able, frozen."""

  @property
  def names(self) -> tuple[str, ...]:
    """Of classes, labels, numbers or tags; () where nothing is predicted."""
    ...


@dataclasses.dataclass(frozen=True)
class Info:
  """What a model, a task and a report must know of a dataset.

  Everything here is JSON-able and, where it is fitted, fitted on the
  training split alone; it is saved with a run so that `predict` treats a new
  file exactly as training treated the old ones.

  inputs: name -> description (`Table`, `Image`, `Tokens`), as its room in
    `medfm.data` defines it. The arrays of a sole input stand in a split under
    their own names, those of several under `<input>/<array>`.
  target: what is predicted, as its task in `medfm.tasks` defines it.
  """

  name: str
  inputs: Mapping[str, Input]
  target: Target

  @property
  def only(self) -> Input:
    """The sole input."""
    if len(self.inputs) != 1:
      raise UserError(
        f"{self.name} has the inputs {', '.join(self.inputs)}; this takes one"
      )
    return next(iter(self.inputs.values()))

  def describe(self) -> str:
    """The inputs in a few words: "table (30 numbers)"."""
    return ", ".join(
      f"{name} ({each.describe()})" for name, each in self.inputs.items()
    )

  # The names of before, until everything reads `inputs` and `target`.
  def _of(self, name: str, default: Any) -> Any:
    for each in self.inputs.values():
      if hasattr(each, name):
        return getattr(each, name)
    return default

  @property
  def task(self) -> str:
    return {
      "Classes": "multiclass",
      "Labels": "multilabel",
      "Numbers": "regression",
      "Tags": "tokens",
    }.get(type(self.target).__name__, "none")

  @property
  def classes(self) -> tuple[str, ...]:
    return self.target.names

  @property
  def counts(self) -> tuple[int, ...]:
    return getattr(self.target, "counts", ())

  @property
  def target_mean(self) -> tuple[float, ...]:
    return getattr(self.target, "mean", ())

  @property
  def target_std(self) -> tuple[float, ...]:
    return getattr(self.target, "std", ())

  @property
  def units(self) -> tuple[str, ...]:
    return getattr(self.target, "units", ())

  @property
  def numeric(self) -> tuple[str, ...]:
    return self._of("numeric", ())

  @property
  def numeric_mean(self) -> tuple[float, ...]:
    return self._of("mean", ())

  @property
  def numeric_std(self) -> tuple[float, ...]:
    return self._of("std", ())

  @property
  def categorical(self) -> dict[str, tuple[str, ...]]:
    return self._of("levels", {})

  @property
  def vocabulary(self) -> int:
    return self._of("vocabulary", 0)

  @property
  def special(self) -> dict[str, int]:
    return self._of("special", {})

  @property
  def tokenizer(self) -> str:
    return self._of("tokenizer", "")

  @property
  def prompts(self) -> dict[str, Any]:
    return self._of("prompts", {})


PRESENT = "present"
"""[B] bool, of each of several inputs: whether an example has it."""


def key(info: Info, name: str, array: str) -> str:
  """What an input's array is called in a batch or split."""
  return array if len(info.inputs) == 1 else f"{name}/{array}"


def view(batch: Mapping[str, Any], info: Info, name: str) -> dict[str, Any]:
  """One input's arrays under their own names, and what is of the example.

  The arrays of the other inputs are left out; `present` [B] stays, where
  there are several inputs.
  """
  if len(info.inputs) == 1:
    return dict(batch)
  return viewed(batch, tuple(info.inputs), name)


def viewed(
  batch: Mapping[str, Any], names: Sequence[str], name: str
) -> dict[str, Any]:
  """As `view`, of a batch with these several inputs."""
  others = tuple(f"{other}/" for other in names if other != name)
  return {
    array.removeprefix(f"{name}/"): values
    for array, values in batch.items()
    if not array.startswith(others)
  }


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
