"""One name in many spellings, and names that only look alike."""

import numpy as np
import pytest

from medfm.data import leakage, spelling
from medfm.data.tables import table as tables
from medfm.types import Dataset, Split, UserError
from tests import infos

ALIKE = [
  ("001", "1"),
  ("1.0", "1"),
  ("007.00", "7"),
  ("1e+05", "100000"),
  ("1.23e+05", "123000"),
  ("-0", "0"),
  (" P1 ", "P1"),
  ("A\u00a0 1", "A 1"),
  ("\ufeff7", "7"),
  ("sick\u200b", "sick"),
  ("\uff11\uff12", "12"),
  ("\u0661", "1"),
  ("e\u0301", "\u00e9"),
  ("P\u20111", "P-1"),
  ("O\u2019Neil", "O'Neil"),
  ("1e3", "1000"),
  ("P\u20141", "P-1"),
  ("A\ufe0f\u034f1", "A1"),
]
"""Spellings of one name, whatever it names."""

OF_PATIENTS = [
  ("P1", "p1"),
  ("P-001", "P1"),
  ("p_01", "P 1"),
  ("PAT/0007-B", "pat7b"),
  ("12-05", "12/5"),
  ('="001"', "1"),
  ("'007", "7"),
  ("\u0420001", "P001"),  # A Cyrillic letter,
  ("\u039101", "A1"),  # and a Greek one.
]
"""And those of one patient."""

APART = [("1.10", "1.1"), ("1E50", "1"), ("10", "1"), ("-1", "1"), ("1+", "1")]
OTHERS = [("1-2", "12"), ("1.05", "1.5"), ("P10", "P1"), ("P1-2", "P12")]


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_spellings_of_one_name_are_one(first, second):
  assert spelling.plain(first) == spelling.plain(second)
  assert spelling.folded(first) == spelling.folded(second)
  assert spelling.owner(first) == spelling.owner(second)


@pytest.mark.parametrize(
  ("first", "second"), [*APART, *OTHERS, ("", "0"), (".", "0")]
)
def test_names_that_say_other_things_are_two(first, second):
  assert spelling.folded(first) != spelling.folded(second)
  assert spelling.owner(first) != spelling.owner(second)


@pytest.mark.parametrize("cell", ["1.23457E+11", "1.2345678901234568e+16"])
def test_a_patient_whose_digits_were_rounded_away_is_refused(cell):
  table = tables.of_cells("a.csv", {"who": ["1", cell]}, [2, 3])
  with pytest.raises(UserError, match=r"row 3, column 'who': .* rounded away"):
    spelling.owners(table, "who", "patient")


def test_patients_called_unknown_are_not_one_patient():
  table = tables.of_cells("a.csv", {"who": ["nan", "a", "None"]}, [2, 3, 4])
  table, (change,) = spelling.owners(table, "who", "patient")
  assert table["who"] == ["", "a", ""]
  assert change["count"] == 2 and "taken for unknown" in change["what"]


def test_case_tells_classes_apart_and_not_patients():
  assert spelling.plain("Aa") != spelling.plain("aa")
  assert spelling.folded("Aa") == spelling.folded("aa")
  assert spelling.folded("STRASSE") == spelling.folded("stra\u00dfe")


def test_cells_keep_the_spelling_that_came_first():
  same = spelling.unified(["07", "b", "7.0", "\u200b", "7"], spelling.folded)
  assert same.cells == ["07", "b", "07", "", "07"]
  assert same.merged == {"7.0": "07", "\u200b": "", "7": "07"}
  assert same.rows == (2, 0)


def test_what_is_not_seen_is_not_shown_either():
  same = spelling.unified(["sick\u200b", "sick"], spelling.plain)
  assert same.cells == ["sick", "sick"]


def test_a_changed_column_is_told_by_its_rows_and_names_nobody():
  table = tables.of_cells(
    "some/where.csv", {"who": ["Ann", "Bo", "ann"]}, [2, 3, 4]
  )
  changed, (change,) = spelling.owners(table, "who", "patient")
  assert changed["who"] == ["Ann", "Bo", "Ann"]
  assert change["count"] == 1
  assert "where.csv row 4 and where.csv row 2" in change["what"]
  assert "nn" not in change["what"].replace("cannot", "")


def test_a_known_name_is_found_by_spelling_and_then_by_case():
  place = spelling.matcher(("1", "Male", "AA", "Aa", "aa"))
  assert [place(name) for name in ("1.0", "01", "male", "MALE ")] == [
    0,
    0,
    1,
    1,
  ]
  assert [place(name) for name in ("AA", "Aa", "aa")] == [2, 3, 4]
  assert place("aA") == place("2") == place("") == -1


def test_names_that_differ_in_case_alone_are_refused():
  with pytest.raises(UserError, match="'Sick' and 'sick' differ in case"):
    spelling.refuse_cases("a.csv", ["Sick", "well", "sick"])
  spelling.refuse_cases("a.csv", ["Sick", "well", "Sick"])


@pytest.mark.parametrize(("first", "second"), [*ALIKE, *OF_PATIENTS])
def test_the_meter_knows_a_patient_in_any_spelling(first, second):
  info = infos.info("toy", "none", numeric=("a",))
  parts = {
    name: Split(
      {"features": np.array([[i]], np.float32)},
      np.array([name]),
      np.array([who]),
    )
    for i, (name, who) in enumerate((("train", first), ("test", second)))
  }
  report = leakage.leakage(Dataset(parts, info, {}))
  assert report["pairs"]["train/test"]["patients"]["count"] == 1
