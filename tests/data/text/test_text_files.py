"""Text, JSON lines and IOB files: what is read, and each mistake's message."""

import pytest

from medfm.data.text import text_files
from medfm.types import UserError

GOOD = "Asp\tB-Drug\nirin\tI-Drug\nhelps\tO\n\nno\tO\n"


@pytest.fixture
def file(tmp_path):
  def write(content, name="x.tsv"):
    path = tmp_path / name
    path.write_bytes(
      content if isinstance(content, bytes) else content.encode()
    )
    return str(path)

  return write


@pytest.fixture
def fault(file):
  def message(read, content, name="x.tsv", **settings):
    path = file(content, name)
    with pytest.raises(UserError) as caught:
      found = read(path, **settings)
      list(found)
    assert "\n" not in str(caught.value) and path in str(caught.value)
    return str(caught.value)

  return message


def test_sentences_are_separated_by_blank_lines(file):
  sentences, repaired = text_files.iob(file(GOOD))
  assert [s.words for s in sentences] == [("Asp", "irin", "helps"), ("no",)]
  assert sentences[0].tags == ("B-Drug", "I-Drug", "O")
  assert [s.row for s in sentences] == [1, 5] and repaired == 0


def test_a_byte_order_mark_and_windows_line_ends_are_read(file):
  plain, _ = text_files.iob(file(GOOD))
  other = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
  assert text_files.iob(file(other))[0] == plain


def test_document_marks_number_the_documents(file):
  text = "-DOCSTART-\tO\n\na\tO\n\n-DOCSTART-\tO\n\nb\tO\n"
  sentences, _ = text_files.iob(file(text))
  assert [s.document for s in sentences] == [1, 2]


def test_columns_are_chosen_by_number(file):
  text = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"
  sentences, _ = text_files.iob(file(text), delimiter="")
  assert sentences[0].tags == ("B-ORG", "O")


def test_iob1_is_repaired_and_counted_on_demand(file):
  sentences, repaired = text_files.iob(
    file("a\tI-X\nb\tI-X\nc\tO\n"), repair=True
  )
  assert sentences[0].tags == ("B-X", "I-X", "O") and repaired == 1


@pytest.mark.parametrize(
  "content, row",
  [
    ("a\tO\nb\tI-X\n", 2),
    ("a\tB-Y\nb\tI-X\n", 2),
    ("a\tB-X\n\nb\tI-X\n", 3),
    ("a\tO\nb O\n", 2),
    ("a\tO\nb\n", 2),
    ("a\tO\n \tB-X\n", 2),
    ("a\tO\nb\tX\n", 2),
    ("a\tB-\n", 1),
    ("a\tB-two words\n", 1),
    (b"a\tO\ncaf\xe9\tO\n", 2),
    (b"a\tO\n\0\tO\n", 2),
  ],
)
def test_a_malformed_line_is_named(fault, content, row):
  assert f"row {row}:" in fault(text_files.iob, content)


@pytest.mark.parametrize(
  "content, said",
  [
    ("", "is empty"),
    ("\n\n \n", "is empty"),
    ("-DOCSTART-\tO\n", "holds no sentence"),
  ],
)
def test_a_blank_file_is_refused(fault, content, said):
  assert said in fault(text_files.iob, content)


def test_a_missing_file_is_refused(tmp_path):
  with pytest.raises(UserError, match="no such file"):
    text_files.lines(tmp_path / "gone.txt")


def test_json_lines_keep_their_rows(file):
  path = file('{"text": "a"}\n\n{"text": "b"}\n', "x.jsonl")
  assert [row for row, _ in text_files.json_lines(path)] == [1, 3]


@pytest.mark.parametrize(
  "content, row",
  [
    ('{"text": "a"}\n{"text": "b"\n', 2),
    ('{"text": "a"}\n["b"]\n', 2),
    ('{"text": "a"}\n{"txt": "b"}\n', 2),
    ('{"text": {"a": 1}}\n', 1),
    (b'{"text": "a"}\n{"text": "caf\xe9"}\n', 2),
  ],
)
def test_a_broken_json_line_is_named(fault, content, row):
  assert f"row {row}:" in fault(
    lambda path: text_files.read(path).rows, content, "x.jsonl"
  )


def test_json_values_become_cells(file):
  path = file('{"text": "a ", "n": 1, "l": ["x", "y"], "z": null}', "x.jsonl")
  table = text_files.read(path)
  assert [table[k][0] for k in ("text", "n", "l", "z")] == ["a", "1", "x|y", ""]


def test_a_txt_holds_a_text_a_line(file):
  table = text_files.read(file("a b\n\nc\n", "x.txt"))
  assert table["text"] == ["a b", "c"] and table.rows.tolist() == [1, 3]


def test_nan_in_json_lines_is_missing_and_infinity_an_error(file, fault):
  path = file('{"text": "a", "n": NaN}\n{"text": NaN, "n": 2.5}\n', "x.jsonl")
  table = text_files.read(path)
  assert (table["n"], table["text"]) == (["", "2.5"], ["a", ""])
  message = fault(text_files.read, '{"text": "a", "n": Infinity}\n', "x.jsonl")
  assert "row 1: 'n'" in message and "is not a finite number" in message
