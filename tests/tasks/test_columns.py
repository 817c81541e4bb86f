"""How each task reads the label columns of a user's table."""

import numpy as np
import pytest

from medfm import tasks
from medfm.data.tables import table as tables
from medfm.tasks import multilabel
from medfm.tasks.multiclass import Classes
from medfm.tasks.multilabel import Labels
from medfm.tasks.pretext import Nothing
from medfm.tasks.regression import Numbers
from medfm.tasks.survival import fitted
from medfm.types import UserError

CASES = {
  "multiclass": (
    {"label": ("kind",), "positive": "b"},
    ("c", "b"),
    [1, 0, 1, 0],
    Classes(("c", "b"), (2, 2)),
  ),
  "multilabel": (
    {"label": ("x", "y")},
    ("x", "y"),
    [[0, 1], [1, np.nan], [0, 0], [1, 1]],
    Labels(("x", "y"), (2, 2)),
  ),
  "regression": (
    {"label": ("mg",), "units": ("mg",)},
    ("mg",),
    [[1], [2], [3], [6]],
    Numbers(("mg",), (3.0,), (3.5**0.5,), ("mg",)),
  ),
  "survival": (
    {"time": "mg", "event": "x", "intervals": 3},
    ("x",),
    [0, 1, 0, 1],
    fitted(
      ("x",),
      np.array([1, 2, 3, 6]),
      np.array([0, 1, 0, 1]),
      intervals=3,
    ),
  ),
  "none": ({}, (), None, Nothing()),
}


@pytest.fixture
def table(tmp_path):
  path = tmp_path / "rows.csv"
  path.write_text(
    "kind,x,y,mg,names\nb,0,yes,1,u|v\nc,1,,2,\nb,no,0,3,v\nc,1,1,6,w\n"
  )
  return tables.read(path)


@pytest.mark.parametrize("task", CASES)
def test_a_task_reads_its_columns_and_fits_its_target(task, table):
  settings, names, label, target = CASES[task]
  columns = tasks.columns_of(task, **settings)
  named = [settings[key] for key in ("time", "event") if key in settings]
  assert columns.columns == settings.get("label", tuple(named))
  kept, changes = columns.labelled(table)
  assert len(kept) == 4 and not changes
  truth, found = columns.read(kept)
  assert found == names
  if label is None:
    assert truth == {}
  else:
    np.testing.assert_array_equal(truth[columns.stratify], label)
  assert columns.target(found, truth) == target


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_name_that_training_does_not_have_is_an_error_by_its_row(
  task, tmp_path
):
  (tmp_path / "rows.csv").write_text("names\nu|v\nv\nu|v\nw\n")
  table = tables.read(tmp_path / "rows.csv")
  columns = tasks.columns_of(task, {"separator": "|"}, label=("names",))
  with pytest.raises(UserError, match="row 5, column 'names': 'w' is none of"):
    columns.read(table, np.array([True, True, True, False]))


def test_an_empty_cell_of_names_is_missing_or_means_none(table):
  missing = tasks.columns_of("multilabel", {"separator": "|"}, label=("names",))
  with pytest.raises(UserError, match="row 3, column 'names': the label is"):
    missing.labelled(table)
  none = tasks.columns_of(
    "multilabel",
    {"separator": "|", "none_if_empty": True},
    label=("names",),
  )
  kept, _ = none.labelled(table)
  truth, names = none.read(kept)
  assert names == ("u", "v", "w")
  np.testing.assert_array_equal(truth["label"][1], [0, 0, 0])


@pytest.mark.parametrize(
  ("task", "settings", "message"),
  [
    ("ordinal", {}, "task='ordinal': expected multiclass, multilabel"),
    ("multiclas", {}, "nearest: multiclass"),
    ("regression", {"positive": "b"}, "regression has no such setting"),
    ("regression", {"units": ("mg",)}, "expected one for each label"),
  ],
)
def test_what_a_task_does_not_know_is_refused(task, settings, message):
  with pytest.raises(UserError, match=message):
    tasks.columns_of(task, **settings)


def test_a_table_without_a_named_label_lists_its_columns(table):
  with pytest.raises(UserError, match="set label= to one of kind, x, y"):
    tasks.columns_of("regression").labelled(table)


def test_a_label_column_is_found_however_another_cohort_spells_it():
  cells = {"Edema": ["1", "0"], "nodule ": ["no", ""], "mass": ["1", "1"]}
  there = tables.of_cells("there.csv", cells, [2, 3])
  columns = multilabel.Columns(label=tuple(cells))
  columns = columns.adopted(Labels(("edema", "nodule", "cyst")))
  kept, changes = columns.labelled(there)
  truth, names = columns.read(kept)
  assert names == ("edema", "nodule", "cyst")
  nan = np.nan
  np.testing.assert_array_equal(truth["label"], [[1, 0, nan], [0, nan, nan]])
  counts = {each["what"]: each["count"] for each in changes}
  assert counts["columns of labels spelled otherwise than in training"] == 2
  assert counts["labels unknown to training, not read (mass)"] == 1
