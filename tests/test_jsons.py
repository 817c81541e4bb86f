"""Deeply nested or half JSON, wherever it may come from, is one line."""

import os
import pathlib
import re
import signal
import struct

import pytest

from medfm import command, jsons, spec, study, workdir
from medfm.data.text import text_files, tokenizers
from medfm.grid import cells
from medfm.report import reading
from medfm.types import Folders, UserError
from medfm.weights import safetensors_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEEP = {
  "lists": "[" * 100_000 + "]" * 100_000,
  "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
  "a little too deep": '{"a":' * 200 + "1" + "}" * 200,
}


def header(path):
  text = path.read_bytes()
  path.write_bytes(struct.pack("<Q", len(text)) + text)
  safetensors_file.read(path)


READERS = {
  "lines.jsonl": lambda path: list(text_files.json_lines(path)),
  "config.json": lambda path: safetensors_file.read_config(path.parent),
  "x.index.json": safetensors_file.placed,
  "x.safetensors": header,
  "results.json": lambda path: reading.Run(path.parent),
  "previous.json": lambda path: study._read(path, None),
  "info.json": lambda path: workdir.info(path.parent),
  "tokenizer.json": lambda path: tokenizers.loaded(
    (), Folders(None, ""), path=str(path)
  ),
  "vocab.json": lambda path: tokenizers.loaded(
    (), Folders(None, ""), path=str(path)
  ),
  "run/config.json": lambda path: command.config(str(path), []),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("depth", DEEP)
def test_json_nested_too_deeply_is_one_line(depth, reader, tmp_path):
  path = tmp_path / reader
  path.parent.mkdir(exist_ok=True)
  path.write_text(DEEP[depth])
  with pytest.raises(UserError) as caught:
    READERS[reader](path)
  line = str(caught.value)
  assert path.name in line
  assert "\n" not in line
  assert len(line) < 400


OF_FILES = READERS | {"x.safetensors": safetensors_file.read}


class Hung(BaseException):
  """Not an OSError, as TimeoutError is, which readers take for a bad file."""


@pytest.mark.parametrize("reader", OF_FILES)
def test_a_pipe_in_place_of_json_is_one_line(reader, tmp_path):
  path = tmp_path / reader
  path.parent.mkdir(exist_ok=True)
  os.mkfifo(path)

  def hung(number, frame):
    raise Hung(f"{reader} waits for a pipe")

  before = signal.signal(signal.SIGALRM, hung)
  signal.alarm(5)
  try:
    with pytest.raises(UserError) as caught:
      OF_FILES[reader](path)
  finally:
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
  assert path.name in str(caught.value)


@pytest.mark.parametrize("depth", DEEP)
def test_json_of_a_grid_that_is_nested_too_deeply_is_damaged(depth, tmp_path):
  (tmp_path / "x.json").write_text(DEEP[depth])
  assert cells.read(tmp_path / "x.json") == {}


@pytest.mark.parametrize("text", ['"\\ud800"', '{"a": "x\\uDFFF"}'])
def test_half_a_character_is_no_text(text):
  with pytest.raises(ValueError, match="half a character"):
    jsons.parsed(text)
  with pytest.raises(ValueError, match="half a character"):
    jsons.parsed(text.encode())


def test_json_that_is_sound_is_read_as_the_library_reads_it():
  assert jsons.parsed('{"a": [1, {"b": null}], "c": "\\ud83d\\ude00"}') == {
    "a": [1, {"b": None}],
    "c": "😀",
  }
  deepest = "[" * jsons.DEEPEST + "]" * jsons.DEEPEST
  assert jsons.parsed(deepest)
  with pytest.raises(ValueError, match="deeply"):
    jsons.parsed(f"[{deepest}]")


def test_a_config_that_is_a_list_is_no_config():
  with pytest.raises(ValueError, match="no object"):
    spec.from_json("[1]")


def test_all_json_is_read_in_one_way():
  sources = [ROOT / "launch.py", *sorted((ROOT / "medfm").rglob("*.py"))]
  readers = [
    path.name
    for path in sources
    if re.search(r"\bjson\.loads?\(", path.read_text())
  ]
  assert readers == ["jsons.py"]
