"""Pre-training without labels: scored by its own loss."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np

from medfm.metrics import perplexity
from medfm.tasks import absent
from medfm.tasks import panel as panels
from medfm.types import Batch, Info, Split

Arrays = Mapping[str, np.ndarray]

TARGETS: tuple[str, ...] = ()
STRATIFY = ""
OBJECTIVE = "masked_features.masked_features"
PROBLEM_TYPE = ""
RIVALS: Mapping[str, Callable] = {}
LINEAR = ""
details = absent.details
decide = absent.decide
columns = absent.columns
table = absent.table
strata = absent.strata
answers = absent.answers
votes = absent.votes


@dataclasses.dataclass(frozen=True)
class Nothing:
  """No target: the data name none."""

  names: tuple[str, ...] = ()


def condense(info: Info, batch: Batch, outputs: Arrays) -> dict:
  """`loss` [B] and, where examples count unequally, `weight` [B]."""
  del info, batch
  return {name: outputs[name] for name in ("loss", "weight") if name in outputs}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, dict[str, np.ndarray]]:
  """Rows stay as the model saw them."""
  del info
  return split, dict(predicted)


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Every row; there is no truth that could be missing."""
  del info, target
  rows = np.ones(len(predicted["loss"]), bool)
  return rows, {}, {name: np.asarray(a) for name, a in predicted.items()}


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """The mean loss."""
  del info, target, decisions, specificity
  return panels.panel({"loss": partial(perplexity.loss, *weighted(predicted))})


def weighted(predicted: Arrays) -> tuple[np.ndarray, np.ndarray]:
  """Losses [N] in float64, and how much each of them counts."""
  losses = np.asarray(predicted["loss"], np.float64)
  share = predicted.get("weight", np.ones(len(losses)))
  return losses, np.asarray(share, np.float64)


def recoded(arrays: Arrays, info: Info, trained: Info) -> dict:
  """Nothing is coded."""
  del info, trained
  return dict(arrays)


def rivals(info: Info) -> tuple[str, ...]:
  """None: nothing classical restores what was hidden."""
  del info
  return ()


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The loss, and at most two more."""
  del select
  names = list(metrics)
  loss = [name for name in names if name == "loss"]
  rest = [name for name in names if name != "loss" and "[" not in name]
  return (loss + rest)[:3]
