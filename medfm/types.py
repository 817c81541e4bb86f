"""The nouns every part of MedFM shares. Imports no jax."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

Example = dict[str, np.ndarray]
"""One sample on the host."""

Batch = Mapping[str, Any]
"""Arrays with leading axis B; always `weight` [B] (0 = padding), `id` [B]."""

Variables = Mapping[str, Any]
"""Linen collections: `params`, and perhaps `batch_stats`."""


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
  task: the module of `medfm.tasks` that scores the predictions.
  coupled: whether an example's loss depends on the others of its batch.
  net: the linen module that is trained.
  inner: the objective that this one wraps; None where it wraps none.
  to_inner: parameters of this one -> those of `inner`.
  """

  init: Callable[[Any, Batch], Variables]
  loss: Callable[[Variables, Batch, Any], tuple[dict[str, Any], Variables]]
  predict: Callable[[Variables, Batch], dict[str, Any]]
  task: "Task | None" = None
  coupled: bool = False
  net: Any = None
  inner: "Objective | None" = None
  to_inner: Callable[[Any], Any] | None = None

  def innermost(self, params: Any) -> tuple["Objective", Any]:
    """The objective that others are wrapped around, and its parameters."""
    if self.inner is None or self.to_inner is None:
      return self, params
    return self.inner.innermost(self.to_inner(params))


@dataclasses.dataclass(frozen=True)
class Lengths:
  """How far each example fills the columns that are padded to one length.

  sizes: [N] int, how many places of an example count, from the first on.
  columns: the names of the arrays [N,L,...] whose second axis is that place.
  """

  sizes: np.ndarray
  columns: tuple[str, ...]

  def take(self, indices: np.ndarray) -> "Lengths":
    """The lengths of these rows, in this order."""
    return Lengths(self.sizes[indices], self.columns)


@dataclasses.dataclass(frozen=True)
class Ragged:
  """A column whose examples differ in length, or in every extent.

  values: all examples end to end [total,...], often memory-mapped.
  ends: [N] int, where each example ends in `values`.
  shapes: [N,R] int, the extents of each example, where `values` are flat
    [total]; None where examples differ along their first axis alone.
  starts: [N] int, where each begins; None where the one before it ends.
  """

  values: np.ndarray
  ends: np.ndarray
  shapes: np.ndarray | None = None
  starts: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.ends)

  def __getitem__(self, index: Any) -> Any:
    """The array of one row; of several rows, or a slice, a `Ragged`."""
    if not isinstance(index, int | np.integer):
      return self.take(index)
    begin = self._starts()[index]
    values = self.values[begin : self.ends[index]]
    return values if self.shapes is None else values.reshape(self.shapes[index])

  @property
  def extents(self) -> np.ndarray:
    """[N,R] int, how large each example is along the axes that differ."""
    if self.shapes is not None:
      return self.shapes
    return (self.ends - self._starts())[:, None]

  def take(self, indices: Any) -> "Ragged":
    """These rows, in this order; their values stay where they are."""
    shapes = None if self.shapes is None else self.shapes[indices]
    starts = self._starts()[indices]
    return Ragged(self.values, self.ends[indices], shapes, starts)

  def _starts(self) -> np.ndarray:
    if self.starts is not None:
      return self.starts
    return np.concatenate([np.zeros(1, self.ends.dtype), self.ends[:-1]])


@dataclasses.dataclass(frozen=True)
class Split:
  """The examples of one split, held by column; a `Source`.

  arrays: what models and losses see, name -> [N, ...], often memory-mapped;
    a `Ragged` where examples differ in shape.
  ids: [N] str, the name of each example in every report.
  patients: [N] str, or None where the source names no patients.
  groups: name -> [N] str for subgroup tables; "" where unknown.
  lengths: of the examples, where some arrays are padded; else None.
  """

  arrays: dict[str, Any]
  ids: np.ndarray
  patients: np.ndarray | None = None
  groups: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  lengths: Lengths | None = None

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
      lengths=None if self.lengths is None else self.lengths.take(indices),
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
  def suits(self) -> tuple[str, ...]:
    """Classical models that suit it by default: `linear`, `trees`, `words`."""
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

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: Any
  ) -> dict[str, np.ndarray]:
    """Arrays of this input in the codes of the one a model was trained on.

    Raises:
      ValueError: it is not of one kind with `trained`; says in what.
    """
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


class Task(Protocol):
  """What depends on what is predicted: a module of `medfm.tasks`.

  `target` is the truth, array name -> [N, ...], and `predicted` what a model
  predicts, name -> [N, ...]; both are numpy arrays on the host.

  TARGETS: names of a split's arrays that are the truth; () where there is
    none.
  STRATIFY: the one of them that shares of the data keep in proportion.
  OBJECTIVE: what learns it, in `medfm.objectives`, for messages.
  PROBLEM_TYPE: its `problem_type` in Hugging Face's config.json, or "".
  RIVALS: name -> fit(train, others, info, seed) -> split -> predicted, the
    classical models of this task.
  LINEAR: the one of them that is fitted to a frozen embedding; "" for none.
  """

  __name__: str
  TARGETS: tuple[str, ...]
  STRATIFY: str
  OBJECTIVE: str
  PROBLEM_TYPE: str
  RIVALS: Mapping[str, Callable[..., dict[str, dict[str, np.ndarray]]]]
  LINEAR: str

  def condense(
    self, info: "Info", batch: Batch, outputs: Mapping[str, np.ndarray]
  ) -> dict[str, np.ndarray]:
    """The part of a batch's outputs [B, ...] that the task needs."""
    ...

  def assembled(
    self, info: "Info", split: "Split", predicted: Mapping[str, np.ndarray]
  ) -> "tuple[Split, dict[str, np.ndarray]]":
    """Both with one row per text or recording, joined from its windows."""
    ...

  def known(
    self,
    info: "Info",
    target: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
  ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(rows [N] bool whose truth is known, their target, their predicted).

    Raises: ValueError where shapes or labels do not fit `info`.
    """
    ...

  def panel(
    self,
    info: "Info",
    target: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    *,
    decisions: Mapping[str, float],
    specificity: float,
  ) -> Any:
    """The metrics (`tasks.panel.Panel`) of known rows."""
    ...

  def details(
    self,
    info: "Info",
    target: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    decisions: Mapping[str, float],
  ) -> dict[str, Any]:
    """JSON-able extras of known rows, such as a confusion table.

    decisions: of `decide`.
    """
    ...

  def decide(
    self,
    info: "Info",
    target: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    *,
    specificity: float,
  ) -> dict[str, float]:
    """What is fixed on the validation split: thresholds, by name."""
    ...

  def columns(
    self,
    info: "Info",
    target: Mapping[str, np.ndarray] | None,
    predicted: Mapping[str, np.ndarray],
  ) -> dict[str, list[str]]:
    """Columns of predictions.csv; {} where no row is written."""
    ...

  def table(
    self, info: "Info", rows: Sequence[Mapping[str, str]]
  ) -> tuple[dict[str, np.ndarray] | None, dict[str, np.ndarray]]:
    """(target, predicted), read back from rows that `columns` wrote."""
    ...

  def strata(
    self, info: "Info", arrays: Mapping[str, np.ndarray]
  ) -> np.ndarray | None:
    """[N] int codes by which examples may be balanced; None without any."""
    ...

  def recoded(
    self, arrays: Mapping[str, np.ndarray], info: "Info", trained: "Info"
  ) -> dict[str, np.ndarray]:
    """Another cohort's target arrays in the codes of training."""
    ...

  def rivals(self, info: "Info") -> tuple[str, ...]:
    """Names of `RIVALS` that stand beside a model by default."""
    ...

  def headline(self, metrics: Iterable[str], select: str) -> list[str]:
    """The metrics that answer the task's question, of those there are.

    select: the metric that the best step was chosen by, or "".
    """
    ...

  def answers(
    self,
    info: "Info",
    target: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
  ) -> Any:
    """Right and wrong answers (`tasks.answers.Answers`) of all rows; None
    where there are none to show."""
    ...

  def votes(self, info: "Info", target: Mapping[str, np.ndarray]) -> Any:
    """What each example votes for (`tasks.answers.Votes`); None for nothing."""
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


PRESENT = "present"
"""[B] bool, of each of several inputs: whether an example has it."""


def key(info: Info, name: str, array: str) -> str:
  """What an input's array is called in a batch or split."""
  return array if len(info.inputs) == 1 else f"{name}/{array}"


def view(batch: Mapping[str, Any], info: Info, name: str) -> dict[str, Any]:
  """One input's arrays under their own names, with those of the example.

  The arrays of the other inputs are left out; `present` [B] stays, where
  there are several inputs.
  """
  if len(info.inputs) == 1:
    return dict(batch)
  return viewed(batch, tuple(info.inputs), name)


def viewed(
  batch: Mapping[str, Any], names: Sequence[str], name: str
) -> dict[str, Any]:
  """As `view`, for a batch that has several inputs, of these names."""
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
  """Splits by name ("train", "validation", "test"), and what is known of them.

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
