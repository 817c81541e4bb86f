"""Classical models on the same splits, to stand beside a network."""

from collections.abc import Mapping

from medfm.data import splits
from medfm.evals.context import Block, Context, Findings
from medfm.types import Info, Rival, Split, Task, UserError


def baselines(
  context: Context, *, names: tuple[str, ...] | None = None
) -> Findings:
  """The rivals of a task (`Task.RIVALS`), fitted on the training split alone.

  Stages with the same data and training examples share the fitted rivals. A
  block shows which settings were chosen within training.

  names: of rivals of the data's task; by default those that the task puts
    beside a model.
  """
  if names is None:
    names = context.task.rivals(context.info)
  task, info, train = context.asked, context.info, context.train
  if train is None or not context.first:
    return Findings()
  others, seed = context.held_out, context.settings.seed
  learnt = splits.sha256(train) if names else ""
  fitted, assembled = {}, {}
  for name in names:
    key = (name, id(context.data), learnt, seed)
    if key not in context.fitted:
      context.fitted[key] = rival(task, name, train, others, info, seed)
    fitted[name] = context.fitted[key]
    assembled[f"baseline_{name}"] = {
      split: task.assembled(info, others[split], predicted)[1]
      for split, predicted in fitted[name].predicted.items()
    }
  return Findings(assembled, {"": told(fitted)})


def rival(
  task: Task,
  name: str,
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
) -> Rival:
  """A rival fitted on `train`, with its predictions for the other splits.

  UserError if the task has no rival of this name, or it cannot be fitted.
  """
  if name not in task.RIVALS:
    known = ", ".join(task.RIVALS) or "none: take them out of `evaluators`"
    raise UserError(
      f"{info.name}: baseline {name!r} is not for this task: choose from "
      f"{known}"
    )
  return task.RIVALS[name](train, others, info, seed)


def told(fitted: Mapping[str, Rival]) -> list[Block]:
  """A table of what cross-validation chose, if it chose anything."""
  rows = [
    [name, target, words]
    for name, rival in fitted.items()
    for target, words in rival.chosen.items()
  ]
  if not rows:
    return []
  columns = ["Baseline", "Target", "Settings"]
  if not any(target for _, target, _ in rows):
    columns, rows = ["Baseline", "Settings"], [[a, c] for a, _, c in rows]
  return [
    {
      "kind": "table",
      "title": "Settings of the baselines",
      "columns": columns,
      "rows": rows,
      "note": "Chosen by cross-validation within the training examples, by "
      "log-loss for classes and squared error for numbers.",
    }
  ]
