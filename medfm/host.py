"""The host process, set up once before jax is imported.

XLA allocates and frees its temporaries at every step. glibc gives their pages
back to the system each time, and on a CPU the page faults can take a large part
of a step (benchmarks/README.md). `keep_freed_memory` makes glibc keep the
pages, at the price of a higher resident size, until `give_back`. Set
MEDFM_KEEP_FREED_MEMORY=0 to leave the allocator alone.
"""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable

index, count = 0, 1
"""Which process of a run this is, and of how many; set by `processes.start`."""

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_WRITABLE += (errno.EIO, errno.EROFS, errno.EACCES)
"""Errors of a disk that is full, failing or not writable for us."""

LONGEST_LINE = 2000
"""Characters of an error message, at most."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
  """Whether glibc's allocator now keeps freed pages for the next step."""
  if os.environ.get("MEDFM_KEEP_FREED_MEMORY", "1") == "0":
    return False
  settings = {
    _MMAP_MAX: 0,
    _TRIM_THRESHOLD: 2**31 - 1,
    _TOP_PAD: 128 * 2**20,
    _ARENA_MAX: 1,
  }
  mallopt = _of_glibc("mallopt") or (lambda name, value: 0)
  return all([mallopt(*setting) == 1 for setting in settings.items()])


def give_back() -> None:
  """Gives all freed pages back to the system; other work needs other sizes."""
  if trim := _of_glibc("malloc_trim"):
    trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
  """A function of glibc; None with another C library or system."""
  try:
    return getattr(ctypes.CDLL("libc.so.6"), name)
  except (OSError, AttributeError):
    return None


def open_streams() -> None:
  """Opens the standard streams that the process was started without.

  Otherwise the next opened file would get a missing stream's number, and
  whatever a library prints would be written into that file. Characters that a
  terminal cannot show are replaced.
  """
  for number, name in enumerate(("stdin", "stdout", "stderr")):
    try:
      os.fstat(number)
    except OSError:
      os.open(os.devnull, os.O_RDWR)  # It takes the lowest number, this one.
      setattr(sys, name, os.fdopen(number, "w" if number else "r"))
    if number:
      getattr(sys, name).reconfigure(errors="replace")


def line(text: str) -> str:
  """Text as one printable line of at most about `LONGEST_LINE` characters.

  Messages quote names from files, which may hold line ends, control characters
  or megabytes.
  """
  if len(text) > LONGEST_LINE:  # The fix is at the end, so keep that.
    text = f"{text[: LONGEST_LINE - 500]} … {text[-500:]}"
  return "".join(
    sign if sign.isprintable() else sign.encode("unicode_escape").decode()
    for sign in text
  )


def lack(error: Exception, run: str) -> str:
  """What the machine lacks or refuses, and what to do, in words; "" if none.

  run: what to call the place if the error names no file.
  """
  text = str(error)
  if isinstance(error, OSError) and error.errno:
    place = error.filename or f"a file of {run}"
    line = f"{os.strerror(error.errno)}: {place}"
    if error.errno in (errno.EMFILE, errno.ENFILE):
      return f"{line}; raise the limit of open files (ulimit -n)"
    if error.errno in NOT_WRITABLE:
      line += f" ({room(error.filename or run)})"
      return f"{line}; make room, or repair the disk"
    return f"{line}; correct this"
  if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
    reason = " ".join(text.split())[:200] or "the system has no more"
    advice = "lower batch_size, or take a larger machine"
    return f"out of memory: {reason}; {advice}"
  if "can't start new thread" in text:
    return f"{text}; raise the limit of processes and threads (ulimit -u)"
  return ""


def refusal(text: str) -> int:
  """The number of a disk error that a library's message quotes, or 0."""
  return next((n for n in NOT_WRITABLE if os.strerror(n) in text), 0)


def room(place: str | os.PathLike) -> str:
  """How much is free on the disk of a file or folder, in words."""
  place = os.path.abspath(place)
  while not os.path.exists(place):
    place = os.path.dirname(place)
  try:
    free = shutil.disk_usage(place).free
  except OSError:
    return "how much is free is not known"
  return f"{free / 2**20:.1f} MiB are free"
