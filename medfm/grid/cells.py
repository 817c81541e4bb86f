"""Cells: the runs of a grid, and what their folders say of them.

A cell is an ordinary run in an ordinary workdir, `<name>-<hash of config>`.
Beside the run's own files it has request.json, the resolved config it is
started with; cell.json, the setting, the version of the code and how the last
attempt ended; log.txt; and .running, locked by the kernel for as long as any
process of the cell lives. States follow from these files alone.
"""

import dataclasses
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm import workdir
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
  setting: what tells it from the others; {} for a shared stage.
  request: the resolved config as JSON text.
  needs: names of the cells that must be done before.
  unavailable: why it cannot run on this machine, or "".
  """

  name: str
  folder: Path
  setting: combine.Setting
  request: str
  needs: tuple[str, ...] = ()
  unavailable: str = ""

  def plain(self) -> dict[str, Any]:
    """The cell for a JSON file in its grid's folder, without its request."""
    return {
      "name": self.name,
      "setting": combine.as_text(self.setting),
      "needs": list(self.needs),
      "unavailable": self.unavailable,
    }


def of_plain(root: Path, entry: Mapping[str, Any]) -> Cell:
  """The cell that `Cell.plain` described, in its grid's folder."""
  return Cell(
    name=entry["name"],
    folder=root / entry["name"],
    setting=entry["setting"],
    request=entry.get("request", ""),
    needs=tuple(entry["needs"]),
    unavailable=entry.get("unavailable", ""),
  )


@dataclasses.dataclass(frozen=True)
class Status:
  """state: one of STATES; why: the reason, in words, or ""."""

  state: str
  why: str = ""


def digest(text: str) -> str:
  return hashlib.sha256(text.encode()).hexdigest()


def code_version() -> str:
  """A hash over every source file that a run's numbers can depend on."""
  root = Path(__file__).parents[1]
  found = hashlib.sha256()
  for path in sorted(root.rglob("*.py")):
    inner = path.relative_to(root)
    if inner.parts[0] not in _NOT_NUMBERS:
      found.update(f"{inner.as_posix()}\0".encode() + path.read_bytes())
  return found.hexdigest()


def names(settings: Sequence[Mapping[str, Any]]) -> list[str]:
  """A readable name for each setting, of the keys in which they differ."""
  keys = list(dict.fromkeys(key for one in settings for key in one))
  varied = [
    key for key in keys if len({repr(one.get(key)) for one in settings}) > 1
  ]
  return [readable(one, varied) for one in settings]


def readable(setting: Mapping[str, Any], keys: Collection[str]) -> str:
  """A readable name for a setting, of some of its keys."""
  words = [_word(key, setting[key]) for key in keys if key in setting]
  return "-".join(dict.fromkeys(words)) or "cell"


def _word(key: str, value: Any) -> str:
  """`lr0.001`, `adam`, or the words of a config's variant."""
  text = str(value)
  if key == "config":
    path, _, variant = text.partition(":")
    text = variant or Path(path).stem
  else:
    try:
      float(text)
      text = key.rpartition(".")[2] + text
    except ValueError:
      if text in ("True", "False", "None", "true", "false"):
        text = f"{key.rpartition('.')[2]}-{text.lower()}"
  return re.sub(r"[^\w.+]+", "-", text).strip("-.")[:40] or "empty"


def status(cell: Cell, code: str) -> Status:
  """What a cell's folder says of it; `code` is today's `code_version()`."""
  if running(cell.folder):
    return Status(RUNNING)
  noted = read(cell.folder / "cell.json")
  results = read(cell.folder / "results.json")
  begun = (cell.folder / "config.json").exists()
  if begun and noted.get("code") != code:
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


def statuses(cells: Sequence[Cell], code: str) -> dict[str, Status]:
  """The status of every cell; those made from data that changed are stale.

  Where finished cells with the same data config saw data with different
  fingerprints, those unlike the newest one are stale.
  """
  found = {cell.name: status(cell, code) for cell in cells}
  newest: dict[str, tuple[float, str]] = {}
  seen = {}
  for cell in cells:
    if found[cell.name].state != DONE:
      continue
    path = cell.folder / "results.json"
    seen[cell.name] = fingerprints(path)
    for key, value in seen[cell.name].items():
      entry = (path.stat().st_mtime, value)
      newest[key] = max(newest.get(key, entry), entry)
  for name, data in seen.items():
    if any(newest[key][1] != value for key, value in data.items()):
      found[name] = Status(STALE, "made from data that have changed since")
  return found


def fingerprints(path: Path) -> dict[str, str]:
  """Data config -> fingerprint of the data, of a results.json."""
  results = read(path)
  config = read(path.with_name("config.json"))
  found = {}
  for name, stage in results.get("stages", {}).items():
    of_stage = config.get("stages", {}).get(name, config)
    key = json.dumps(of_stage.get("data"), sort_keys=True)
    found[key] = stage["data"]["card"]["fingerprint"]
  return found


def prepare(cell: Cell, code: str, stale: bool) -> None:
  """Writes what a cell is started with; a stale run is set aside first."""
  if stale:
    set_aside(cell.folder)
  noted = read(cell.folder / "cell.json")
  workdir.write(cell.folder / "request.json", cell.request)
  workdir.write(
    cell.folder / "cell.json",
    {
      "name": cell.name,
      "setting": combine.as_text(cell.setting),
      "key": {"config": digest(cell.request), "code": code, "data": None},
      "code": code,
      "needs": list(cell.needs),
      "attempts": noted.get("attempts", 0) + 1,
      "exit": None,
      "error": "",
    },
  )


def note_end(folder: Path, exit_code: int, error: str, seconds: float) -> None:
  """Adds to cell.json how an attempt ended; error is "" if it did not fail."""
  noted = read(folder / "cell.json")
  data = sorted(set(fingerprints(folder / "results.json").values()))
  noted["key"] = {**noted.get("key", {}), "data": data or None}
  noted |= {
    "exit": exit_code,
    "error": error,
    "seconds": round(noted.get("seconds", 0) + seconds, 1),
  }
  workdir.write(folder / "cell.json", noted)


def note_pruned(folder: Path, verdict: Mapping[str, Any]) -> None:
  """Adds to cell.json why a search gave the cell up; it is not run again."""
  workdir.write(folder / "cell.json", {**read(folder / "cell.json"), **verdict})


def set_aside(folder: Path) -> Path:
  """Moves a run that is stale out of the way; nothing is deleted."""
  number = 1
  while (
    place := folder.parent / ".stale" / f"{folder.name}.{number}"
  ).exists():
    number += 1
  place.parent.mkdir(parents=True, exist_ok=True)
  folder.rename(place)
  return place


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
  """A descriptor whose lock says "running" until its last holder ends.

  To be handed to the cell's process; the caller closes its own.
  """
  descriptor = os.open(folder / ".running", os.O_RDWR | os.O_CREAT, 0o644)
  fcntl.flock(descriptor, fcntl.LOCK_EX)  # A probe holds it for an instant.
  return descriptor


def last_error(log: Path, exit_code: int) -> str:
  """The line of a log that says why its process failed."""
  try:
    lines = log.read_text(errors="replace").splitlines()[-200:]
  except OSError:
    lines = []
  begin = max(
    (i for i, line in enumerate(lines) if line[:2] == "$ "), default=-1
  )
  lines = [line.strip() for line in lines[begin + 1 :] if line.strip()]
  told = [line for line in lines if line.startswith("error: ")]
  if told and exit_code > 0:
    return told[-1].removeprefix("error: ")
  if exit_code < 0:
    killed = f"killed by signal {-exit_code}"
    return killed + (" (out of memory?)" if exit_code == -9 else "")
  return lines[-1] if lines else f"exit code {exit_code} without a word"


def read(path: Path) -> dict[str, Any]:
  """A JSON object, or {} where the file is missing or damaged."""
  try:
    found = json.loads(path.read_text())
  except (OSError, ValueError):
    return {}
  return found if isinstance(found, dict) else {}
