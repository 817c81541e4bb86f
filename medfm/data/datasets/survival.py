"""Eleven public cohorts with censored follow-up, and a user's own table.

A CSV to predict on has the columns that `survival_files` names.
"""

import functools
import pathlib
from typing import Any

import numpy as np

from medfm.data import files, records
from medfm.data.datasets import survival_files
from medfm.data.datasets.survival_files import COHORTS, SOURCES
from medfm.data.tables import encoding, labels, tabular
from medfm.data.tables import own as own_table
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import chosen, forwards
from medfm.tasks import survival as follow_up
from medfm.types import Dataset, Folders


class SurvivalCohort(tabular.Builder, skip_registration=True):
  """One of the cohorts, cleaned; HDF5 files also give the split, `part`."""

  def __init__(self, *, cohort: str, **kwargs):
    self.cohort = cohort
    super().__init__(**kwargs)

  def rows(self) -> tabular.Rows:
    cohort = COHORTS[self.cohort]
    table = survival_files.read(self.raw, cohort)
    column, causes = cohort.event
    numbers = {name: i for i, name in enumerate(("", *cohort.causes))}
    codes = {cell: numbers[cause] for cell, cause in causes.items()}
    event = tables.coded(table, column, codes)
    times = tables.numbers(table, cohort.time)
    others = (cohort.time, column, cohort.patient, "part", *cohort.drop)
    features = [name for name in table.columns if name not in others]
    empty = sum(table[name].count("") for name in features)
    table = cleaned(table, cohort=self.cohort)
    missing = sum(table[name].count("") for name in features)
    changes = {
      "values missing in the source": empty,
      "codes for unknown taken for missing": missing - empty,
    }
    return tabular.Rows(
      columns=encoding.parsed(
        table,
        [name for name in features if name not in cohort.categorical],
        cohort.categorical,
      ),
      truth={"time": times, "event": np.array(event, np.int32)},
      names=cohort.causes,
      ids=np.array([f"row-{row}" for row in table.rows]),
      patients=np.array(table[cohort.patient]) if cohort.patient else None,
      groups={name: encoding.group(table, name) for name in cohort.groups},
      part=np.array(table["part"]) if cohort.names else None,
      changes=tuple({"what": w, "count": n} for w, n in changes.items() if n),
    )


def survival(
  folders: Folders,
  *,
  name: str = "metabric",
  horizons: tuple[float, ...] = (),
  intervals: int = 20,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Dataset:
  """One of eleven cohorts.

  name: metabric, gbsg, whas, gbsg2, actg320, breast_cancer, flchain, veteran,
    whas500, or with competing risks bmt, cgvhd.
  horizons: times at which risks are scored, in the cohort's unit; () for the
    usual ones of the cohort. intervals: see `tasks.survival.fitted`.
  fractions: for train, validation and test. metabric, gbsg and whas have a
    test split; for them the first two are the shares of training and
    validation.
  """
  cohort = chosen("name", name, COHORTS)
  folder, archive, licence = SOURCES[pathlib.Path(cohort.file).suffix]
  published = {
    "url": f"{folder}{f'/{name}' if cohort.names else ''}/{cohort.file}",
    "sha256": cohort.sha256,
  }
  what = f"the cohort {name}"
  path = files.find(folders, cohort.file, archive, what=what, **published)
  path = files.member(folders, path, cohort.file)
  return tabular.dataset(
    records.prepared(SurvivalCohort, folders, raw=path, cohort=name),
    name=name,
    target=functools.partial(
      follow_up.target,
      unit=cohort.unit,
      horizons=horizons or cohort.horizons,
      intervals=intervals,
    ),
    stratify="event",
    card={
      "source": published["url"],
      "licence": licence,
      "citation": cohort.citation,
      "notes": list(cohort.notes),
      "file": files.origin(path, **published),
    },
    seed=seed,
    fractions=fractions,
    id="id",
    patient=cohort.patient or "patient",
    groups=cohort.groups,
    clean=functools.partial(cleaned, cohort=name),
  )


@forwards(own_table.of_columns)
def own(
  folders: Folders,
  *,
  time: str,
  event: str,
  causes: tuple[str, ...] = (),
  unit: str = "",
  horizons: tuple[float, ...] = (),
  intervals: int = 20,
  missing_follow_up: labels.Policy = "error",
  **table: Any,
) -> Dataset:
  """The dataset of a CSV file, to predict the time until an event.

  time, event, causes, unit, horizons, intervals, missing_follow_up: what the
    columns of follow-up mean, see `tasks.survival.Columns`; horizons=()
    takes the quartiles of the training events.
  The other settings are those of `tables.own.of_columns`.

  Raises:
    UserError: names the file and, where known, the row and column.
  """
  columns = follow_up.Columns(
    time=time,
    event=event,
    causes=labels.names(causes),
    unit=unit,
    horizons=tuple(horizons),
    intervals=intervals,
    missing=missing_follow_up,
  )
  return own_table.of_columns(folders, columns, **table)


def cleaned(table: Table, *, cohort: str) -> Table:
  """The table with codes put into words."""
  for name, meaning in COHORTS[cohort].recoded.items():
    if name in table.columns:
      table = table.mapped(name, lambda cell, m=meaning: m.get(cell, cell))
  return table
