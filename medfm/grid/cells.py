"""Cells: the runs of a grid, and their states, read from their folders.

A cell is an ordinary run in an ordinary workdir, `<name>-<hash of config>`.
Beside the run's files the folder has request.json, the resolved config it is
started with; cell.json, the setting, the version of the code and how the last
attempt ended; log.txt; and .running, locked by the kernel for as long as any
process of the cell lives. States follow from these files alone.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medfm import jsons, workdir
from medfm.grid import combine

DONE, FAILED, MISSING = "done", "failed", "missing"
STALE, RUNNING, UNAVAILABLE = "stale", "running", "unavailable"
PRUNED = "pruned"
STATES = (DONE, PRUNED, RUNNING, MISSING, STALE, FAILED, UNAVAILABLE)

_NOT_NUMBERS = ("grid", "report")
"""Parts of medfm that no number of a run depends on."""


@dataclasses.dataclass(frozen=True)
class Cell:
  """One run of a grid.

  name: the folder's name within the grid's folder.
  setting: the settings in which it differs from other cells; {} for a shared
    stage.
  request: the resolved config as JSON text.
  needs: names of the cells that must be done before it.
  unavailable: why it cannot run on this machine, or "".
  """

  name: str
  folder: Path
  setting: combine.Setting
  request: str = ""
  needs: tuple[str, ...] = ()
  unavailable: str = ""

  def plain(self) -> dict[str, Any]:
    """The cell, without its request, for a JSON file in its grid's folder."""
    return {
      "name": self.name,
      "setting": combine.as_text(self.setting),
      "needs": list(self.needs),
      "unavailable": self.unavailable,
    }


def listed(root: Path, path: Path) -> list[Cell]:
  """The cells of the grid in `root` that a JSON file lists, as `Cell.plain`."""
  entries = [
    {**entry, "folder": root / entry["name"], "needs": tuple(entry["needs"])}
    for entry in read(path).get("cells", ())
  ]
  return [Cell(**entry) for entry in entries]


class Status(NamedTuple):
  """state: one of STATES; why: the reason, in words, or ""."""

  state: str
  why: str = ""


def digest(text: str) -> str:
  return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_version() -> str:
  """A hash over every source file that a run's numbers can depend on."""
  root = Path(__file__).parents[1]
  version = hashlib.sha256()
  for path in sorted(root.rglob("*.py")):
    inner = path.relative_to(root)
    if inner.parts[0] not in _NOT_NUMBERS:
      version.update(f"{inner.as_posix()}\0".encode() + path.read_bytes())
  return version.hexdigest()


def varied(settings: Sequence[Mapping[str, Any]]) -> list[str]:
  """The keys in which settings differ."""
  keys = dict.fromkeys(key for setting in settings for key in setting)
  return [k for k in keys if len({repr(s.get(k)) for s in settings}) > 1]


def readable(setting: Mapping[str, Any], keys: Collection[str]) -> str:
  """A readable name for a setting, of some of its keys."""
  words = [_word(key, setting[key]) for key in keys if key in setting]
  return "-".join(dict.fromkeys(words)) or "cell"


def _word(key: str, value: Any) -> str:
  """`lr0.001`, `adam`, or the words of a config's variant."""
  text, last = str(value), key.rpartition(".")[2]
  if key == "config":
    text = text.partition(":")[2] or Path(text).stem
  elif combine.number(text) is not None:
    text = last + text
  elif text in ("True", "False", "None", "true", "false"):
    text = f"{last}-{text.lower()}"
  return re.sub(r"[^\w.+]+", "-", text).strip("-.")[:40] or "empty"


def status(cell: Cell) -> Status:
  """The status of a cell, from its folder."""
  if running(cell.folder):
    return Status(RUNNING)
  noted = read(cell.folder / "cell.json")
  results = read(cell.folder / "results.json")
  begun = (cell.folder / "config.json").exists()
  if begun and noted.get("code") != code_version():
    return Status(STALE, "made by another version of the code")
  if noted.get("pruned"):
    return Status(PRUNED, noted["pruned"])
  if results.get("finished") and (cell.folder / "report.html").exists():
    return Status(DONE)
  if noted.get("error"):
    return Status(FAILED, noted["error"])
  if cell.unavailable:
    return Status(UNAVAILABLE, cell.unavailable)
  return Status(MISSING, "interrupted" if begun else "")


def statuses(cells: Sequence[Cell]) -> dict[str, Status]:
  """The status of every cell, by name.

  Finished cells with the same data config are stale if they saw other data than
  the newest of them.
  """
  states = {cell.name: status(cell) for cell in cells}
  paths = [
    cell.folder / "results.json"
    for cell in cells
    if states[cell.name].state == DONE
  ]
  paths.sort(key=lambda path: path.stat().st_mtime)
  seen = {path.parent.name: fingerprints(path) for path in paths}
  newest = dict(entry for data in seen.values() for entry in data.items())
  for name, data in seen.items():
    if not data.items() <= newest.items():
      states[name] = Status(STALE, "made from data that have changed since")
  return states


def counted(every: Iterable[Status]) -> dict[str, int]:
  """State -> how many cells are in it."""
  counts = Counter(status.state for status in every)
  return {state: counts[state] for state in STATES if counts[state]}


def fingerprints(path: Path) -> dict[str, str]:
  """Data config -> fingerprint of the data, of a results.json."""
  config, prints = read(path.with_name("config.json")), {}
  # Of a damaged file, whatever can be read; the run itself refuses it.
  with contextlib.suppress(LookupError, TypeError, AttributeError):
    for name, stage in read(path).get("stages", {}).items():
      data = stage_config(config, name).get("data")
      key = json.dumps(data, sort_keys=True)
      prints[key] = stage["data"]["card"]["fingerprint"]
  return prints


def stage_config(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
  """A stage's part of a config; all of it if it has no stages."""
  return config.get("stages", {}).get(name, config)


def lacking(cell: Cell) -> str:
  """The first cell that this one needs and that is not done, or ""."""
  for name in cell.needs:
    needed = dataclasses.replace(cell, folder=cell.folder.with_name(name))
    if status(needed).state != DONE:
      return name
  return ""


def prepare(cell: Cell, stale: bool) -> bool:
  """Writes the files a cell starts with; a stale run is moved aside first.

  Returns False, and notes the reason, if a cell that it needs is not done.
  """
  if stale:
    aside = cell.folder.parent / ".stale"
    aside.mkdir(exist_ok=True)
    places = (aside / f"{cell.name}.{i}" for i in itertools.count(1))
    cell.folder.rename(next(path for path in places if not path.exists()))
  attempts = read(cell.folder / "cell.json").get("attempts", 0) + 1
  code = code_version()
  workdir.write(cell.folder / "request.json", cell.request)
  workdir.write(
    cell.folder / "cell.json",
    {
      "name": cell.name,
      "setting": combine.as_text(cell.setting),
      "key": {"config": digest(cell.request), "code": code, "data": None},
      "code": code,
      "needs": list(cell.needs),
      "attempts": attempts,
      "exit": None,
      "error": "",
    },
  )
  needed = lacking(cell)
  if needed:
    note_end(cell.folder, 2, f"needs {needed}, which is not done", 0)
  return not needed


def note(folder: Path, facts: Mapping[str, Any]) -> None:
  """Adds facts to cell.json, such as why a search gave the cell up."""
  workdir.write(folder / "cell.json", read(folder / "cell.json") | facts)


def note_end(folder: Path, exit_code: int, error: str, seconds: float) -> None:
  """Adds to cell.json how an attempt ended; error is "" if it did not fail."""
  data = sorted(set(fingerprints(folder / "results.json").values()))
  key = read(folder / "cell.json").get("key", {}) | {"data": data or None}
  ending = {"exit": exit_code, "error": error, "seconds": round(seconds, 1)}
  note(folder, {"key": key, **ending})


def running(folder: Path) -> bool:
  """Whether a process of this cell lives, on this machine."""
  try:
    with (folder / ".running").open() as file:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except FileNotFoundError:
    return False
  except OSError:
    return True
  return False


def hold(folder: Path) -> int:
  """A descriptor whose lock says "running" until its last holder ends."""
  descriptor = os.open(folder / ".running", os.O_RDWR | os.O_CREAT, 0o644)
  fcntl.flock(descriptor, fcntl.LOCK_EX)  # `running` holds it for an instant.
  return descriptor


def last_error(log: Path, exit_code: int) -> str:
  """The line of a log that says why its process failed."""
  lines = last_lines(log)
  begun = [i for i, line in enumerate(lines) if line.startswith("$ ")]
  lines = lines[begun[-1] + 1 :] if begun else lines
  errors = [line for line in lines if line.startswith("error: ")]
  if errors and exit_code > 0:
    return errors[-1].removeprefix("error: ")
  if exit_code < 0:
    killed = f"killed by signal {-exit_code}"
    return killed + (" (out of memory?)" if exit_code == -9 else "")
  return lines[-1] if lines else f"exit code {exit_code} and no output"


def last_lines(log: Path) -> list[str]:
  """The last lines of a log, without blank lines; [] if there is no log."""
  try:
    with log.open("rb") as file:
      file.seek(max(0, log.stat().st_size - 2**15))
      lines = file.read().decode(errors="replace").splitlines()
  except OSError:
    return []
  return [line.strip() for line in lines if line.strip()]


def read(path: Path) -> dict[str, Any]:
  """A JSON object, or {} if the file is missing or damaged."""
  try:
    content = jsons.read(path)
  except (OSError, ValueError):
    return {}
  return content if isinstance(content, dict) else {}
