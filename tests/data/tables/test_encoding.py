"""Columns to arrays, fitted on training rows and repeated on new files."""

import dataclasses
import json

import numpy as np
import pytest

from medfm import spec
from medfm.data.tables import encoding
from medfm.data.tables import table as tables
from medfm.tasks.multiclass import Classes
from medfm.tasks.pretext import Nothing
from medfm.types import Info, UserError

TEXT = "age,sex,note\n40,f,a\n60,m,\n,f,c\n90,d,d\n"


def read(tmp_path, text, name="cohort.csv", **options):
  (tmp_path / name).write_text(text)
  return tables.read(tmp_path / name, **options)


@pytest.fixture
def columns(tmp_path):
  return encoding.parsed(read(tmp_path, TEXT), ("age",), ("sex", "note"))


@pytest.fixture
def info(columns):
  train = dataclasses.replace(
    columns, features=columns.features[:3], categories=columns.categories[:3]
  )
  table, _ = encoding.fit(train)
  return Info("toy", {"table": table}, Classes(("no", "yes")))


def test_mean_and_std_are_those_of_observed_training_values(info):
  assert info.only.mean == (50.0,)
  assert info.only.std == (10.0,)


def test_levels_are_those_of_training_sorted(info):
  assert info.only.levels == {"sex": ("f", "m"), "note": ("a", "c")}


def test_missing_and_unseen_levels_are_minus_one(columns, info):
  codes = encoding.arrays(columns, info.only)["categories"]
  assert codes.dtype == np.int32
  assert codes.tolist() == [[0, 0], [1, -1], [0, 1], [-1, -1]]


def test_a_new_file_is_encoded_like_the_old_one(tmp_path, columns, info):
  new = encoding.encoded(str(tmp_path / "cohort.csv"), info).arrays
  old = encoding.arrays(columns, info.only)
  np.testing.assert_array_equal(new["features"], old["features"])
  np.testing.assert_array_equal(new["categories"], old["categories"])


def test_info_read_back_from_json_encodes_the_same(tmp_path, columns, info):
  back = spec.noun(json.loads(json.dumps(spec.plain(info))))
  split = encoding.encoded(str(tmp_path / "cohort.csv"), back)
  np.testing.assert_array_equal(
    split.arrays["categories"],
    encoding.arrays(columns, info.only)["categories"],
  )


def test_a_constant_column_has_std_one_and_is_a_change(tmp_path):
  table = read(tmp_path, "a,b,c\n0.1,x,\n0.1,x,\n0.1,x,\n")
  columns = encoding.parsed(table, ("a", "c"), ("b",))
  table, changes = encoding.fit(columns)
  assert table.std == (1.0, 1.0)
  assert table.mean[1] == 0
  assert changes[0]["count"] == 3
  assert changes[0]["what"].endswith("a, c, b")


def test_absent_kinds_leave_no_array(tmp_path):
  columns = encoding.parsed(read(tmp_path, "a\n1\n2\n"), ("a",), ())
  table, _ = encoding.fit(columns)
  info = Info("toy", {"table": table}, Nothing())
  assert list(encoding.arrays(columns, info.only)) == ["features"]


def test_unseen_levels_and_extra_columns_are_logged(tmp_path, info, caplog):
  read(tmp_path, "age,sex,note,name\n1,x,a,Doe\n1,z,a,Roe\n", "new.csv")
  with caplog.at_level("INFO"):
    encoding.encoded(str(tmp_path / "new.csv"), info)
  assert "cells of 'sex' hold levels never seen" in caplog.text
  assert "treated as missing (2)" in caplog.text
  assert "ignored: name" in caplog.text
  assert "Doe" not in caplog.text


def test_a_missing_feature_column_is_an_error(tmp_path, info):
  read(tmp_path, "ages,sex,note\n1,f,a\n", "new.csv")
  with pytest.raises(UserError, match=r"no column 'age' \(nearest: ages\)"):
    encoding.encoded(str(tmp_path / "new.csv"), info)


def test_text_in_a_number_column_of_a_new_file_is_an_error(tmp_path, info):
  read(tmp_path, "age,sex,note\n1,f,a\nold,f,a\n", "new.csv")
  with pytest.raises(UserError, match=r"row 3, column 'age': 'old'"):
    encoding.encoded(str(tmp_path / "new.csv"), info)


def test_named_id_patient_and_group_columns_are_read(tmp_path, info):
  read(tmp_path, "k,p,age,sex,note\nk1,p1,70,f,a\n", "new.csv")
  split = encoding.encoded(
    str(tmp_path / "new.csv"), info, id="k", patient="p", groups=("sex", "age")
  )
  assert split.ids.tolist() == ["k1"]
  assert split.patients.tolist() == ["p1"]
  assert split.groups["sex"].tolist() == ["f"]
  assert split.groups["age"].tolist() == ["65+"]


def test_without_an_id_column_rows_are_named_by_file_and_row(tmp_path, info):
  split = encoding.encoded(str(tmp_path / "cohort.csv"), info, id="k")
  assert split.ids[0] == "cohort.csv:2"


def test_a_repeated_id_is_an_error_that_names_both_rows(tmp_path):
  table = read(tmp_path, "k\nx\ny\nx\n")
  with pytest.raises(UserError, match=r"row 4, column 'k': .*csv, row 2"):
    encoding.ids(table, "k")


def test_columns_are_typed_by_their_cells_unless_named(tmp_path):
  table = read(tmp_path, "a,b,c\n1,x,1\n2,y,2\n")
  assert encoding.kinds(table, ("a", "b", "c"))[:2] == (("a", "c"), ("b",))
  numeric, categorical, _ = encoding.kinds(
    table, ("a", "b", "c"), categorical=("c",)
  )
  assert (numeric, categorical) == (("a",), ("b", "c"))


def test_a_column_named_numeric_with_text_is_an_error(tmp_path):
  table = read(tmp_path, "b\nx\n1\ny\n")
  numeric, categorical, _ = encoding.kinds(table, ("b",), numeric=("b",))
  with pytest.raises(UserError, match=r"row 2, column 'b'"):
    encoding.parsed(table, numeric, categorical)


def test_a_forced_column_that_does_not_exist_names_the_nearest(tmp_path):
  table = read(tmp_path, "stage\nx\n")
  with pytest.raises(UserError, match=r"'stag'.*nearest: stage"):
    encoding.kinds(table, ("stage",), categorical=("stag",))


def test_free_text_and_row_counters_are_dropped_and_listed(tmp_path):
  text = "n,note,x\n" + "".join(f"{i},t{i},{i % 7}\n" for i in range(60))
  table = read(tmp_path, text)
  numeric, categorical, changes = encoding.kinds(table, ("n", "note", "x"))
  assert (numeric, categorical) == (("x",), ())
  assert [change["what"].split(":")[0] for change in changes] == [
    "dropped the column 'n'",
    "dropped the column 'note'",
  ]


@pytest.mark.parametrize(
  ("name", "number", "dropped"),
  [
    ("n", lambda i: i * 7 % 60, True),  # In another order.
    ("Unnamed: 0", lambda i: 3 * i + 5, True),  # Of rows of another file.
    ("index", lambda i: 900 - 2 * i, True),
    ("n", lambda i: 20 + i, False),
    ("n", lambda i: i * 7 % 59, False),
  ],
)
def test_a_column_that_numbers_rows_is_no_feature(name, number, dropped):
  cells = [str(number(i)) for i in range(60)]
  table = tables.of_cells("a.csv", {name: cells}, range(60))
  numeric, _, changes = encoding.kinds(table, (name,))
  assert numeric == (() if dropped else (name,))
  assert ["row counter" in c["what"] for c in changes] == [True] * dropped


def test_free_text_named_categorical_is_kept(tmp_path):
  text = "note\n" + "".join(f"t{i}\n" for i in range(60))
  table = read(tmp_path, text)
  assert encoding.kinds(table, ("note",), categorical=("note",))[1] == ("note",)


def test_ages_fall_into_bands_with_their_lower_edge():
  ages = np.array([17.9, 18, 40, 64, 65, np.nan])
  assert encoding.age_bands(ages).tolist() == [
    "0-17", "18-39", "40-64", "40-64", "65+", "",
  ]  # fmt: skip


def test_a_group_column_with_many_levels_is_an_error(tmp_path):
  text = "stage\n" + "".join(f"{i}\n" for i in range(60))
  with pytest.raises(UserError, match=r"'stage' has 60 levels"):
    encoding.group(read(tmp_path, text), "stage")
