"""Names that come from data break neither paths nor files nor pages."""

import os
import pwd

import numpy as np
import pytest

from medfm import log, predictions, setup, study
from medfm.data import decoded
from medfm.data.images import files as image_files
from medfm.data.text import text_files
from medfm.report import markup, reading
from medfm.types import UserError
from tests.launching import launch

CELLS = (
  "plain",
  "a\rb",
  "a\nb",
  "a\r\nb",
  "\rx",
  'say "x", or y',
  " blanks ",
  "",
  "=1+1",
  "+x",
  "-x",
  "@x",
  "\tx",
  "'x",
  "'=x",
  "''=x",
  "-1.5",
  "+2",
  "-inf",
  "nan",
  "É",
  "x" * 200_000,
)


def written(tmp_path):
  rows = [
    {"stage": "train", "split": "test", "id": cell, "=group": cell}
    for cell in CELLS
  ]
  path = tmp_path / "predictions.csv"
  path.write_text(predictions.text(rows))
  return path, rows


def test_every_cell_is_read_back_as_it_was(tmp_path):
  path, rows = written(tmp_path)
  assert predictions.read(path) == rows


def test_a_spreadsheet_sees_no_formula(tmp_path):
  path, _ = written(tmp_path)
  lines = path.read_text().splitlines()
  assert lines[0] == "stage,split,id,'=group"
  for cell, shown in {"=1+1": "'=1+1", "@x": "'@x", "-1.5": "-1.5"}.items():
    assert f"train,test,{shown},{shown}" in lines, cell


def test_rows_of_another_length_are_still_told_apart(tmp_path):
  path = tmp_path / "predictions.csv"
  path.write_text("stage,split,id\na,b,c\n\na,b\na,b,c,d\n")
  assert [None in (*row, *row.values()) for row in predictions.read(path)] == [
    False,
    True,
    True,
  ]
  path.write_text("")
  assert predictions.read(path) == []


@pytest.mark.parametrize("damage", [b"\xff", b"\xc3("])
def test_predictions_that_are_no_text_are_one_line(tmp_path, damage):
  path, _ = written(tmp_path)
  path.write_bytes(path.read_bytes().replace(b"plain", damage))
  with pytest.raises(UserError, match=r"predictions\.csv is damaged .*remove"):
    predictions.read(path)


KEYS = ("group_sex/site", "group_../../x", "group_a@utf8", "group_" + "n" * 300)


def test_a_column_of_any_name_is_kept_on_the_disk(tmp_path):
  def made():
    example = {"id": "1", "label": 1, "x/y": np.ones(2), "note@ends": "text"}
    return {"train": [example | dict.fromkeys(KEYS, "f")]}, []

  for _ in range(2):
    splits, _ = decoded.cached(tmp_path / "c", made)
    train = splits["train"]
    assert train.groups.keys() == {k.removeprefix("group_") for k in KEYS}
    assert train.arrays.keys() == {"label", "x/y", "note@ends"}
    assert train.arrays["note@ends"].tolist() == ["text"]
  names = {path.name for path in tmp_path.rglob("*")}
  assert not any("sex" in name or len(name) > 100 for name in names)


def test_a_file_name_that_is_no_text_is_one_line(tmp_path):
  folder = tmp_path / "scans" / "a"
  folder.mkdir(parents=True)
  (folder / "B\udcfcrzel.png").write_bytes(b"")
  with pytest.raises(UserError, match=r"the file name B\\xfcrzel.png is not"):
    image_files.under(tmp_path / "scans")


def test_half_a_character_in_json_lines_is_named_by_its_row(tmp_path):
  path = tmp_path / "notes.jsonl"
  path.write_text('{"text": "fine"}\n{"text": "\\ud83d"}\n')
  with pytest.raises(UserError, match=r"row 2: is not JSON .*half a character"):
    text_files.read(str(path))


def test_marks_that_turn_text_around_are_shown_in_a_report():
  cell = markup.tag("td", "a\u202eb\u2066c", title="\u202e")
  assert cell == '<td title="[U+202E]">a[U+202E]b[U+2066]c</td>'


def test_an_argument_that_is_no_text_is_one_line():
  done = launch(os.fsdecode(b"--config.data.path=K\xfcrzel.csv"))
  assert done.returncode == 2
  assert done.stderr == (
    "error: '--config.data.path=K\\udcfcrzel.csv' is not UTF-8 text\n"
  )


@pytest.mark.parametrize("variable", ["MEDFM_CACHE_DIR", "MEDFM_DATA_DIR"])
def test_a_user_without_a_home_is_told_what_to_set(
  variable, monkeypatch, tmp_path
):
  def unknown(number):
    raise KeyError(number)

  monkeypatch.delenv("HOME", raising=False)
  monkeypatch.delenv("MEDFM_CACHE_DIR", raising=False)
  monkeypatch.setattr(pwd, "getpwuid", unknown)
  if variable == "MEDFM_DATA_DIR":
    monkeypatch.setenv("MEDFM_CACHE_DIR", str(tmp_path))
    assert setup.folders(None).cache == str(tmp_path)
  monkeypatch.setenv(variable, "~/x")
  with pytest.raises(UserError, match="set MEDFM_CACHE_DIR"):
    setup.folders(None)


DAMAGED = (
  "[]",
  "3",
  '{"stages": 3}',
  '{"stages": {"train": 3}}',
  '{"stages": {"train": {"splits": []}}}',
  '{"stages": {"train": {"splits": {"test": 1}}}}',
  '{"stages": {}, "comparisons": {}}',
  '{"stages": {}, "finished": "yes"}',
  "{x",
  "\udcff",
)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_results_are_one_line(content, tmp_path):
  path = tmp_path / "results.json"
  path.write_bytes(content.encode("utf-8", "surrogateescape"))
  for read in (lambda: study._read(path, None), lambda: reading.Run(tmp_path)):
    with pytest.raises(UserError, match=r"results\.json is damaged"):
      read()


@pytest.mark.parametrize("line", ["{x", "[]", "{}", '{"step": "1"}', "\udcff"])
def test_a_damaged_line_loses_none_after_it(line, tmp_path):
  path = tmp_path / "metrics.jsonl"
  lines = ['{"step": 1}', line, '{"step": 3}']
  content = "\n".join(lines).encode("utf-8", "surrogateescape")
  path.write_bytes(content + b"\n")
  for read in (lambda: log.read(path), lambda: log.Metrics(tmp_path, 3)):
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: is damaged"):
      read()
  assert path.read_bytes() == content + b"\n"
  path.write_text('{"step": 1}\n{"st')  # Killed while it was written.
  assert log.read(path) == [{"step": 1}]
