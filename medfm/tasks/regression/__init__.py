"""One number or several."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data.tables import table as tables
from medfm.data.tables.labels import KEEP, Read, Truth, labelled
from medfm.data.tables.table import Table
from medfm.metrics import regression
from medfm.tasks import absent, classical, counted, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks import recalibration as recalibrations
from medfm.tasks.answers import Votes
from medfm.types import Arrays, Info, Profile, Target, UserError

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "regress.regression"
PROBLEM_TYPE = "regression"
LINEAR = "ridge"
condense = partial(labels.condense, name="value")
assembled = documents.assembled
known = partial(labels.known_columns, name="value")
details = absent.nothing
decide = absent.nothing
questions = absent.unasked
columns = partial(labels.columns, name="value", prefix="value")
table = partial(labels.table, name="value", prefix="value")
strata = absent.none
events = absent.none
recoded = labels.reordered
answers = absent.none
headline = partial(panels.listed, wanted=("rmse", "r2"))
recalibration = recalibrations.of_numbers
_METRICS = (regression.rmse, regression.mae, regression.r2, regression.pearson)


@dataclasses.dataclass(frozen=True)
class Numbers:
  """`label` [B,T] in raw units, NaN if a target is not known.

  names: of the targets, in the order of the columns.
  mean, std: [T], of the training split.
  units: of each target; "" if not known.
  """

  names: tuple[str, ...]
  mean: tuple[float, ...] = ()
  std: tuple[float, ...] = ()
  units: tuple[str, ...] = ()


def refitted(target: Numbers, truth: Arrays) -> Numbers:
  """With mean and standard deviation of this truth [N,T], NaN left out."""
  if not target.mean:
    return target
  values = np.asarray(truth["label"], np.float64)
  empty = np.isnan(values).all(0)
  if empty.any():
    name = target.names[int(empty.argmax())]
    raise UserError(
      f"no training example that the run sees has a value of {name!r}: raise "
      "label_fraction"
    )
  mean, std = np.nanmean(values, 0).tolist(), np.nanstd(values, 0).tolist()
  return dataclasses.replace(target, mean=tuple(mean), std=tuple(std))


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Errors and correlations of each target, and their means over several.

  Errors of targets in different units have no mean.
  """
  label, value, names = target["label"], predicted["value"], info.target.names
  if len(names) == 1:
    return panels.panel(panels.bound(_METRICS, label[:, 0], value[:, 0]))
  columns = [
    panels.bound(_METRICS, label[:, t], value[:, t]) for t in range(len(names))
  ]
  metrics = {
    f"{key}[{name}]": column[key]
    for key in columns[0]
    for name, column in zip(names, columns, strict=True)
  }
  means = {key: panels.mean(names, key) for key in columns[0]}
  if len(set(getattr(info.target, "units", ()))) > 1:
    why = "the targets have different units: see each target"
    for key in ("rmse", "mae"):
      means[key] = means[key]._replace(reason=why)
  return panels.panel(metrics, means)


def profile(info: Info, target: Arrays) -> Profile:
  """The targets unchanged."""
  return Profile(tuple(info.target.names), target["label"])


def votes(info: Info, target: Arrays) -> Votes:
  """Every example votes for its known targets."""
  label = np.asarray(target["label"])
  fallback = np.asarray(getattr(info.target, "mean", ()))
  return Votes(np.ones(len(label), bool), label, fallback, "value")


def rivals(info: Info) -> tuple[str, ...]:
  """Names of the models that stand beside a network by default."""
  kinds = classical.suited(info)
  if "words" in kinds:
    return ("mean", "tfidf_ridge")
  if "trees" in kinds:
    return ("mean", "least_squares", "gradient_boosting")
  return ("mean", "ridge")


RIVALS = {
  key: partial(classical.of_columns, fit=fit, name="value")
  for key, fit in counted.REGRESSORS.items()
}


@dataclasses.dataclass(frozen=True)
class Columns(labels.Columns):
  """One column of numbers or several: `label` float32 [N,T], raw units.

  units: of each; missing_label: "error", or "drop" to leave out rows that
  lack one of them.
  trained: the names in the model that they are read for.
  """

  units: tuple[str, ...] = ()
  missing_label: str = "error"
  trained: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    if self.units and len(self.units) != len(self.label):
      raise UserError(f"units={self.units}: expected one for each label column")

  def adopted(self, trained: Target) -> "Columns":
    """The columns of a model's targets, by name; a single one may have any.

    UserError if one is missing or has another unit.
    """
    if not isinstance(trained, Numbers) or not self.label:
      return self
    label, units = trained.names, self.units
    if len(label) == len(self.label) == 1:
      label = self.label
    elif lacks := [name for name in label if name not in self.label]:
      raise UserError(
        f"label={','.join(self.label)!r} lacks {', '.join(lacks)}, which the "
        "model was trained to predict"
      )
    if units:
      here = dict(zip(self.label, units, strict=True))
      units = tuple(here[name] for name in label)
      for name, unit, other in zip(label, units, trained.units, strict=True):
        if unit and other and unit != other:
          raise UserError(
            f"{name} is in {unit}, but the model was trained on {other}: "
            "convert the column"
          )
    return dataclasses.replace(
      self,
      label=label,
      units=units,
      trained=trained.names,
      missing_label=KEEP,
    )

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    table, changes = labelled(table, self.label, self.missing_label, every=True)
    if self.trained and self.trained != self.label:
      what = f"label {self.label[0]!r} taken for {self.trained[0]!r}"
      changes = [*changes, {"what": what, "count": 1}]
    return table, changes

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    values = [tables.numbers(table, name) for name in self.label]
    label = np.stack(values, 1)
    label[np.isnan(label).any(1)] = np.nan
    return {"label": label}, self.trained or self.label

  def target(self, names: Sequence[str], truth: Truth) -> Numbers:
    """The numbers, their mean and standard deviation in training."""
    values = np.asarray(truth["label"], np.float64)
    mean, std = values.mean(0).tolist(), values.std(0).tolist()
    units = self.units or ("",) * len(names)
    return Numbers(tuple(names), tuple(mean), tuple(std), tuple(units))
