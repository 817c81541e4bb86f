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


class Told(NamedTuple):
  """What a model ("" for the run's own) says of a split's units."""

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
  told: the model's predictions and those of its rivals.
  blocks, shown: of the evaluators, by split; see `evals.context.Findings`.
  Of several processes only the first one has any of it.
  """

  info: Info
  task: Task
  splits: dict[str, Any] = dataclasses.field(default_factory=dict)
  told: list[Told] = dataclasses.field(default_factory=list)
  described: dict[str, Any] = dataclasses.field(default_factory=dict)
  blocks: dict[str, list[Block]] = dataclasses.field(default_factory=dict)
  shown: dict[str, list[Block]] = dataclasses.field(default_factory=dict)

  def results(self) -> dict[str, Any]:
    """The stage's part of results.json that tells of the model."""
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
      for one in self.told
      for row in predictions.rows(
        f"{stage}:{one.model}" if one.model else stage,
        one.split,
        one.units,
        one.task,
        self.info,
        one.predicted,
      )
    ]


def task_of(objective: Objective, info: Info) -> Task:
  """The task that the objective names, else that of the data's target."""
  return objective.task or tasks.of(info.target)


def quick(
  model: setup.Inference, variables: Any, data: Dataset
) -> dict[str, float]:
  """`validation/metric` values without intervals, for the learning curve.

  Of several processes all predict, and the first one scores.
  """
  if "validation" not in data.splits:
    return {}
  task, split = task_of(model.objective, data.info), data.splits["validation"]
  said = predicted(model, variables, data.info, split)
  if host.index:
    return {}
  units, said = task.assembled(data.info, split, said)
  target = scores.target_of(task, units.arrays)
  entry = scores.scores(
    task,
    data.info,
    target,
    said,
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
  """What the task needs of the outputs of a whole split, and what else is
  kept; of several processes all must call it."""
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

  Of several processes all predict, and the first one scores.
  """
  evaluators = settings.evaluators(model.run)
  if not show:
    hidden = context.showing(evaluators)
    evaluators = {k: e for k, e in evaluators.items() if k not in hidden}
  keeps = context.kept(evaluators)
  about, told = _context(model, variables, data, train, keeps, fitted)
  findings = [evaluator(about) for evaluator in evaluators.values()]
  if host.index:
    return Evaluated(data.info, about.task)
  for found in findings:
    for rival, by_split in found.rivals.items():
      told += _rival(rival, by_split, about)
  scored = {
    name: _entry(data.info, name, told, about.settings)
    for name in about.held_out
  }
  return Evaluated(
    data.info,
    about.task,
    scored,
    told,
    _described(data.info, told, about.settings),
    _by_split([found.blocks for found in findings]),
    _by_split([found.shown for found in findings]),
  )


def _context(
  model: setup.Inference,
  variables: Any,
  data: Dataset,
  train: Split | None,
  keeps: tuple[str, ...],
  fitted: dict[tuple, Any] | None,
) -> tuple[Context, list[Told]]:
  """What evaluators are given, and what the model says of each split."""
  run, info = model.run, data.info
  settings = Settings(
    run.evaluation.replicates, run.seed, run.evaluation.specificity
  )
  task, asked = task_of(model.objective, info), tasks.of(info.target)

  def predict(split: Split) -> dict[str, np.ndarray]:
    return predicted(model, variables, info, split, keeps)

  held_out = {k: v for k, v in data.splits.items() if k != "train"}
  said = {name: predict(split) for name, split in held_out.items()}
  own = _assembled(task, info, held_out, said)
  units = own if asked is task else _assembled(asked, info, held_out, said)
  decisions = _decided(task, info, own, settings)
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
  told = [
    Told("", name, task, split, predicted, decisions)
    for name, (split, predicted) in own.items()
  ]
  return about, told


def _assembled(
  task: Task, info: Info, held_out: Mapping[str, Split], said: Mapping
) -> dict[str, tuple[Split, Predicted]]:
  return {
    name: task.assembled(info, split, said[name])
    for name, split in held_out.items()
  }


def _decided(
  task: Task,
  info: Info,
  units: Mapping[str, tuple[Split, Predicted]],
  settings: Settings,
) -> dict[str, float]:
  """Fixed on the validation split; nothing is without such a split."""
  if "validation" not in units:
    return {}
  split, predicted = units["validation"]
  target = scores.target_of(task, split.arrays)
  return task.decide(info, target, predicted, specificity=settings.specificity)


def _rival(
  model: str, by_split: Mapping[str, Predicted], about: Context
) -> list[Told]:
  units = {name: (about.splits[name], said) for name, said in by_split.items()}
  chosen = _decided(about.asked, about.info, units, about.settings)
  return [
    Told(model, name, about.asked, split, said, chosen)
    for name, (split, said) in units.items()
  ]


def _entry(
  info: Info, name: str, told: list[Told], settings: Settings
) -> dict[str, Any]:
  """One split in results.json: the model's scores, and its rivals'."""
  model, *rivals = [one for one in told if one.split == name]
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


def _scored(info: Info, one: Told, settings: Settings) -> dict[str, Any]:
  return scores.scores(
    one.task,
    info,
    scores.target_of(one.task, one.units.arrays),
    one.predicted,
    patients=one.units.patients,
    groups=None if one.model else one.units.groups,
    decisions=one.decisions,
    replicates=settings.replicates,
    seed=settings.seed,
    specificity=settings.specificity,
  )


def _difference(
  info: Info, model: Told, rival: Told, settings: Settings
) -> dict[str, Any]:
  """Of the model minus the rival; {} where they answer different questions."""
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
  info: Info, told: list[Told], settings: Settings
) -> dict[str, Any]:
  """stem -> description of every metric; the model's own come first."""
  described = {}
  for one in {one.task.__name__: one for one in reversed(told)}.values():
    target = scores.target_of(one.task, one.units.arrays)
    described |= scores.described(
      one.task, info, target, one.predicted, settings.specificity
    )
  return {name: each.plain() for name, each in described.items()}


def _by_split(
  findings: list[Mapping[str, list[Block]]],
) -> dict[str, list[Block]]:
  merged: dict[str, list[Block]] = {}
  for blocks in findings:
    for split, of_split in blocks.items():
      merged.setdefault(split, []).extend(of_split)
  return merged
