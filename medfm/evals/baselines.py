"""Classical models on the same splits, to stand beside a network."""

from collections.abc import Mapping

import numpy as np

from medfm.data import splits
from medfm.evals.context import Context, Findings
from medfm.types import Info, Split, Task, UserError

Predictions = dict[str, dict[str, np.ndarray]]


def baselines(
  context: Context, *, names: tuple[str, ...] | None = None
) -> Findings:
  """The rivals of a task (`Task.RIVALS`), fitted on the training split alone.

  Stages of the same data and training examples fit each only once.

  names: of rivals of the data's task; by default those that its own task puts
    beside a model.
  """
  if names is None:
    names = context.task.rivals(context.info)
  task, info, train = context.asked, context.info, context.train
  if train is None or not context.first:
    return Findings()
  others, seed = context.held_out, context.settings.seed
  learnt = splits.sha256(train) if names else ""
  rivals = {}
  for name in names:
    key = (name, id(context.data), learnt, seed)
    if key not in context.fitted:
      context.fitted[key] = predictions(task, name, train, others, info, seed)
    rivals[f"baseline_{name}"] = {
      split: task.assembled(info, others[split], predicted)[1]
      for split, predicted in context.fitted[key].items()
    }
  return Findings(rivals)


def predictions(
  task: Task,
  name: str,
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
) -> Predictions:
  """The predictions of a rival, fitted on `train`, for the other splits.

  UserError where the task has no rival of this name, or it cannot be fitted.
  """
  if name not in task.RIVALS:
    known = ", ".join(task.RIVALS) or "none: take them out of `evaluators`"
    raise UserError(
      f"{info.name}: baseline {name!r} is not for this task: choose from "
      f"{known}"
    )
  return task.RIVALS[name](train, others, info, seed)
