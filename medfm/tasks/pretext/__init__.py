"""Pre-training without labels: scored by its own loss."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data.tables.labels import Read, Truth
from medfm.data.tables.table import Table
from medfm.metrics import perplexity
from medfm.tasks import absent, labels
from medfm.tasks import panel as panels
from medfm.types import Arrays, Batch, Info, Split

TARGETS: tuple[str, ...] = ()
STRATIFY = ""
OBJECTIVE = "masked_features.masked_features"
PROBLEM_TYPE = ""
RIVALS: Mapping[str, Callable] = {}
LINEAR = ""
details = absent.nothing
decide = absent.nothing
questions = absent.unasked
columns = absent.nothing
table = absent.nothing
recoded = absent.nothing
strata = absent.none
events = absent.none
answers = absent.none
votes = absent.none
recalibration = absent.none
profile = absent.unseen
refitted = absent.kept


@dataclasses.dataclass(frozen=True)
class Nothing:
  """No target."""

  names: tuple[str, ...] = ()


def condense(
  info: Info, batch: Batch, outputs: Arrays
) -> dict[str, np.ndarray]:
  """`loss` [B] and, if examples count unequally, `weight` [B]."""
  return {name: outputs[name] for name in ("loss", "weight") if name in outputs}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, Arrays]:
  """The rows unchanged, as the model saw them."""
  return split, dict(predicted)


def known(info: Info, target: Arrays, predicted: Arrays) -> labels.Known:
  """Every row; there is no truth that could be missing."""
  arrays = {name: np.asarray(array) for name, array in predicted.items()}
  return np.ones(len(arrays["loss"]), bool), {}, arrays


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """The mean loss."""
  return panels.panel(panels.bound([perplexity.loss], *weighted(predicted)))


def weighted(predicted: Arrays) -> tuple[np.ndarray, np.ndarray]:
  """Losses [N] in float64, and how much each of them counts."""
  losses = np.asarray(predicted["loss"], np.float64)
  share = predicted.get("weight", np.ones(len(losses)))
  return losses, np.asarray(share, np.float64)


def rivals(info: Info) -> tuple[str, ...]:
  """None: no classical model restores hidden inputs."""
  return ()


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The loss, and at most two more."""
  names = [name for name in metrics if "[" not in name]
  return sorted(names, key=lambda name: name != "loss")[:3]


@dataclasses.dataclass(frozen=True)
class Columns(labels.Columns):
  """Nothing is read; `label` names columns that are not features."""

  stratify = ""

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    return table, []

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    return {}, ()

  def target(self, names: Sequence[str], truth: Truth) -> Nothing:
    return Nothing()
