"""The host process, set up once before jax is imported.

XLA frees and takes its temporaries at every step. glibc gives them back to the
system each time, and on a CPU the page faults can take a large part of a step
(benchmarks/README.md). `keep_freed_memory` tells it to hold on to them, at the
price of a higher resident size, until `give_back`. Set
MEDFM_KEEP_FREED_MEMORY=0 to leave the allocator alone.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Callable

index, count = 0, 1
"""Which process of a run this is, and of how many; `processes.start` tells."""

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_WRITABLE += (errno.EIO, errno.EROFS, errno.EACCES)
"""What a disk answers that is full, failing or not ours."""

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
  """Hands all freed pages back to the system; other work needs other sizes."""
  if trim := _of_glibc("malloc_trim"):
    trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
  """One of its functions; None with another C library or system."""
  try:
    return getattr(ctypes.CDLL("libc.so.6"), name)
  except (OSError, AttributeError):
    return None


def refusal(text: str) -> int:
  """The number of a disk's refusal that a library's message holds; or 0."""
  return next((n for n in NOT_WRITABLE if os.strerror(n) in text), 0)


def room(place: str | os.PathLike) -> str:
  """What is free on the disk of a file or folder, in words."""
  place = os.path.abspath(place)
  while not os.path.exists(place):
    place = os.path.dirname(place)
  try:
    free = shutil.disk_usage(place).free
  except OSError:
    return "how much is free is not known"
  return f"{free / 2**20:.1f} MiB are free"
