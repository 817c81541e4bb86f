"""Checkpoints that are checked: Orbax data under a checksum manifest.

checkpoints/<step>/state/          the TrainState, written by Orbax
checkpoints/<step>/manifest.json   written last: sha256 of every file, shape
                                   and dtype of every leaf, the run's notes,
                                   and the sha256 of all that

A step without a manifest was never finished and is ignored. A step whose
files disagree with its manifest is reported, and the newest step that agrees
is used instead. Nothing is deleted before its successor is complete.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from medfm import host, jsons, processes, tree
from medfm.interrupt import unless_interrupted
from medfm.types import UserError

FORMAT = 2
_SUMS = {1: ("leaves", "leaves_sha256"), 2: ("content", "sha256")}
"""By format: the part of the manifest that is summed, and where its sum is."""
_UNFINISHED = "unfinished"
"""An empty file in the folder of a step until its manifest is written."""


class Checkpoints:
  """The checkpoints of one run: saved in the background, verified on read.

  keep: how many of the newest steps stay, each with the best step so far.
  """

  def __init__(self, folder: Path, *, keep: int = 2):
    self.folder = folder.absolute()
    self.keep = keep
    self._writer = ocp.AsyncCheckpointer(ocp.PyTreeCheckpointHandler())
    self._finisher = concurrent.futures.ThreadPoolExecutor(1)
    self._pending: concurrent.futures.Future | None = None
    self._bytes = 0
    self._failed = False
    if sys.unraisablehook in (sys.__unraisablehook__, unless_interrupted):
      sys.unraisablehook = _unless_abandoned

  def save(self, step: int, state: Any, notes: dict[str, Any]) -> None:
    """Starts writing a step; the state may be donated afterwards.

    `notes` is JSON-able; `notes["best"]["step"]`, if given, names the step that
    pruning must keep. Errors of the previous save are raised here.
    """
    self.wait()
    # A checkpoint without the run's other files would look like a whole run.
    if not self.folder.parent.is_dir():
      raise UserError(
        f"{self.folder.parent} has disappeared while the run was writing to it"
      )
    self._bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    place = self.folder / str(step)
    processes.by_first(_begun, place)
    self._writer.save(place / "state", args=ocp.args.PyTreeSave(state))
    content = {"step": step, "leaves": _leaves(state), "notes": notes}
    self._pending = self._finisher.submit(self._finish, place, content)

  def wait(self) -> None:
    """Blocks until the last save is complete; raises its error."""
    pending, self._pending = self._pending, None
    if pending is None:
      return
    self._failed = True

    def result() -> None:
      try:
        pending.result()
      except Exception as error:
        line = " ".join(str(error).split())
        if number := host.refusal(line):
          line = os.strerror(number)
        needed = f"{self._bytes / 2**20:.1f} MiB and a little more are needed"
        raise UserError(
          f"a checkpoint could not be written to {self.folder}: {line[:300]}; "
          f"{needed}, {host.room(self.folder)}; earlier checkpoints "
          "are intact"
        ) from error

    processes.in_turn(result)
    self._failed = False

  def close(self) -> None:
    """Waits for the last save and frees the threads."""
    try:
      self.wait()
    finally:
      self._finisher.shutdown()
      try:
        self._writer.close()
      except Exception:
        if not self._failed:  # Else `wait` has raised the error already.
          raise

  def newest(self) -> int | None:
    """The newest sound step; None if there is no checkpoint at all."""
    return processes.by_first(self._newest)

  def _newest(self) -> int | None:
    steps = self.steps()
    for step in reversed(steps):
      fault = self.fault(step)
      best = None if fault else self.best(step)
      if best is not None and best != step and self.fault(best):
        fault = f"its best step {best} is not sound: {self.fault(best)}"
      if fault is None:
        return step
      print(f"checkpoint {step} is not used: {fault}")
    if not steps:
      return None
    raise UserError(
      f"{self.folder}: no sound checkpoint among the steps "
      f"{', '.join(map(str, steps))}; remove the folder to start afresh"
    )

  def steps(self) -> list[int]:
    """The steps that have a folder, in order; anything else is ignored."""
    numbers = []
    for place in self.folder.iterdir() if self.folder.is_dir() else ():
      if not (place.is_dir() and place.name.isdecimal()):
        if place.name != "README":
          print(f"{place.name} in {self.folder.name}/ is ignored")
      elif os.path.isfile(place / "manifest.json"):
        numbers.append(int(place.name))
      else:
        readable = os.access(place, os.R_OK | os.X_OK)
        why = "never finished" if readable else "it cannot be read"
        print(f"checkpoint {place.name} is ignored: {why}")
    return sorted(numbers)

  def fault(self, step: int) -> str | None:
    """What is wrong with a step's files, or None."""
    place = self.folder / str(step)
    try:
      manifest = self._manifest(step)
      if (known := manifest["format"]) not in _SUMS:
        return f"format {known}, this version reads {FORMAT}"
      part, total = _SUMS[known]
      sums = manifest.pop(total)
      if _digest({**manifest, "content": manifest}[part]) != sums:
        return "manifest.json is damaged"
      expected = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
      return "manifest.json is missing or damaged"
    try:
      sums = _checksums(place)
    except OSError as error:
      return f"{error.filename} cannot be read"
    for name in sorted(expected.keys() | sums.keys()):
      if name not in sums:
        return f"{name} is missing"
      if sums[name] != expected.get(name):
        known = name in expected
        return f"{name} {'is damaged' if known else 'does not belong there'}"
    return None

  def notes(self, step: int) -> dict[str, Any]:
    """The notes saved with a step."""
    return self._manifest(step)["notes"]

  def best(self, step: int) -> int | None:
    """The best step so far, as the notes of `step` say."""
    return (self.notes(step).get("best") or {}).get("step")

  def restore(self, step: int, like: Any) -> Any:
    """A step's state in the shapes, dtypes and shardings of `like`."""
    saved, wanted = self._manifest(step)["leaves"], _leaves(like)
    for name in sorted(wanted.keys() | saved.keys()):
      if wanted.get(name) != saved.get(name):
        raise UserError(
          f"checkpoint {self.folder / str(step)}: {name} is "
          f"{saved.get(name)}, this run has {wanted.get(name)}"
        )
    arguments = ocp.checkpoint_utils.construct_restore_args(like)
    return self._writer.restore(
      self.folder / str(step) / "state",
      args=ocp.args.PyTreeRestore(item=like, restore_args=arguments),
    )

  def raw(self, step: int) -> dict[str, Any]:
    """A step's state as nested dicts of numpy arrays, for any run."""
    place = self.folder / str(step) / "state"
    metadata: Any = self._writer.metadata(place).item_metadata
    arguments = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), metadata.tree
    )
    return self._writer.restore(
      place, args=ocp.args.PyTreeRestore(restore_args=arguments)
    )

  def _manifest(self, step: int) -> dict[str, Any]:
    return jsons.read(self.folder / str(step) / "manifest.json")

  def _finish(self, place: Path, content: dict[str, Any]) -> None:
    self._writer.wait_until_finished()
    if host.index:
      return
    if not (place / _UNFINISHED).exists():  # Orbax has made another folder.
      raise FileNotFoundError(f"{place} was removed while it was being written")
    manifest = {"format": FORMAT, **content, "files": _checksums(place)}
    # Unlike `workdir.write`, this makes no folder if the step's was removed.
    temporary = place / "manifest.json.partial"
    with temporary.open("w") as file:
      json.dump({**manifest, "sha256": _digest(manifest)}, file)
      file.flush()
      os.fsync(file.fileno())
    temporary.rename(place / "manifest.json")
    (place / _UNFINISHED).unlink()
    self._prune(content["step"])

  def _prune(self, newest: int) -> None:
    """Keeps the newest steps, and the best step that each of them names.

    Steps past `newest` were abandoned when the run resumed from an earlier
    one; they are neither removed nor counted.
    """
    paths = self.folder.glob("*/manifest.json")
    finished = sorted(int(path.parent.name) for path in paths)
    finished = [step for step in finished if step <= newest]
    needed: set[int | None] = set(finished[-self.keep :])
    for step in finished[-self.keep :]:
      with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        needed.add(self.best(step))
    for step in set(finished) - needed:
      shutil.rmtree(self.folder / str(step))


def _unless_abandoned(unraisable: Any) -> None:
  """Prints an uncaught error of a thread, unless it only follows another.

  When one write of a checkpoint fails, the writes still under way find their
  event loop closed, and each would print a traceback beside the error that
  matters.
  """
  if "Event loop is closed" not in str(unraisable.exc_value):
    unless_interrupted(unraisable)


def _begun(place: Path) -> None:
  """Makes the folder of a step that is yet to be written."""
  if place.exists():
    shutil.rmtree(place)
  place.mkdir(parents=True)
  (place / _UNFINISHED).touch()


def _leaves(state: Any) -> dict[str, list]:
  """Path -> [shape, dtype] of every leaf."""
  return {
    name: [list(leaf.shape), str(leaf.dtype)]
    for name, leaf in tree.paths(state).items()
  }


def _digest(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _checksums(place: Path) -> dict[str, str]:
  """Relative name -> sha256 of every file of a step but the manifest."""
  sums = {}
  for path in sorted(place.glob("*/**/*")):
    if path.is_file():
      with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
      sums[path.relative_to(place).as_posix()] = digest
  return sums
