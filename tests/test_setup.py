"""What a run sets up for its process."""

import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp
from medfm import setup
from medfm.types import Folders

setup.jax_settings(Folders(raw=None, cache={cache!r}))
x = jnp.ones((1500, 1500))
product = jax.jit(lambda a: a @ a @ a @ a)
product(x).block_until_ready()
print(product(x).is_ready())
"""


def test_a_cpu_runs_a_program_where_it_is_called(tmp_path):
  done = subprocess.run(
    [sys.executable, "-c", PROGRAM.format(cache=str(tmp_path))],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == "True\n"
  assert list((tmp_path / "compiled").iterdir())
