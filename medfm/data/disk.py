"""What is on the disk: hashed, locked, and replaced as a whole."""

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from medfm import host
from medfm.types import UserError

_T = TypeVar("_T")

_locks: dict[str, threading.Lock] = {}


def digest(path: pathlib.Path | str, algorithm: str = "sha256") -> str:
  """The hash of a file's bytes, or of a folder's sorted names and bytes."""
  path = pathlib.Path(path)
  if path.is_dir():
    total = hashlib.new(algorithm)
    for file in sorted(path.rglob("*")):
      if file.is_file():
        line = f"{file.relative_to(path).as_posix()} {digest(file, algorithm)}"
        total.update(f"{line}\n".encode())
    return total.hexdigest()
  stat = path.stat()
  return _file_digest(str(path), algorithm, stat.st_size, stat.st_mtime_ns)


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
  """Only one thread of one process at a time is inside, for this path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  # Network file systems may keep file locks per process, hence both locks.
  with (
    _locks.setdefault(str(path.absolute()), threading.Lock()),
    open(f"{path}.lock", "w") as file,
  ):
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


def remembered(
  path: pathlib.Path, make: Callable[[], str], read: Callable[[str], _T]
) -> _T:
  """What `read` makes of a file's text; a damaged or missing file is remade.

  The sha256 of the text is the file's first line.

  read: raises UserError, ValueError or TypeError for a text that an earlier
    version made.
  """
  with locked(path):
    if path.exists():
      total, _, content = path.read_bytes().partition(b"\n")
      try:
        if total.decode() == hashlib.sha256(content).hexdigest():
          return read(content.decode())
      except (UserError, ValueError, TypeError):
        pass
      logging.warning("%s is damaged: making it again", path)
    text = make()
    content = text.encode()
    total = hashlib.sha256(content).hexdigest()
    with replaced(path) as part:
      part.write_bytes(f"{total}\n".encode() + content)
  return read(text)


@contextlib.contextmanager
def replaced(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """A temporary path that becomes `path` once complete, or is removed.

  Call it under `locked(path)`: leftovers of killed runs are removed.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  for leftover in path.parent.glob(f"{path.name}.part-*"):
    shutil.rmtree(leftover, ignore_errors=True)
  with tempfile.TemporaryDirectory(
    prefix=f"{path.name}.part-", dir=path.parent
  ) as folder:
    part = pathlib.Path(folder, path.name)
    yield part
    synced(part)
    if path.is_dir():
      shutil.rmtree(path)
    part.rename(path)
    synced(path.parent)


@contextlib.contextmanager
def errors(path: pathlib.Path) -> Iterator[None]:
  """Turns errors of a full or failing disk into an OSError of this path."""
  try:
    yield
  except OSError as error:
    if error.filename is None and error.errno in host.NOT_WRITABLE:
      raise OSError(error.errno, error.strerror, str(path)) from error
    raise
  except RuntimeError as error:
    if number := host.refusal(str(error)):
      raise OSError(number, os.strerror(number), str(path)) from error
    raise


def synced(path: pathlib.Path) -> None:
  """Waits until a file, or a folder's list of names, is on the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


@functools.lru_cache(maxsize=4096)
def _file_digest(path: str, algorithm: str, size: int, mtime_ns: int) -> str:
  """A cached hash; size and time make it hash a changed file again."""
  with open(path, "rb") as file:
    return hashlib.file_digest(file, algorithm).hexdigest()
