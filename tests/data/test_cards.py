"""What is printed of the data at the start of a run."""

import numpy as np

from medfm.data import cards


def test_columns_and_changes_are_two_lines():
  card = {
    cards.READ: "features: 1 number (age)",
    "changes": [
      {"what": "dropped the column 'note': free text", "count": 1},
      {"what": "dropped rows without a label", "count": 1200},
    ],
  }
  assert [*cards.lines(card)] == [
    "features: 1 number (age)",
    "changed: dropped the column 'note': free text; dropped rows without a "
    "label (1,200)",
  ]


def test_nothing_changed_is_no_line():
  assert [*cards.lines({"changes": []})] == []


def test_of_many_changes_the_first_are_shown_and_the_rest_counted():
  changes = [{"what": f"w{i}", "count": i} for i in range(30)]
  (line,) = cards.lines({"changes": changes})
  assert line.startswith("changed: w0 (0); w1 (1)")
  assert line.endswith("w7 (7); and 22 more, see the report's data card")


def test_several_inputs_speak_one_after_another():
  of_table = {cards.READ: "features: 1 number (age)", "changes": []}
  card = {"changes": [], "parts": {"table": of_table, "scan": {"changes": []}}}
  assert [*cards.lines(card)] == ["table: features: 1 number (age)"]


def test_of_many_names_the_first_are_listed():
  names = [f"x{i}" for i in range(15)]
  assert cards.listed(names).endswith("x11 and 3 more")


def test_one_of_a_kind_is_singular_whatever_counts_it():
  counts = (1, np.int64(1), np.count_nonzero([True]), 0, 1200)
  amounts = [cards.amount(count, "row") for count in counts]
  assert amounts == ["1 row"] * 3 + ["0 rows", "1,200 rows"]
