"""What the allocator holds on to, and when it lets go."""

import errno
import os
import subprocess
import sys

import pytest

from medfm import host

KEEPING = """
import os, pathlib
from medfm import host

def resident():
  pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
  return int(pages) * os.sysconf("SC_PAGE_SIZE")

print(host.keep_freed_memory())
blocks = [b"x" * (1 << 20) for _ in range(200)]
kept = blocks[::20]  # Between freed ones, where no top is to be cut off.
del blocks
print(resident() >> 20)
host.give_back()
print(resident() >> 20, len(kept))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_freed_pages_are_kept_until_they_are_given_back():
  done = subprocess.run(
    [sys.executable, "-c", KEEPING],
    env={**os.environ, "MEDFM_KEEP_FREED_MEMORY": "1"},
    capture_output=True,
    text=True,
    check=True,
  )
  keeps, held, given_back, kept = done.stdout.split()
  assert keeps == "True"
  assert int(held) > 200 > 60 > int(given_back) > int(kept)


STREAMS = """
import os, sys
from medfm import host
host.open_streams()
print("nobody hears this")
print("nor this", file=sys.stderr)
kept = open(sys.argv[1], "w")
os.write(1, b"nor what a library writes")
sys.exit(kept.fileno() < 3)
"""


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&-", "<&- 2>&-"])
def test_a_process_without_standard_streams_gets_some(tmp_path, closed):
  """Else the first file it opens is what libraries write to."""
  command = f'exec "$0" -c "$1" "$2" {closed}'
  words = ["sh", "-c", command, sys.executable, STREAMS, str(tmp_path / "x")]
  assert subprocess.run(words, stdout=subprocess.DEVNULL).returncode == 0
  assert (tmp_path / "x").read_text() == ""


def test_what_a_stream_cannot_show_is_replaced():
  program = "from medfm import host; host.open_streams(); print('a − b')"
  done = subprocess.run(
    [sys.executable, "-c", program],
    env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    capture_output=True,
    check=True,
  )
  assert done.stdout == b"a ? b\n"


@pytest.mark.parametrize(
  ("error", "words"),
  [
    (OSError(errno.EMFILE, "", "x.npy"), "Too many open files: x.npy; raise"),
    (OSError(errno.EISDIR, "", "x"), "Is a directory: x; correct this"),
    (OSError(errno.ENOSPC, ""), "No space left on device: a file of runs/a ("),
    (MemoryError("Unable to allocate 9 GiB"), "out of memory: Unable to"),
    (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "lower batch_size"),
    (RuntimeError("can't start new thread"), "(ulimit -u)"),
  ],
)
def test_what_the_machine_lacks_is_told_with_what_to_do(error, words):
  assert words in host.lack(error, "runs/a")


def test_a_mistake_of_the_program_is_none_of_the_machine():
  assert host.lack(RuntimeError("shapes differ"), "") == ""
  assert host.lack(OSError("no number"), "") == ""


def test_an_error_is_one_line_whatever_a_name_in_it_holds():
  shown = host.line("x: a\nb\x1b[31m\u202e é \ud800")
  assert shown == r"x: a\nb\x1b[31m\u202e é \ud800"
  shown = host.line("x" * 10**6 + ": mend it")
  assert len(shown) < 2100 and shown.endswith("x: mend it")
