"""From variables to numbers with intervals, on every held-out split."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from medfm import host, predictions, settings, setup, tasks
from medfm.data import splits
from medfm.evals import context, paired, scores
from medfm.evals.context import Block, Context, Settings
from medfm.types import Arrays, Dataset, Info, Split, Task

Units = Mapping[str, tuple[Split, Arrays]]
"""split -> its units, and the predictions for them."""

Blocks = Mapping[str, list[Block]]
"""split -> blocks."""


class Contender(NamedTuple):
  """The predictions of one model ("" for the run's own) for a split's units."""

  model: str
  split: str
  task: Task
  units: Split
  predicted: Arrays
  decisions: Mapping[str, float] = {}

  @property
  def target(self) -> Arrays:
    """The truth of the units."""
    return scores.target_of(self.task, self.units.arrays)


class Brought(NamedTuple):
  """What a trained model brings to a cohort that it was not trained on.

  decisions: thresholds, fixed on the run's validation split.
  trained: a summary of the training split (`shifts.summary`), if it was kept.
  drawn: the thresholds that other validation patients would have chosen.
  """

  decisions: Mapping[str, float] = {}
  trained: Mapping[str, Any] | None = None
  drawn: Mapping[str, list[float]] = {}


class Evaluated(NamedTuple):
  """A trained model on the splits that it was not trained on.

  results: its entry in results.json.
  contenders: the model and its rivals, with their predictions.
  shown: split -> blocks that show examples; see `evals.context.Findings`.
  If there are several processes, only the first has any of this.
  """

  info: Info
  results: dict[str, Any]
  contenders: list[Contender]
  shown: Blocks

  def rows(self, stage: str) -> list[predictions.Row]:
    """The stage's rows of predictions.csv."""
    return [
      row
      for model, split, task, units, predicted, _ in self.contenders
      for row in predictions.rows(
        f"{stage}:{model}" if model else stage,
        split,
        units,
        task,
        self.info,
        predicted,
      )
    ]


def intervals(run: settings.Run) -> Settings:
  """The settings of a run's intervals and decisions."""
  how = run.evaluation
  return Settings(how.replicates, run.seed, how.specificity)


def quick(
  model: setup.Inference, variables: Any, data: Dataset
) -> dict[str, float]:
  """`validation/metric` values without intervals, for the learning curve."""
  if "validation" not in data.splits:
    return {}
  task, split = model.task, data.splits["validation"]
  outputs = setup.predictions(model, variables, split)
  if host.index:
    return {}
  scored = _scored(
    data.info,
    Contender("", "", task, *task.assembled(data.info, split, outputs)),
    intervals(model.run)._replace(replicates=0),
  )
  return {
    f"validation/{name}": metric["value"]
    for name, metric in scored["metrics"].items()
  }


def evaluation(
  model: setup.Inference,
  variables: Any,
  data: Dataset,
  train: Split | None,
  fitted: dict[tuple, Any] | None = None,
  *,
  show: bool = True,
  brought: Brought | None = None,
) -> Evaluated:
  """Scores of the model and its rivals on the splits not trained on.

  train: the examples that the model was trained on, from which rivals learn;
    None if they are not available.
  fitted: the rivals' predictions so far, to which this adds; stages with the
    same data and training examples need each only once.
  show: whether evaluators that show examples of the data are called.
  brought: given if these are the data of another cohort; the evaluators of
    `settings.ELSEWHERE` are then called as well.

  If there are several processes, all predict and the first scores.
  """
  evaluators = settings.evaluators(model.run, elsewhere=brought is not None)
  if not show:
    hidden = context.showing(evaluators)
    evaluators = {k: e for k, e in evaluators.items() if k not in hidden}
  keeps = context.kept(evaluators)
  info, chosen = data.info, intervals(model.run)
  predict = functools.partial(setup.predictions, model, variables, keeps=keeps)
  held_out = {k: v for k, v in data.splits.items() if k != "train"}
  outputs = {name: predict(split) for name, split in held_out.items()}

  def assembled(task: Task) -> Units:
    return {k: task.assembled(info, v, outputs[k]) for k, v in held_out.items()}

  task, asked = model.task, tasks.of(info.target)
  units = of_task = assembled(task)
  if asked is not task:
    units = assembled(asked)
  contenders = _contenders("", task, of_task, info, chosen, brought)
  about = Context(
    data=data,
    train=train,
    task=task,
    asked=asked,
    splits={name: split for name, (split, _) in units.items()},
    predicted={name: outputs for name, (_, outputs) in units.items()},
    decisions=contenders[0].decisions if contenders else {},
    settings=chosen,
    predict=predict,
    first=not host.index,
    fitted={} if fitted is None else fitted,
    objective=model.objective,
    variables=variables,
    trained=brought and brought.trained,
    drawn=brought.drawn if brought else {},
    prevalence=model.run.evaluation.prevalence,
  )
  findings = [evaluator(about) for evaluator in evaluators.values()]
  if host.index:
    return Evaluated(info, {}, [], {})
  for finding in findings:
    for rival, by_split in finding.rivals.items():
      units = {k: (about.splits[k], v) for k, v in by_split.items()}
      contenders += _contenders(rival, asked, units, info, chosen)
  results = {
    "task": task.__name__,
    "described": _described(info, contenders, chosen),
    "splits": {
      k: _entry(info, split, k, contenders, chosen)
      for k, split in held_out.items()
    },
    "blocks": [
      block | {"split": split}
      for split, blocks in _by_split(each.blocks for each in findings).items()
      for block in blocks
    ],
    "drawn_thresholds": {
      k: v for each in findings for k, v in each.drawn.items()
    },
  }
  shown = _by_split(finding.shown for finding in findings)
  return Evaluated(info, results, contenders, shown)


def _contenders(
  model: str,
  task: Task,
  units: Units,
  info: Info,
  chosen: Settings,
  brought: Brought | None = None,
) -> list[Contender]:
  """A model on every split, with its decisions from validation, if any."""
  decisions = {}
  if brought is not None:
    decisions = brought.decisions
  elif "validation" in units:
    split, outputs = units["validation"]
    target = scores.target_of(task, split.arrays)
    decisions = task.decide(
      info, target, outputs, specificity=chosen.specificity
    )
  return [
    Contender(model, name, task, split, outputs, decisions)
    for name, (split, outputs) in units.items()
  ]


def _entry(
  info: Info,
  split: Split,
  name: str,
  contenders: list[Contender],
  chosen: Settings,
) -> dict[str, Any]:
  """One split in results.json: the model's scores, and its rivals'.

  `sha256` covers all that the split holds, `asked` only its examples and their
  truth: it is equal for models of the same question that read other inputs.
  """
  model, *rivals = [each for each in contenders if each.split == name]
  return {
    **_scored(info, model, chosen, model.units.groups),
    "sha256": splits.sha256(split),
    "asked": splits.sha256(model.units, model.task.TARGETS),
    "baselines": {
      rival.model.removeprefix("baseline_"): {
        "metrics": _scored(info, rival, chosen)["metrics"],
        "difference": difference(info, model, rival, chosen),
      }
      for rival in rivals
    },
  }


def _scored(
  info: Info,
  contender: Contender,
  chosen: Settings,
  groups: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
  return scores.scores(
    contender.task,
    info,
    contender.target,
    contender.predicted,
    patients=contender.units.patients,
    groups=groups,
    decisions=contender.decisions,
    **chosen._asdict(),
  )


def difference(
  info: Info, model: Contender, rival: Contender, chosen: Settings
) -> dict[str, Any]:
  """The model minus the rival; {} if they answer different questions."""
  if rival.task is not model.task:
    return {}
  return paired.difference(
    model.task,
    info,
    model.target,
    model.predicted,
    rival.predicted,
    patients=model.units.patients,
    decisions_a=model.decisions,
    decisions_b=rival.decisions,
    **chosen._asdict(),
  )


def _described(
  info: Info, contenders: list[Contender], chosen: Settings
) -> dict[str, Any]:
  """stem -> description of every metric; those of the model come first."""
  by_task = {each.task.__name__: each for each in reversed(contenders)}
  return {
    name: description._asdict()
    for each in by_task.values()
    for name, description in scores.described(
      each.task, info, each.target, each.predicted, chosen.specificity
    ).items()
  }


def _by_split(findings: Iterable[Blocks]) -> Blocks:
  """The blocks of all findings, by split."""
  merged: dict[str, list[Block]] = {}
  for blocks in findings:
    for split, of_split in blocks.items():
      merged.setdefault(split, []).extend(of_split)
  return merged
