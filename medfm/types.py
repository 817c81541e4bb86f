"""The types that every part of MedFM shares. Imports no jax."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

Example = dict[str, np.ndarray]
"""One sample on the host."""

Arrays = Mapping[str, np.ndarray]
"""Columns [N, ...] by name, on the host."""

Batch = Mapping[str, Any]
"""Arrays with leading axis B; always `weight` [B] (0 = padding), `id` [B]."""

Variables = Mapping[str, Any]
"""Linen collections: `params`, and perhaps `batch_stats`."""

PRESENT = "present"
"""[B] bool, for each of several inputs: whether an example has it."""


class UserError(Exception):
  """A mistake the user can correct: shown in one line, without a traceback."""

  exit_code = 2


class Lengths(NamedTuple):
  """How far each example fills the columns that are padded to one length.

  sizes: [N] int, how many places of an example are used, from the first on.
  columns: names of the arrays [N,L,...] whose second axis is the place.
  """

  sizes: np.ndarray
  columns: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Ragged:
  """A column whose examples differ in length, or in every extent.

  values: all examples end to end [total,...], often memory-mapped.
  ends: [N] int, where each example ends in `values`.
  shapes: [N,R] int, the extents of each example, if `values` are flat [total];
    None if examples differ only along their first axis.
  starts: [N] int, where each begins; None if each begins where the one before
    it ends.
  """

  values: np.ndarray
  ends: np.ndarray
  shapes: np.ndarray | None = None
  starts: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.ends)

  def __getitem__(self, index: Any) -> Any:
    """The array of one row; a `Ragged` for several rows or a slice."""
    start, end = self.begins[index], self.ends[index]
    shape = None if self.shapes is None else self.shapes[index]
    if not isinstance(index, int | np.integer):
      return Ragged(self.values, end, shape, start)
    values = self.values[start:end]
    return values if shape is None else values.reshape(shape)

  @property
  def extents(self) -> np.ndarray:
    """[N,R] int, how large each example is along the axes that differ."""
    lengths = self.ends - self.begins
    return lengths[:, None] if self.shapes is None else self.shapes

  @property
  def begins(self) -> np.ndarray:
    """[N] int, where each example begins in `values`."""
    if self.starts is not None:
      return self.starts
    return np.concatenate([np.zeros(1, self.ends.dtype), self.ends[:-1]])


_DOCUMENT = "document"


@dataclasses.dataclass(frozen=True)
class Split:
  """The examples of one split, held by column.

  arrays: what models and losses see, name -> [N, ...], often memory-mapped;
    a `Ragged` if examples differ in shape.
  ids: [N] str, the name of each example in every report.
  patients: [N] str, or None if the source names no patients.
  groups: name -> [N] str for subgroup tables; "" if unknown.
  lengths: of the examples, if some arrays are padded; else None.
  source: further content of a new file, name -> [N] objects, to show beside its
    predictions; models do not see it.
  write: (predicted, folder) -> how many files it wrote there: of new examples,
    what a table of predictions cannot hold, such as masks; None for nothing.
  """

  arrays: dict[str, Any]
  ids: np.ndarray
  patients: np.ndarray | None = None
  groups: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  lengths: Lengths | None = None
  source: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  write: Callable[[Mapping[str, Any], Any], int] | None = None

  def __len__(self) -> int:
    return len(self.ids)

  @property
  def documents(self) -> np.ndarray | None:
    """[N], the same number for all windows of a text; None without windows."""
    return self.arrays.get(_DOCUMENT)

  def __getitem__(self, index: int) -> Example:
    return {name: array[index] for name, array in self.arrays.items()}

  def take(self, rows: np.ndarray) -> "Split":
    """The split of these rows, in this order."""
    lengths = self.lengths
    return Split(
      arrays={name: array[rows] for name, array in self.arrays.items()},
      ids=self.ids[rows],
      patients=None if self.patients is None else self.patients[rows],
      groups={name: array[rows] for name, array in self.groups.items()},
      lengths=lengths and Lengths(lengths.sizes[rows], lengths.columns),
      source={name: array[rows] for name, array in self.source.items()},
    )


class Near(NamedTuple):
  """How near duplicates between the splits of a dataset are found.

  rule: in words, for reports.
  search: an input's arrays by split -> (a, b) -> rows (i of a, j of b) that
    are near; equal rows may be among them.
  """

  rule: str
  search: Callable[[Mapping[str, Arrays]], Callable[[str, str], tuple]]


class Design(NamedTuple):
  """What a classical model sees of a split: `of` gives its [N,D] float64.

  names, levels: of the D columns, and which of them are codes of levels.
  """

  names: tuple[str, ...]
  of: Callable[[Split], np.ndarray]
  levels: tuple[int, ...] = ()


class Profile(NamedTuple):
  """Examples in numbers and words that a reader knows, to compare cohorts by.

  names, values: of the numbers [N,D], not finite if missing.
  levels: name -> (its levels, codes [N] of them, below 0 if missing).
  """

  names: tuple[str, ...] = ()
  values: np.ndarray = np.zeros((0, 0))
  levels: Mapping[str, tuple[tuple[str, ...], np.ndarray]] = {}


class Input(Protocol):
  """What a model must know about one kind of input; JSON-able, frozen.

  arrays: names of the arrays that it may have in a split.
  suits: classical models that suit it by default: `linear`, `trees`, `words`.
  near: the rule that finds near duplicates, or None.
  settings: keyword arguments for its models, except those already `chosen`.
  scale: the batch as models see it, on the device; with operators alone.
  blank: arrays for examples that lack it, with the names and shapes of `like`.
  design: columns for linear models, fitted on the training split: no NaN.
  native: columns for trees, which take NaN for missing and codes of levels.
  recoded: arrays in the codes of `trained`; ValueError says what differs.
  profile: its arrays in numbers and words, to compare cohorts by; of many
    examples, a part may represent all.
  describe: a few words for reports and errors.
  """

  @property
  def arrays(self) -> tuple[str, ...]: ...
  @property
  def suits(self) -> tuple[str, ...]: ...
  @property
  def near(self) -> Near | None: ...
  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]: ...
  def scale(self, batch: Batch) -> Batch: ...
  def blank(self, count: int, like: Arrays) -> Arrays: ...
  def design(self, train: Split, seed: int) -> Design | None: ...
  def native(self, train: Split, seed: int) -> Design | None: ...
  def recoded(self, arrays: Arrays, trained: Any) -> Arrays: ...
  def profile(self, arrays: Arrays) -> Profile: ...
  def describe(self) -> str: ...


class Rival(NamedTuple):
  """The predictions of a classical model of a task, and how it was tuned.

  predicted: split -> predicted arrays, in the form of the task.
  chosen: target ("" if there is only one) -> the settings that
    cross-validation within training chose, in words.
  """

  predicted: dict[str, dict[str, np.ndarray]]
  chosen: Mapping[str, str] = {}


class Target(Protocol):
  """What is predicted: `names` of classes, labels, numbers or tags, or ()."""

  @property
  def names(self) -> tuple[str, ...]: ...


@dataclasses.dataclass(frozen=True)
class Info:
  """What a model, a task and a report must know about a dataset.

  JSON-able, fitted on the training split alone, and saved with a run, so that
  `predict` treats a new file exactly as training treated its files.

  inputs: name -> description (`Table`, `Image`, `Tokens`), as its folder in
    `medfm.data` defines it. In a split, the arrays of a single input have their
    own names, those of several inputs `<input>/<array>`.
  """

  name: str
  inputs: Mapping[str, Input]
  target: Target

  @property
  def only(self) -> Input:
    """The input, if there is only one; else UserError."""
    names, inputs = ", ".join(self.inputs), list(self.inputs.values())
    if len(inputs) != 1:
      raise UserError(f"{self.name} has the inputs {names}; expected only one")
    return inputs[0]

  @property
  def batch_size(self) -> int:
    """Of a plan that the data were given, such as `volumes.plan`; else 0."""
    return max(getattr(i, "batch_size", 0) for i in self.inputs.values())

  def describe(self) -> str:
    """The inputs in a few words: "table (30 numbers)"."""
    return ", ".join(f"{k} ({v.describe()})" for k, v in self.inputs.items())


def key(info: Info, name: str, array: str) -> str:
  """The name of an input's array in a batch or split."""
  return array if len(info.inputs) == 1 else f"{name}/{array}"


def view(batch: Batch, inputs: Iterable[str], name: str) -> dict[str, Any]:
  """One input's arrays under their own names, with those of the example.

  inputs: the names of all inputs; the arrays of the others are left out.
  """
  others = tuple(f"{other}/" for other in inputs if other != name)
  if not others:
    return dict(batch)
  return {
    array.removeprefix(f"{name}/"): values
    for array, values in batch.items()
    if not array.startswith(others)
  }


class Reading(NamedTuple):
  """How a trained model reads data, to be evaluated on another cohort.

  inputs, target: as training described them; no target if the labels are not
    what the model predicts.
  settings: of its reader of new files (`Dataset.encode`), such as the size of
    images or the tokenizer; {} if it has no such reader.
  """

  inputs: Mapping[str, Input]
  target: Target | None = None
  settings: Mapping[str, Any] = {}

  def only(self, kind: type, cohort: str) -> Any:
    """The only input, of this kind; UserError if the model reads another."""
    inputs = list(self.inputs.values())
    if len(inputs) == 1 and isinstance(inputs[0], kind):
      return inputs[0]
    read = ", ".join(f"{k} ({v.describe()})" for k, v in self.inputs.items())
    raise UserError(
      f"{cohort} has inputs of the kind {kind.__name__.lower()}; the model was "
      f"trained on {read}"
    )


class Folders(NamedTuple):
  """Where data come from, and the model, if any, that they are read for.

  raw, cache: folders of the user's original files, and of all files that are
    prepared or downloaded.
  reading: of a trained model. A dataset factory then fits nothing, splits
    nothing and leaves no row out: every row is read as training read its rows.
    None to read data to learn from.
  """

  raw: str | None
  cache: str
  reading: Reading | None = None


@dataclasses.dataclass(frozen=True)
class Dataset:
  """Splits by name ("train", "validation", "test"), with their description.

  card: the data card, JSON-able: `source`, `licence`, `citation`, `notes`,
    `changes` (what was dropped, repaired or relabelled, and how many),
    `split` (how it was made) and `fingerprint` (sha256 of the prepared data).
  encode: path -> a `Split`, without labels, of a user's new file or folder,
    treated as the training split was: a partial of a function of (path, info)
    with `info` and JSON-able settings. None if there is no such format.
  private: whether it is the user's own data, of which a run shows no example
    unless asked.
  """

  splits: dict[str, Split]
  info: Info
  card: dict[str, Any]
  encode: Callable[[str], Split] | None = None
  private: bool = False


class Task(Protocol):
  """What depends on what is predicted: a module of `medfm.tasks`.

  `target` is the truth about N rows, `predicted` a model's predictions.
  """

  __name__: str
  TARGETS: tuple[str, ...]
  """Names of a split's arrays that are the truth; () for none."""
  STRATIFY: str
  """The one of `TARGETS` that shares of the data keep in proportion."""
  OBJECTIVE: str
  """The objective for it, in `medfm.objectives`, for messages."""
  PROBLEM_TYPE: str
  """Its `problem_type` in Hugging Face's config.json, or ""."""
  RIVALS: Mapping[str, Callable[..., Rival]]
  """name -> fit(train, others, info, seed)."""
  LINEAR: str
  """The rival that can be fitted to a frozen embedding; "" for none."""
  rivals: Callable[[Info], tuple[str, ...]]
  """Names of `RIVALS` that stand beside a model by default."""
  condense: Callable[[Info, Batch, Arrays], Arrays]
  """The part of a batch's outputs [B, ...] that the task needs."""
  assembled: Callable[[Info, Split, Arrays], tuple[Split, Arrays]]
  """Both with one row per text or recording, joined from its windows."""
  known: Callable[[Info, Arrays, Arrays], tuple[np.ndarray, Arrays, Arrays]]
  """(rows with known truth [N] bool, their target, predicted); ValueError."""
  panel: Callable[..., Any]
  """Metrics (`tasks.panel.Panel`) of known rows by `decisions` of `decide`."""
  details: Callable[[Info, Arrays, Arrays, Mapping[str, float]], dict[str, Any]]
  """JSON-able extras of known rows and decisions, such as a confusion table."""
  decide: Callable[..., dict[str, float]]
  """Thresholds by name, fixed on the validation split at a `specificity`."""
  headline: Callable[[Iterable[str], str], list[str]]
  """(metrics, the one that chose the best step) -> those to show first."""
  events: Callable[[Info, Arrays], np.ndarray | None]
  """[N] bool, of known rows: who had the event or class; None if the task is
  not about having it or not."""
  questions: Callable[[Info, Arrays, Arrays], Sequence[Any]]
  """Of known rows, the questions of two answers (`tasks.binary.Question`)."""
  columns: Callable[[Info, Arrays | None, Arrays], dict[str, list[str]]]
  """Columns of predictions.csv; {} if no rows are written."""
  table: Callable[[Info, Sequence[Mapping]], tuple[Arrays | None, Arrays]]
  """(target, predicted), read back from rows that `columns` wrote."""
  strata: Callable[[Info, Arrays], np.ndarray | None]
  """[N] int codes by which examples may be balanced; None without any."""
  recoded: Callable[[Arrays, Info, Info], Arrays]
  """Another cohort's target, recoded from its info to the trained info."""
  answers: Callable[[Info, Arrays, Arrays], Any]
  """Right and wrong answers (`tasks.answers.Answers`) of all rows, or None."""
  votes: Callable[[Info, Arrays], Any]
  """What each example votes for (`tasks.answers.Votes`), or None."""
  refitted: Callable[[Any, Arrays], Any]
  """(target, truth) -> the target, fitted on this training truth alone."""
  profile: Callable[[Info, Arrays], Profile]
  """The truth in numbers and words, to compare cohorts by."""
  recalibration: Callable[[Info], Any]
  """How predictions are recalibrated (`tasks.recalibration`), or None."""


class Objective(NamedTuple):
  """What is learnt, mainly as three pure functions.

  init: (key, batch) -> variables.
  loss: (variables, batch, key) -> (terms, updates); every term is [B], and
    terms["loss"] is minimised; updates are new non-trained collections.
  predict: (variables, batch) -> dict of [B, ...] arrays, deterministic.
  task: scores the predictions; None for the task of the data's target.
  coupled: whether an example's loss depends on others in its batch.
  net: the linen module that is trained.
  inner, to_inner: the wrapped objective, if any, and params -> its params.
  copies: collections that begin as copies of the parameters.
  """

  init: Callable[[Any, Batch], Variables]
  loss: Callable[[Variables, Batch, Any], tuple[dict[str, Any], Variables]]
  predict: Callable[[Variables, Batch], dict[str, Any]]
  task: Task | None = None
  coupled: bool = False
  net: Any = None
  inner: "Objective | None" = None
  to_inner: Callable[[Any], Any] | None = None
  copies: tuple[str, ...] = ()

  def innermost(self, params: Any) -> tuple["Objective", Any]:
    """The objective that others are wrapped around, and its parameters."""
    if self.inner is None or self.to_inner is None:
      return self, params
    return self.inner.innermost(self.to_inner(params))
