"""launch.py with one choice of `nn.backend` refused, to see what it gains.

python -m benchmarks.ours.without pool_by_index --config=... --workdir=...
"""

import runpy
import sys

from benchmarks.tools import ROOT
from medfm import host

host.keep_freed_memory()  # Before jax is imported, as launch.py does.

from medfm.nn import backend  # noqa: E402


def main() -> None:
  name = sys.argv.pop(1)
  getattr(backend, name)  # A name that is not there is an error.
  setattr(backend, name, lambda *arguments: False)
  sys.argv[0] = str(ROOT / "launch.py")
  runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
  main()
