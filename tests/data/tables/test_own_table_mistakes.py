"""Each mistake in a user's CSV or its settings, and its message."""

import pytest

from tests.data.tables.cohort import text

PATIENT_TWICE = "pid,x,part,outcome\n" + "".join(
  f"p{i % 9},{i},{('train', 'test')[i % 2]},{i % 2}\n" for i in range(12)
)


@pytest.mark.parametrize(
  ("content", "settings", "words"),
  [
    (text(), {"label": "outcom"}, ["'outcom'", "nearest: outcome"]),
    (text(), {"patient": "pdi"}, ["'pdi'", "nearest: pid"]),
    (text(), {"groups": ("sx",)}, ["'sx'", "nearest: sex"]),
    (text(), {"drop": ("nota",)}, ["'nota'", "nearest: note"]),
    (text(), {"numeric": ("agee",)}, ["'agee'", "nearest: age"]),
    (text(), {"patient": "outcome"}, ["'outcome'", "two roles"]),
    (text(), {"numeric": ("sex",)}, ["row 2", "'sex'", "'f'"]),
    (text() + "p9,x9,f,1,y,n\n", {}, ["row 32", "'age'", "'x9'"]),
    (text() + "p9,40,f,1\n", {}, ["row 32", "4 cells", "expected 6"]),
    (text() + "p9,40,f,1,,n\n", {}, ["row 32", "'outcome'", "missing",
                                     "missing_label='drop'"]),
    (text(), {"missing_label": "skip"}, ["'skip'", "'error' or 'drop'"]),
    (text().replace(",n,", ",y,"), {}, ["'outcome'", "only one class"]),
    (text(), {"classes": ("y", "no")}, ["row 2", "'n'", "y, no",
                                       "nearest: no"]),
    (text(), {"positive": "yes"}, ["'yes'", "n, y", "nearest: y"]),
    (text(), {"task": "multilabel"}, ["row 2", "'outcome'", "expected 0, 1"]),
    (text(), {"task": "regression"}, ["row 2", "'outcome'", "not a finite"]),
    (text(), {"task": "ordinal"}, ["'ordinal'", "expected multiclass"]),
    (text(), {"label": "sex,outcome"}, ["task='multilabel'"]),
    (text(), {"label": "dose", "missing_label": "drop"}, ["regression"]),
    (text(), {"path": "nope.csv"}, ["nope.csv", "no such file"]),
    (text(), {"path": "cohort.cvs"}, ["nearest: cohort.csv"]),
    (text(), {"path": "."}, ["is a folder"]),
    (text(), {"split_column": "sex"}, ["row 2", "'f'", "not a split"]),
    (text(), {"id": "pid"}, ["row 3", "'pid'", "row 2"]),
    (text(), {"groups": ("dose",)}, ["'dose'", "levels"]),
    (text(), {"fractions": (0.5, 0.2)}, ["fractions"]),
    (text(), {"delimiter": ";"}, ["','", "delimiter"]),
    (text(), {"units": ("mg",)}, ["units"]),
    (text(), {"drop": ("pid", "age", "sex", "dose", "note")}, ["no feature"]),
    (PATIENT_TWICE, {"patient": "pid", "split_column": "part"},
     ["row 2 (train)", "row 11 (test)", "the same patient"]),
    (PATIENT_TWICE.replace(",test,", ",train,"), {"split_column": "part"},
     ["'part'", "'test'"]),
  ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_where(fault, content, settings, words):
  message = fault(content, **settings)
  assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
  ("other", "settings", "words"),
  [
    (text(4), {"patient": "pid"}, ["cohort.csv, row 2", "later.csv, row 2"]),
    (text(4).replace(",y,", ",maybe,"), {},
     ["later.csv, row 3", "'maybe'", "n, y"]),
    (text(4).replace("dose", "dosis"), {},
     ["later.csv", "'dose'", "nearest: dosis"]),
    (text(4).replace("20", "young"), {},
     ["later.csv, row 2", "'age'", "'young'"]),
    (text(4), {"split_column": "sex"}, ["not both"]),
  ],
)  # fmt: skip
def test_a_test_file_that_does_not_fit_is_refused(
  fault, other, settings, words
):
  message = fault(text(), other, **settings)
  assert [word for word in words if word not in message] == []


def test_a_mistake_is_found_again_after_it_was_mended(table, fault):
  bad = text() + "p9,x9,f,1,y,n\n"
  fault(bad)
  table()
  assert "row 32" in fault(bad)
