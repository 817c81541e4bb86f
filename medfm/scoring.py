"""From variables to numbers with intervals, on every held-out split."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from medfm import host, predictions, settings, setup, tasks
from medfm.data import splits
from medfm.evals import context, paired, scores
from medfm.evals.context import Block, Context, Settings
from medfm.types import (
  Dataset,
  Info,
  Objective,
  Split,
  Task,
)

Predicted = Mapping[str, np.ndarray]


class Contender(NamedTuple):
  """The predictions of one model ("" for the run's own) for a split's units."""

  model: str
  split: str
  task: Task
  units: Split
  predicted: Predicted
  decisions: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Evaluated:
  """A trained model on the splits that it was not trained on.

  splits: split -> scores, as results.json holds them.
  contenders: the model and its rivals, with their predictions.
  blocks, shown: of the evaluators, by split; see `evals.context.Findings`.
  Where there are several processes, only the first has any of this.
  """

  info: Info
  task: Task
  splits: dict[str, Any] = dataclasses.field(default_factory=dict)
  contenders: list[Contender] = dataclasses.field(default_factory=list)
  described: dict[str, Any] = dataclasses.field(default_factory=dict)
  blocks: dict[str, list[Block]] = dataclasses.field(default_factory=dict)
  shown: dict[str, list[Block]] = dataclasses.field(default_factory=dict)

  def results(self) -> dict[str, Any]:
    """The part of the stage's entry in results.json that scores the model."""
    return {
      "task": self.task.__name__,
      "described": self.described,
      "splits": self.splits,
      "blocks": [
        block | {"split": split}
        for split, of_split in self.blocks.items()
        for block in of_split
      ],
    }

  def rows(self, stage: str) -> list[predictions.Row]:
    """The stage's rows of predictions.csv."""
    return [
      row
      for each in self.contenders
      for row in predictions.rows(
        f"{stage}:{each.model}" if each.model else stage,
        each.split,
        each.units,
        each.task,
        self.info,
        each.predicted,
      )
    ]


def task_of(objective: Objective, info: Info) -> Task:
  """The task that the objective names, else that of the data's target."""
  return objective.task or tasks.of(info.target)


def quick(
  model: setup.Inference, variables: Any, data: Dataset
) -> dict[str, float]:
  """`validation/metric` values without intervals, for the learning curve.

  Where there are several processes, all predict and the first scores.
  """
  if "validation" not in data.splits:
    return {}
  task, split = task_of(model.objective, data.info), data.splits["validation"]
  outputs = predicted(model, variables, data.info, split)
  if host.index:
    return {}
  units, outputs = task.assembled(data.info, split, outputs)
  target = scores.target_of(task, units.arrays)
  entry = scores.scores(
    task,
    data.info,
    target,
    outputs,
    patients=units.patients,
    replicates=0,
    seed=model.run.seed,
    specificity=model.run.evaluation.specificity,
  )
  return {
    f"validation/{name}": metric["value"]
    for name, metric in entry["metrics"].items()
  }


def predicted(
  model: setup.Inference,
  variables: Any,
  info: Info,
  split: Split,
  keeps: tuple[str, ...] = (),
) -> dict[str, np.ndarray]:
  """The outputs for a whole split that the task needs, and those of `keeps`.

  Where there are several processes, all must call it.
  """
  task = task_of(model.objective, info)

  def condense(batch, outputs):
    condensed = task.condense(info, batch, outputs)
    more = {name: outputs[name] for name in keeps if name in outputs}
    return {**more, **condensed}

  return setup.predictions(model, variables, split, condense=condense)


def evaluation(
  model: setup.Inference,
  variables: Any,
  data: Dataset,
  train: Split | None,
  fitted: dict[tuple, Any] | None = None,
  *,
  show: bool = True,
) -> Evaluated:
  """Scores of the model and its rivals on the splits not trained on.

  Args:
    model: of the run.
    variables: what `predict` reads.
    data: whose splits but "train" are evaluated.
    train: the examples that the model had, from which rivals learn; None
      where they are not at hand.
    fitted: what rivals have predicted so far, to which this adds; stages of
      the same data and training examples need each only once.
    show: whether evaluators that show examples of the data are called.

  Where there are several processes, all predict and the first scores.
  """
  evaluators = settings.evaluators(model.run)
  if not show:
    hidden = context.showing(evaluators)
    evaluators = {k: e for k, e in evaluators.items() if k not in hidden}
  keeps = context.kept(evaluators)
  about, contenders = _context(model, variables, data, train, keeps, fitted)
  findings = [evaluator(about) for evaluator in evaluators.values()]
  if host.index:
    return Evaluated(data.info, about.task)
  for finding in findings:
    for rival, by_split in finding.rivals.items():
      contenders += _rival(rival, by_split, about)
  scored = {
    name: _entry(data.info, name, contenders, about.settings)
    for name in about.held_out
  }
  return Evaluated(
    data.info,
    about.task,
    scored,
    contenders,
    _described(data.info, contenders, about.settings),
    _by_split([finding.blocks for finding in findings]),
    _by_split([finding.shown for finding in findings]),
  )


def _context(
  model: setup.Inference,
  variables: Any,
  data: Dataset,
  train: Split | None,
  keeps: tuple[str, ...],
  fitted: dict[tuple, Any] | None,
) -> tuple[Context, list[Contender]]:
  """What evaluators are given, and the model's predictions for each split."""
  run, info = model.run, data.info
  settings = Settings(
    run.evaluation.replicates, run.seed, run.evaluation.specificity
  )
  task, asked = task_of(model.objective, info), tasks.of(info.target)

  def predict(split: Split) -> dict[str, np.ndarray]:
    return predicted(model, variables, info, split, keeps)

  held_out = {k: v for k, v in data.splits.items() if k != "train"}
  outputs = {name: predict(split) for name, split in held_out.items()}
  of_task = units = _assembled(task, info, held_out, outputs)
  if asked is not task:
    units = _assembled(asked, info, held_out, outputs)
  decisions = _decided(task, info, of_task, settings)
  about = Context(
    data=data,
    train=train,
    task=task,
    asked=asked,
    splits={name: split for name, (split, _) in units.items()},
    predicted={name: predicted for name, (_, predicted) in units.items()},
    decisions=decisions,
    settings=settings,
    predict=predict,
    first=not host.index,
    fitted={} if fitted is None else fitted,
    objective=model.objective,
    variables=variables,
  )
  contenders = [
    Contender("", name, task, split, predicted, decisions)
    for name, (split, predicted) in of_task.items()
  ]
  return about, contenders


def _assembled(
  task: Task, info: Info, held_out: Mapping[str, Split], outputs: Mapping
) -> dict[str, tuple[Split, Predicted]]:
  return {
    name: task.assembled(info, split, outputs[name])
    for name, split in held_out.items()
  }


def _decided(
  task: Task,
  info: Info,
  units: Mapping[str, tuple[Split, Predicted]],
  settings: Settings,
) -> dict[str, float]:
  """What is fixed on the validation split; {} where there is none."""
  if "validation" not in units:
    return {}
  split, predicted = units["validation"]
  target = scores.target_of(task, split.arrays)
  return task.decide(info, target, predicted, specificity=settings.specificity)


def _rival(
  model: str, by_split: Mapping[str, Predicted], about: Context
) -> list[Contender]:
  units = {name: (about.splits[name], each) for name, each in by_split.items()}
  chosen = _decided(about.asked, about.info, units, about.settings)
  return [
    Contender(model, name, about.asked, split, predicted, chosen)
    for name, (split, predicted) in units.items()
  ]


def _entry(
  info: Info, name: str, contenders: list[Contender], settings: Settings
) -> dict[str, Any]:
  """One split in results.json: the model's scores, and its rivals'."""
  model, *rivals = [each for each in contenders if each.split == name]
  return {
    **_scored(info, model, settings),
    "sha256": splits.sha256(model.units),
    "baselines": {
      rival.model.removeprefix("baseline_"): {
        "metrics": _scored(info, rival, settings)["metrics"],
        "difference": _difference(info, model, rival, settings),
      }
      for rival in rivals
    },
  }


def _scored(
  info: Info, contender: Contender, settings: Settings
) -> dict[str, Any]:
  task, units = contender.task, contender.units
  return scores.scores(
    task,
    info,
    scores.target_of(task, units.arrays),
    contender.predicted,
    patients=units.patients,
    groups=None if contender.model else units.groups,
    decisions=contender.decisions,
    replicates=settings.replicates,
    seed=settings.seed,
    specificity=settings.specificity,
  )


def _difference(
  info: Info, model: Contender, rival: Contender, settings: Settings
) -> dict[str, Any]:
  """The model minus the rival; {} where they answer different questions."""
  if rival.task is not model.task:
    return {}
  return paired.difference(
    model.task,
    info,
    scores.target_of(model.task, model.units.arrays),
    model.predicted,
    rival.predicted,
    patients=model.units.patients,
    decisions_a=model.decisions,
    decisions_b=rival.decisions,
    replicates=settings.replicates,
    seed=settings.seed,
    specificity=settings.specificity,
  )


def _described(
  info: Info, contenders: list[Contender], settings: Settings
) -> dict[str, Any]:
  """stem -> description of every metric; those of the model come first."""
  described = {}
  by_task = {each.task.__name__: each for each in reversed(contenders)}
  for each in by_task.values():
    target = scores.target_of(each.task, each.units.arrays)
    described |= scores.described(
      each.task, info, target, each.predicted, settings.specificity
    )
  return {name: each._asdict() for name, each in described.items()}


def _by_split(
  findings: list[Mapping[str, list[Block]]],
) -> dict[str, list[Block]]:
  merged: dict[str, list[Block]] = {}
  for blocks in findings:
    for split, of_split in blocks.items():
      merged.setdefault(split, []).extend(of_split)
  return merged
