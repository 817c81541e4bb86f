"""A run's directory: one owner at a time, one config for its whole life."""

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from medfm import host, jsons, spec
from medfm.types import Info, UserError

MAY_CHANGE = re.compile(
  r"(^|\.)(devices\..*|(steps|epochs|\w+_every|keep|show|description)$)"
)
"""Config keys that a resumed run may give a new value.

Among them are the devices: a run may continue on others than it began with.
"""

SEALS = "seals.json"
"""In a stage's folder: the sha256 of each file that prediction depends on."""

_PACKAGES = (
  "jax",
  "jaxlib",
  "flax",
  "optax",
  "orbax-checkpoint",
  "tensorflow-datasets",
  "grain",
  "ml-collections",
  "numpy",
  "scikit-learn",
)


@contextlib.contextmanager
def owned(workdir: Path) -> Iterator[Path]:
  """Locks the workdir for this process; made if it is missing.

  A workdir that nothing was written to is removed again at the end. The kernel
  holds the lock and releases it with the process, however that ends.
  """
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    file = (workdir / ".lock").open("a+")
  except OSError as error:
    raise UserError(
      f"workdir {workdir}: {error.strerror}; choose another with --workdir"
    ) from None
  with file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
      file.seek(0)
      raise UserError(
        f"workdir {workdir} is in use by {file.read().strip() or 'another run'}"
        "; wait for it or choose another with --workdir"
      ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    try:
      yield workdir
    finally:
      with contextlib.suppress(FileNotFoundError):  # Removed meanwhile.
        if [path.name for path in workdir.iterdir()] == [".lock"]:
          (workdir / ".lock").unlink()
          workdir.rmdir()


def claim(workdir: Path, config: Any) -> None:
  """Writes config.json, or checks that the workdir belongs to this config.

  UserError names the keys that differ, beyond what `MAY_CHANGE` allows.
  """
  path, text = workdir / "config.json", spec.to_json(config)
  if path.exists():
    try:
      old = spec.flat(spec.from_json(jsons.text(path), path))
    except ValueError:
      raise UserError(f"{path} is damaged; restore it or remove it") from None
    new = spec.flat(spec.from_json(text))
    differing = [
      f"{key} is {new.get(key)!r}, was {old.get(key)!r}"
      for key in sorted(old.keys() | new.keys())
      if old.get(key) != new.get(key) and not MAY_CHANGE.search(key)
    ]
    if differing:
      more = f"; and {len(differing) - 5} more" if len(differing) > 5 else ""
      raise UserError(
        f"workdir {workdir} belongs to another config: "
        f"{'; '.join(differing[:5])}{more}; choose another --workdir"
      )
  write(path, text)


def write(path: Path, content: str | Any) -> None:
  """Writes text (or JSON) so that a reader sees all of the old or of the new.

  With several processes only the first one writes.
  """
  if host.index:
    return
  text = content
  if not isinstance(content, str):
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f".{path.name}.partial")
  with temporary.open("w", encoding="utf-8") as file:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
  temporary.replace(path)


def short(name: str) -> str:
  """A name short enough for prefixes and suffixes; names have 255 bytes."""
  return name.encode()[:200].decode(errors="ignore")


def write_sealed(folder: Path, files: Mapping[str, Any]) -> None:
  """Writes files by name, and their sums, which `sealed` checks.

  The old sums are removed first and the new ones written last, so that a
  process killed in between leaves files without sums.
  """
  if host.index:
    return
  (folder / SEALS).unlink(missing_ok=True)
  for name, content in files.items():
    write(folder / name, content)
  write(folder / SEALS, {name: _sum(folder / name) for name in files})


def sealed(path: Path) -> str:
  """The text of a file; UserError if it is not what was written.

  A file without a sum, as earlier versions wrote it, is taken as it is.
  """
  seals, known = path.with_name(SEALS), None
  with contextlib.suppress(ValueError, AttributeError):
    known = jsons.read(seals) if seals.exists() else {}
    text = jsons.text(path)
    if known.get(path.name) in (None, _sum(path)):
      return text
  raise UserError(
    f"{path if isinstance(known, dict) else seals} is damaged: restore it, or "
    "remove results.json and give the training command again, which writes "
    "it again without training"
  )


def _sum(path: Path) -> str:
  return hashlib.sha256(path.read_bytes()).hexdigest()


def info(folder: Path) -> Info:
  """The description of a stage's training data, from its info.json."""
  known = None
  with contextlib.suppress(OSError, ValueError):
    known = spec.noun(jsons.parsed(sealed(folder / "info.json")))
  if not isinstance(known, Info):
    raise UserError(
      f"{folder.resolve().name}/info.json is missing, damaged or from another "
      "version of MedFM: give the folder of a run, train again in another "
      "--workdir, or use the version that environment.json names"
    )
  return known


def environment(devices: list[str]) -> dict[str, Any]:
  """Versions, commit, command and devices, for environment.json."""
  versions = {}
  for package in _PACKAGES:
    with contextlib.suppress(metadata.PackageNotFoundError):
      versions[package] = metadata.version(package)
  return {
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "python": platform.python_version(),
    "system": platform.platform(),
    "packages": versions,
    "commit": _commit(),
    "command": " ".join(["python", *sys.argv]),
    "devices": devices,
  }


def _commit() -> str | None:
  """The commit of MedFM's checkout, with `+changes` if files differ."""
  command = ["git", "-C", str(Path(__file__).parent), "describe", "--always"]
  command += ["--exclude=*", "--abbrev=40", "--dirty=+changes"]
  try:
    return subprocess.check_output(
      command, text=True, stderr=subprocess.DEVNULL
    ).strip()
  except (OSError, subprocess.CalledProcessError):
    return None
