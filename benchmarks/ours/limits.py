"""The machine's limits, and what one example of a config costs.

python -m benchmarks.ours.limits matmul [dtype [size]]
python -m benchmarks.ours.limits device
python -m benchmarks.ours.limits flops CONFIG [--config.a.b=value ...]
python -m benchmarks.ours.limits parameters CONFIG [--config.a.b=value ...]
python -m benchmarks.ours.limits padding CONFIG [--config.a.b=value ...]

Each prints one line of JSON.
"""

import json
import sys
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from medfm import command, settings, setup, spec, tree


def main() -> None:
  what, *rest = sys.argv[1:]
  kinds = {
    "matmul": matmul,
    "device": device,
    "flops": flops,
    "parameters": parameters,
    "padding": padding,
  }
  print(json.dumps(kinds[what](*rest)))


def matmul(dtype: str = "float32", size: str = "2048") -> float:
  """FLOP/s of the quickest of some matrix products."""
  size, tries = int(size), 10
  x = jnp.ones((size, size), dtype)
  product = jax.jit(lambda a: a @ a)
  product(x).block_until_ready()
  best = float("inf")
  for _ in range(tries):
    began = time.perf_counter()
    product(x).block_until_ready()
    best = min(best, time.perf_counter() - began)
  return 2 * size**3 / best


def device() -> dict[str, str | int]:
  """The first device's platform and name, and how many there are."""
  first = jax.devices()[0]
  return {
    "platform": first.platform,
    "name": first.device_kind,
    "count": jax.device_count(),
  }


def padding(config: str, *overrides: str) -> float:
  """The share of the training rows' places that hold no token."""
  _, data = _read(config, overrides)
  return data.card["text"]["train"]["padding"]["fixed"]


def parameters(config: str, *overrides: str) -> int:
  """How many are trained."""
  return tree.count(_job(config, overrides).abstract.params)


def flops(config: str, *overrides: str) -> float:
  """Of the compiled train step per example, as XLA counts them."""
  job = _job(config, overrides)
  size = job.run.batch_size
  lowered = job.step.lower(job.abstract, job.batches[0])
  return lowered.cost_analysis()["flops"] / size


def run(config: str, overrides: Sequence[str]) -> settings.Run:
  """Of a config, with the overrides of a command line."""
  overrides = [word.removeprefix("--config.") for word in overrides]
  return spec.build(command.config(config, overrides))


def _read(config: str, overrides: Sequence[str]):
  """A config's run and its data."""
  read = run(config, overrides)
  data, _ = setup.dataset(read, setup.folders(None))
  return read, data


def _job(config: str, overrides: Sequence[str]) -> setup.Job:
  """A config's run, ready to train."""
  return setup.job(*_read(config, overrides))


if __name__ == "__main__":
  main()
