"""Functions of `types.Task` for tasks that have nothing to say there."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.types import Info

Arrays = Mapping[str, np.ndarray]


def details(info: Info, target: Arrays, predicted: Arrays) -> dict[str, Any]:
  """Nothing more than its metrics."""
  del info, target, predicted
  return {}


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """Nothing is decided."""
  del info, target, predicted, specificity
  return {}


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """No example has a prediction to write."""
  del info, target, predicted
  return {}


def table(info: Info, rows: Sequence[Mapping[str, str]]) -> tuple[None, dict]:
  """Nothing was written."""
  del info, rows
  return None, {}


def strata(info: Info, arrays: Arrays) -> None:
  """An example is of no single class."""
  del info, arrays


def answers(info: Info, target: Arrays, predicted: Arrays) -> None:
  """No answer is right or wrong."""
  del info, target, predicted


def votes(info: Info, target: Arrays) -> None:
  """An example has no single answer to vote for."""
  del info, target
