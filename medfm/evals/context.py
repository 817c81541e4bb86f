"""What an evaluator is given, and what it gives back.

An evaluator is a function `(context) -> Findings`, configured by keyword-only
arguments; a run's `evaluators` names those it calls. An evaluator that needs
outputs of the model which the task does not keep names them with `keeps`. An
evaluator whose findings show examples of the data has a setting `show`; if it
is False no example is shown.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from medfm import spec
from medfm.types import Arrays, Dataset, Info, Split, Task

Block = dict[str, Any]
"""What pages and terminals can show, JSON-able.

Every block has `kind` and `title`; it may have `split` ("" for the whole
run), `note` (a sentence below it), `terminal` (whether a terminal shows it
too), `section` (a part of the report that is folded, such as `REVIEW`) and
`headline` (a sentence above that part). By kind it has

table: `columns` [C], `rows` [R][C] of cells, and perhaps `brief`, the numbers
  of the rows a terminal has room for. A cell is a text, a number, None, or an
  entry {value, low, high, reason}, which shows a plus where it is `signed`.
curves: `panels`, each with a `title` and `lines` of {name, x, y, low,
  high}; `x` and `y`, what the axes are; `beside` {name, slope}, the straight
  line that they are compared with: drawn.
pairs: `names` of numbers found in two ways, `x` and `y`, each with a `title`
  and its `values`: drawn, and listed.
texts: `how` they are to be read, and `examples` (`explain.examples`).
pictures: `how` they are to be read, and `pictures`, each with its `words`,
  `alt` (for readers who cannot see it) and `png` (in base64).
"""


REVIEW = "For a clinical reviewer"
"""The section of what TRIPOD+AI and STARD ask for."""


class Findings(NamedTuple):
  """What an evaluator found.

  rivals: `<kind>_<name>` -> split -> its predictions for the rows of
    `Context.splits`; they are scored, and compared with the model.
  blocks: split ("" for the whole run) -> blocks of numbers and words.
  shown: split -> blocks that show examples of the data. They are kept in a
    separate file, which is removed when the run may no longer show any.
  drawn: of decisions, by name, what other validation patients would have
    chosen, in rising order; kept for other cohorts.
  """

  rivals: Mapping[str, Mapping[str, Arrays]] = {}
  blocks: Mapping[str, list[Block]] = {}
  shown: Mapping[str, list[Block]] = {}
  drawn: Mapping[str, list[float]] = {}


class Settings(NamedTuple):
  """The settings of intervals and decisions: see `scores.scores`."""

  replicates: int = 1000
  seed: int = 0
  specificity: float = 0.9


@dataclasses.dataclass(frozen=True)
class Context:
  """A trained model and its predictions for the splits not trained on.

  data: all splits but "train" are evaluated; in the codes of training.
  train: the examples that the model was trained on; None if they are not
    available, as may be with another cohort.
  trained: a summary of the training split (`shifts.summary`), if the run kept
    one.
  task: of the model. asked: the task of the data's target, by which rivals are
    scored; it differs from `task` for a model pre-trained on labelled data.
  splits: split -> its units for `asked`, one row each.
  predicted: split -> the model's predictions for these, and the outputs that
    `keeps` names.
  decisions: of the model, from validation.
  drawn: where these are the data of another cohort, `Findings.drawn` of the
    run itself.
  predict: a split as the model reads it -> name -> [N, ...] in its order.
    If there are several processes, all must call it equally often.
  first: whether this is the first process, which alone computes what does not
    need `predict`.
  fitted: predictions of rivals so far, shared by the stages of a study.
  objective, variables: the model, for evaluators that look inside it.
  prevalence: a prevalence at which to state predictive values; 0 for none.
  """

  data: Dataset
  train: Split | None
  task: Task
  asked: Task
  splits: Mapping[str, Split]
  predicted: Mapping[str, Arrays]
  decisions: Mapping[str, float]
  settings: Settings
  predict: Callable[[Split], Arrays]
  first: bool = True
  fitted: dict[tuple, Any] = dataclasses.field(default_factory=dict)
  objective: Any = None
  variables: Any = None
  trained: Mapping[str, Any] | None = None
  prevalence: float = 0.0
  drawn: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)

  @property
  def info(self) -> Info:
    return self.data.info

  @property
  def held_out(self) -> dict[str, Split]:
    """The splits that are evaluated, in rows as the model reads them."""
    return {k: v for k, v in self.data.splits.items() if k != "train"}


def keeps(*names: str) -> Callable[[Callable], Callable]:
  """Marks an evaluator that needs these outputs of the model."""

  def mark(evaluator: Callable) -> Callable:
    evaluator.keeps = names  # pyright: ignore[reportFunctionMemberAccess]
    return evaluator

  return mark


def showing(evaluators: Mapping[str, Callable]) -> list[str]:
  """Names of the bound evaluators that may show examples of the data."""
  return [
    name
    for name, bound in evaluators.items()
    if "show" in inspect.signature(spec.function(bound)).parameters
    and spec.settings(bound).get("show") is not False
  ]


def kept(evaluators: Mapping[str, Callable]) -> tuple[str, ...]:
  """The outputs that any of bound evaluators needs."""
  functions = [spec.function(each) for each in evaluators.values()]
  names = [n for each in functions for n in getattr(each, "keeps", ())]
  return tuple(dict.fromkeys(names))
