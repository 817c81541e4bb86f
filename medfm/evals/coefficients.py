"""A linear model's coefficients beside those of least squares."""

import numpy as np

from medfm.data import designs
from medfm.data.tables.input import Table
from medfm.evals.context import Context, Findings
from medfm.tasks import classical
from medfm.types import Info, Split, UserError


def coefficients(context: Context) -> Findings:
  """Learnt and exact coefficients in raw units, as a block of pairs.

  The model predicts at the training mean and at a hundred deviations from it
  along each feature; for a linear model the differences give its slopes.

  UserError unless the model predicts one number from numeric features.
  """
  if context.train is None:
    return Findings()
  table = context.info.only
  if (
    "least_squares" not in context.task.RIVALS
    or not isinstance(table, Table)
    or table.levels
    or len(context.info.target.names) > 1
  ):
    raise UserError(
      "the evaluator coefficients is for one regression target on numeric "
      "features"
    )
  mean = np.asarray(table.mean)
  far = 100 * np.asarray(table.std)
  asked = np.concatenate([mean[None], mean + np.diag(far)])
  arrays = {"features": asked.astype(np.float32)}
  points = Split(arrays, np.arange(len(asked)).astype(str))
  value = context.predict(points)["value"][:, 0]
  if not context.first:
    return Findings()
  slopes = (value[1:].astype(float) - value[0]) / far
  learned = dict(zip(table.numeric, slopes.tolist(), strict=True))
  learned["intercept"] = float(value[0] - slopes @ mean)
  exact = closed_form(context.train, context.info)
  block = {
    "kind": "pairs",
    "title": "Coefficients",
    "names": list(exact),
    "x": {"title": "Closed form", "values": list(exact.values())},
    "y": {"title": "Learnt", "values": [learned[name] for name in exact]},
    "note": "Weights the network learnt beside those of the exact solution, in "
    "the units of the data; they should coincide.",
  }
  return Findings(blocks={"": [block]})


def closed_form(train: Split, info: Info) -> dict[str, float]:
  """Least squares of one target in raw units, by feature, and "intercept".

  Missing values and categories as in `designs.linear`. If columns depend on one
  another, the solution of least norm in standardised columns.
  """
  design = designs.linear(train, info, seed=0)
  target = np.asarray(train.arrays["label"], np.float64)[:, 0]
  classical.require_labels(info, [target], info.target.names)
  rows = ~np.isnan(target)
  slopes, intercept = classical.solved(design.of(train)[rows], target[rows])
  exact = dict(zip(design.names, map(float, slopes), strict=True))
  return exact | {"intercept": float(intercept)}
