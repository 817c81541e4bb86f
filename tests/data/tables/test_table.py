"""Strict CSV reading: each fault is named by row, none is repaired."""

import numpy as np
import pytest

from medfm.data.tables import numerals
from medfm.data.tables import table as tables
from medfm.types import UserError


def read(tmp_path, text, **options):
  path = tmp_path / "cohort.csv"
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  return tables.read(path, **options)


def fault(tmp_path, text, **options):
  with pytest.raises(UserError) as caught:
    read(tmp_path, text, **options)
  return str(caught.value)


def test_cells_are_held_by_column_with_the_row_they_came_from(tmp_path):
  table = read(tmp_path, "age,sex\n41,f\n52,m\n")
  assert table.columns == {"age": ["41", "52"], "sex": ["f", "m"]}
  assert table.rows.tolist() == [2, 3]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
  assert "age" in read(tmp_path, b"\xef\xbb\xbfage\n41\n").columns


def test_a_quoted_line_break_stays_in_its_cell_and_row(tmp_path):
  table = read(tmp_path, 'age,note\r\n41,"a\r\nb"\r\n52,c\r\n')
  assert table["note"] == ["a\r\nb", "c"]
  assert table.rows.tolist() == [2, 3]


def test_blank_lines_hold_no_row_but_count(tmp_path):
  assert read(tmp_path, "age\n41\n\n52\n\n").rows.tolist() == [2, 4]


def test_missing_markers_become_empty(tmp_path):
  table = read(tmp_path, "a,b\n?, NA \nnan,\n-9,x\n")
  assert table["a"] == ["", "", "-9"]
  assert table["b"] == ["", "", "x"]


def test_other_missing_markers_can_be_named(tmp_path):
  table = read(tmp_path, "a\n-9\nNA\n", missing=("-9",))
  assert table["a"] == ["", "NA"]


def test_a_file_without_a_header_takes_given_names(tmp_path):
  table = read(tmp_path, "41,f\n", names=("age", "sex"))
  assert table["age"] == ["41"]
  assert table.rows.tolist() == [1]


def test_other_delimiters_can_be_named(tmp_path):
  assert read(tmp_path, "a;b\n1;2\n", delimiter=";")["b"] == ["2"]


def test_many_rows_are_read_in_order(tmp_path):
  text = "a,b\n" + "".join(f"{i},x\n" for i in range(10_000))
  table = read(tmp_path, text)
  assert tables.numbers(table, "a").tolist() == list(range(10_000))
  assert len({id(cell) for cell in table["b"]}) == 1


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("a,b\n1,2\n1\n", ["row 3", "1 cell,", "expected 2"]),
    ("a,b\n1,2,3\n", ["row 2", "3 cells", "expected 2"]),
    ("a,b,a\n1,2,3\n", ["'a'", "twice"]),
    ("a,,c\n1,2,3\n", ["column 2", "no name"]),
    ("", ["empty"]),
    ("\n\n", ["empty"]),
    ("a,b\n", ["no rows"]),
    ("a;b\n1;2\n", ["';'", "delimiter"]),
    (b"name\nM\xfcller\n", ["row 2", "0xfc", "UTF-8"]),
    (b"a\n1\n\x00\n", ["row 3", "0x00"]),
    (b"\xff\xfea\x00", ["UTF-16"]),
    (b"PK\x03\x04rest", ["Excel"]),
    ('a,b\n1,"2\n3,4\n', ["row 2", "quote"]),
    ('a\n"x"y\n', ["row 2", "quote"]),
  ],
)
def test_a_malformed_file_is_refused_by_row(tmp_path, text, words):
  message = fault(tmp_path, text)
  assert message.startswith(str(tmp_path / "cohort.csv"))
  assert [word for word in words if word not in message] == []
  assert "\n" not in message


def test_a_message_shows_no_other_cell(tmp_path):
  message = fault(tmp_path, "name,age\nDoe,41\nRoe\n")
  assert "Doe" not in message
  assert "Roe" not in message


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path):
  with pytest.raises(UserError, match="is a folder"):
    tables.read(tmp_path)
  with pytest.raises(UserError, match="no such file"):
    tables.read(tmp_path / "x.csv")


def test_numbers_are_float32_with_nan_where_missing(tmp_path):
  table = read(tmp_path, "a\n1\n?\n-2.5e1\n.5\n")
  values = tables.numbers(table, "a")
  assert values.dtype == np.float32
  np.testing.assert_array_equal(values, [1, np.nan, -25, 0.5])


@pytest.mark.parametrize(
  "cell", ["high", "inf", "-Infinity", "1_000", "١", "1e99"]
)
def test_text_in_a_number_column_is_named(tmp_path, cell):
  table = read(tmp_path, f"id,a\n7,1\n8,{cell}\n")
  with pytest.raises(UserError) as caught:
    tables.numbers(table, "a")
  message = str(caught.value)
  assert "row 3, column 'a'" in message
  assert repr(cell) in message


def test_a_long_cell_is_shortened_in_a_message(tmp_path):
  table = read(tmp_path, "a\n" + "x" * 99 + "\n")
  with pytest.raises(UserError) as caught:
    tables.numbers(table, "a")
  assert "x" * 21 not in str(caught.value)


def test_a_column_is_numeric_if_all_observed_cells_are(tmp_path):
  table = read(tmp_path, "a,b,c\n1,x,\n,y,\n2.5,3,\n")
  assert tables.is_numeric(table, "a")
  assert not tables.is_numeric(table, "b")
  assert tables.is_numeric(table, "c")


def test_one_word_among_numbers_is_an_error_not_a_text_column(tmp_path):
  table = read(tmp_path, "a\n1\n2\nhigh\n")
  with pytest.raises(UserError, match=r"row 4, column 'a': 'high'"):
    tables.is_numeric(table, "a")


def test_an_unknown_column_names_the_nearest(tmp_path):
  with pytest.raises(UserError, match=r"'agee' \(nearest: age\)"):
    read(tmp_path, "age\n1\n")["agee"]


class _Counted(str):
  """A column's name that counts how often it is compared."""

  compared = 0
  __hash__ = str.__hash__

  def __eq__(self, other):
    _Counted.compared += 1
    return str.__eq__(self, other)


def test_the_names_of_many_columns_are_not_compared_with_each_other():
  names = [_Counted(f"cg{i}") for i in range(2000)]
  tables._check_header("x.csv", names, ",")
  assert _Counted.compared < 10 * len(names)


def test_a_long_cell_that_is_no_number_is_seen_at_once():
  assert not numerals.is_number("1" * 500_000 + "x")
  assert numerals.is_number("1" * 500_000 + ".5e3")


@pytest.mark.parametrize(
  ("cells", "numeric"),
  [
    (["1", "", "-.5", "2.", "+3e-4"], True),
    (["", ""], True),
    (["a\n1", "b"], False),
    (["1 2", "x", "y"], False),
    (["١", "x", "y"], False),
  ],
)
def test_a_column_of_numbers_is_known_as_a_whole(cells, numeric):
  table = tables.of_cells("x.csv", {"a": cells}, range(len(cells)))
  assert tables.is_numeric(table, "a") is numeric


def test_a_line_break_within_a_cell_does_not_make_two_numbers():
  table = tables.of_cells("x.csv", {"a": ["1\n2", "3"]}, [2, 3])
  with pytest.raises(UserError, match="row 2, column 'a'"):
    tables.numbers(table, "a")


def written(tmp_path, text, **settings):
  (tmp_path / "r.csv").write_text(text)
  return tables.read(tmp_path / "r.csv", **settings)


@pytest.mark.parametrize(
  "text",
  [
    'age,sex,y\n"1",40,f,1\n"2",50,m,0\n',  # R's write.table.
    '"","age","sex","y"\n"1",40,"f",1\n"2",50,"m",0\n',  # R's write.csv.
    ",age,sex,y\n0,40,f,1\n1,50,m,0\n",  # pandas with its index.
  ],
)
def test_names_of_rows_without_a_header_are_a_column_of_their_own(
  tmp_path, text
):
  table = written(tmp_path, text)
  assert list(table.columns) == [tables.ROW_NAMES, "age", "sex", "y"]
  assert table["age"] == ["40", "50"]


@pytest.mark.parametrize(
  "text",
  [
    "a,b\n1,2,\n2,3,\n",  # A comma at the end of each row.
    "a,b\n7,1,5\n7,2,5\n",  # A decimal comma, and no name of a row.
    "a,b\n1,2,3\n2,3\n",
    "a\n1,5\n2,5\n",
  ],
)
def test_rows_that_are_too_long_for_another_reason_stay_an_error(
  tmp_path, text
):
  with pytest.raises(UserError, match=r"row 2(: \d cells?,| has 2 cells:)"):
    written(tmp_path, text)


def test_decimal_commas_are_read_where_they_are_set(tmp_path):
  text = "age;crp;stage;note\n40;12,5;I;a,b\n50;1.234,25;II;c\n60;-3;I;\n"
  table = written(tmp_path, text, delimiter=";", decimal=",")
  assert tables.numbers(table, "crp").tolist() == [12.5, 1234.25, -3]
  assert table["note"] == ["a,b", "c", ""]


@pytest.mark.parametrize("cells", [("1.234", "5"), ("1,5", "2.5")])
def test_a_point_beside_decimal_commas_is_refused(tmp_path, cells):
  with pytest.raises(UserError, match=r"row \d, column 'x': .* has a point"):
    written(tmp_path, "x\n" + "\n".join(cells), delimiter=";", decimal=",")


def test_another_decimal_mark_is_an_error(tmp_path):
  with pytest.raises(UserError, match=r"decimal=';': expected '\.' or ','"):
    written(tmp_path, "a\n1\n", decimal=";")


def test_a_column_of_decimal_commas_names_the_setting(tmp_path):
  table = written(tmp_path, "x;y\n12,5;1\n13,5;2\n14;3\n", delimiter=";")
  with pytest.raises(UserError) as caught:
    tables.is_numeric(table, "x")
  assert "row 2, column 'x': '12,5' is not a finite number" in str(caught.value)
  assert "33% of the column are" in str(caught.value)
  assert "set decimal=','" in str(caught.value)


@pytest.mark.parametrize(
  ("cell", "words"),
  [
    ("{}%", "write numbers alone"),
    ("{} mg", "write numbers alone"),
    ("\u2212{}", "write numbers alone"),
    ("\u200b{}.5", "write numbers alone"),
    ("1'{:03}", "write numbers alone"),
    ("1,{:03}.5", "write numbers alone"),
    ("1,{:03}", "write it without commas"),
  ],
)
def test_numbers_in_another_dress_are_no_category(cell, words):
  cells = [cell.format(i) for i in range(20)]
  table = tables.of_cells("a.csv", {"x": cells}, range(20))
  with pytest.raises(UserError, match=rf"row 0, column 'x': .*{words}"):
    tables.is_numeric(table, "x")


def test_limits_among_numbers_are_told_even_if_most_are_limits():
  cells = ["<0.5"] * 15 + ["0.7", "1.2"]
  table = tables.of_cells("a.csv", {"x": cells}, range(17))
  with pytest.raises(UserError, match=r"'<0\.5' is not a finite number"):
    tables.is_numeric(table, "x")


@pytest.mark.parametrize(
  "cells",
  [["<30", ">30", "NO"] * 9, ["5 mg", "10 mg"] * 9,
   [f"{i}{'ABCD'[i % 4]}" for i in range(30)]],
)  # fmt: skip
def test_a_few_levels_or_codes_with_digits_may_be_categories(cells):
  table = tables.of_cells("a.csv", {"x": cells}, range(len(cells)))
  assert not tables.is_numeric(table, "x")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le"])
def test_another_unicode_is_named(tmp_path, codec):
  (tmp_path / "a.csv").write_bytes("a,b\n1,2\n".encode(codec))
  with pytest.raises(UserError, match="is UTF-16 text"):
    tables.read(tmp_path / "a.csv")


def test_a_line_about_the_separator_is_no_header(tmp_path):
  assert read(tmp_path, "sep=,\na,b\n1,2\n").columns == {"a": ["1"], "b": ["2"]}


def test_a_title_above_the_header_is_told(tmp_path):
  assert "remove the lines above the header" in fault(
    tmp_path, "# of 2020\na,b\n1,2\n"
  )


def test_a_link_in_a_circle_is_no_file(tmp_path):
  (tmp_path / "a.csv").symlink_to(tmp_path / "a.csv")
  with pytest.raises(UserError, match=r"a\.csv: (cannot be read|no such file)"):
    tables.read(tmp_path / "a.csv")
