"""A user's own follow-up: events, times, and each mistake with its message."""

import numpy as np
import pytest

from medfm.data.datasets import survival
from tests.data.tables import cohort
from tests.data.tables.cohort import column

CODES = ("0", "1", "no", "Yes", "false", "TRUE")


def text(rows=36, event=lambda i: CODES[i % 6], time=lambda i: i + 1):
  lines = ["pid,age,days,died"]
  for i in range(rows):
    lines.append(f"p{i // 2},{20 + i % 7},{time(i)},{event(i)}")
  return "\n".join(lines) + "\n"


@pytest.fixture
def table(tmp_path):
  """Makes the dataset of a CSV text with these settings."""

  def make(content=None, other=None, **settings):
    given = {"time": "days", "event": "died", **settings}
    content = content or text()
    return cohort.dataset(tmp_path, survival.own, content, other, **given)

  return make


def test_words_and_digits_are_events(table):
  dataset = table(patient="pid")
  assert np.bincount(column(dataset, "event")).tolist() == [18, 18]
  assert sorted(column(dataset, "time")) == list(range(1, 37))
  assert dataset.info.target.names == ("died",)
  assert dataset.info.only.numeric == ("age",)
  assert "label" not in dataset.splits["train"].arrays


def test_causes_are_named_in_order(table):
  dataset = table(
    text(event=lambda i: "012"[i % 3]), causes="2=relapse,1=death"
  )
  assert dataset.info.target.names == ("relapse", "death")
  assert np.bincount(column(dataset, "event")).tolist() == [12, 12, 12]
  event, time = column(dataset, "event"), column(dataset, "time")
  assert (event[np.isin(time, (3, 6))] == 1).all()


def test_splits_are_in_proportion_to_events(table):
  dataset = table(text(200, event=lambda i: int(i % 10 == 0)))
  for split in dataset.splits.values():
    assert split.arrays["event"].mean() == pytest.approx(0.1, abs=0.03)


def test_a_table_to_test_on_is_held_apart(table):
  dataset = table(other=text(10))
  assert len(dataset.splits["test"]) == 10


def test_rows_without_follow_up_are_dropped_and_counted(table):
  content = text(time=lambda i: "" if i == 3 else i + 1)
  content = content.replace("p2,25,6,TRUE", "p2,25,6,")
  dataset = table(content, missing_follow_up="drop")
  assert len(column(dataset, "time")) == 34
  change = {"what": "dropped rows without follow-up (days, died)", "count": 2}
  assert change in dataset.card["changes"]


def test_a_missing_event_is_an_error(fault):
  message = fault(text(event=lambda i: "NA" if i == 2 else 1))
  assert "cohort.csv, row 4, column 'died'" in message
  assert "missing_follow_up='drop'" in message


def test_a_missing_time_is_an_error(fault):
  message = fault(text(time=lambda i: "" if i in (2, 5) else i + 1))
  assert "cohort.csv, row 4, column 'days'" in message and "2 rows" in message


def test_a_negative_time_is_an_error(fault):
  message = fault(text(time=lambda i: i - 1))
  assert message.endswith(
    "cohort.csv, row 2, column 'days': '-1' is a negative time"
  )


def test_a_time_that_is_no_number_is_an_error(fault):
  message = fault(text(time=lambda i: "soon" if i == 0 else i))
  assert "row 2, column 'days': 'soon' is not a finite number" in message


def test_an_unknown_event_is_an_error_that_tells_of_causes(fault):
  message = fault(text(event=lambda i: "012"[i % 3]))
  assert "row 4, column 'died': '2' is no event" in message
  assert "causes=" in message


def test_an_event_that_is_none_of_the_causes_is_an_error(fault):
  message = fault(text(event=lambda i: "0123"[i % 4]), causes=("1", "2"))
  assert "row 5, column 'died': '3' is no event" in message
  assert "0, no, false or one of 1, 2" in message


@pytest.mark.parametrize("role", ["time", "event"])
def test_a_column_that_is_not_named_is_asked_for(fault, role):
  assert f"which column is the {role}?" in fault(**{role: ""})


def test_one_column_cannot_be_both(fault):
  assert "'days' has two roles" in fault(event="days")


def test_an_unknown_column_is_named_with_the_nearest(fault):
  assert "no column 'day' (nearest: days)" in fault(time="day")


def test_nobody_who_fails_is_an_error(fault):
  message = fault(text(event=lambda i: 0))
  assert "cohort.csv: every row of 'died' is censored" in message


def test_a_cause_that_no_training_row_has_is_an_error(fault):
  assert "no training example has the event 'relapse'" in fault(
    causes="1=died,yes=died,true=died,2=relapse"
  )


def test_a_new_table_needs_no_follow_up(table, tmp_path):
  dataset = table(patient="pid")
  (tmp_path / "new.csv").write_text("age\n50\n")
  encoded = dataset.encode(str(tmp_path / "new.csv"))
  assert encoded.arrays["features"].tolist() == [[50]]
