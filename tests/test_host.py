"""What the allocator holds on to, and when it lets go."""

import os
import subprocess
import sys

import pytest

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
