"""Stands in for what tasks and results.json do not have yet; goes with it.

Each function here is called where a task's module lacks its own, or where
results.json was written before it held the task's name and blocks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm import predictions
from medfm.evals import panel as panels
from medfm.types import Info

_TASKS = {
  "multiclass": "medfm.tasks.multiclass",
  "multilabel": "medfm.tasks.multilabel",
  "regression": "medfm.tasks.regression",
  "tokens": "medfm.tasks.tags",
  "none": "medfm.tasks.pretext",
}
_MAIN = {
  "multiclass": ("auroc",),
  "multilabel": ("auroc",),
  "regression": ("rmse", "r2"),
  "tags": ("f1",),
}


def task_name(result: Mapping[str, Any]) -> str:
  return _TASKS.get((result.get("data") or {}).get("task", ""), "")


def supervised(task: Any) -> bool:
  return task.__name__.rpartition(".")[2] in _MAIN


def headline(task: Any, metrics: Sequence[str], select: str) -> list[str]:
  kind = task.__name__.rpartition(".")[2]
  if select in metrics and kind != "regression" and kind in _MAIN:
    return [select]
  if kind not in _MAIN:
    plain = [name for name in metrics if "[" not in name]
    return sorted(plain, key=lambda name: name != "loss")[:3]
  return [name for name in _MAIN[kind] if name in metrics] or metrics[:1]


def table(
  info: Info, rows: Sequence[Mapping[str, str]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """The truth and the predictions of rows of one stage and split.

  Raises:
    KeyError: a column is missing.
  """
  names = info.target.names
  for kind in ("prob", "value"):
    columns = [f"{kind}_{name}" for name in names]
    if any(name in rows[0] for name in columns):
      for name in columns:
        _ = rows[0][name]
  stage, split = rows[0]["stage"], rows[0]["split"]
  held = predictions.held(rows, stage, split, names)
  assert held is not None
  return {"label": held.label}, held.prediction


def known(info: Info, target: Mapping[str, Any], predicted: Mapping[str, Any]):
  kept, label, values = panels.known(info, target["label"], predicted)
  return kept, {"label": label}, values


def panel(info: Info, target: Mapping[str, Any], predicted, *, decisions):
  return panels.panel(info, target["label"], predicted, thresholds=decisions)


def blocks(
  results: Mapping[str, Any], name: str, examples: Mapping[str, Any]
) -> list[dict[str, Any]]:
  """Coefficients and shown texts as the blocks they become."""
  made: list[dict[str, Any]] = []
  rows = results.get("coefficients") or []
  if rows and name == next(iter(results["stages"])):
    made.append(
      {
        "kind": "pairs",
        "title": "Coefficients",
        "split": "",
        "names": [row["name"] for row in rows],
        "x": {
          "title": "Closed form",
          "values": [row["closed_form"] for row in rows],
        },
        "y": {"title": "Learnt", "values": [row["learned"] for row in rows]},
        "note": "Weights the network learnt beside those of the exact "
        "solution; they should coincide.",
      }
    )
  for split, shown in examples.items():
    made.append(
      {
        "kind": "texts",
        "title": "Examples",
        "split": split,
        "how": _HOW.format(split=split),
        "examples": shown,
      }
    )
  return made


_HOW = (
  "Texts of the {split} split, as the model's tokens. Orange tokens speak for "
  "the class named, blue ones against it: integrated gradients "
  "(Sundararajan et al. 2017) from the average token of the vocabulary, the "
  "strongest token of a line the darkest. They show what moved this model's "
  "answer, not why the answer would be true."
)
