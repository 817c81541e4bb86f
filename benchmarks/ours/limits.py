"""The machine's matmul limit, and the FLOPs of an example's training step.

python -m benchmarks.ours.limits matmul
python -m benchmarks.ours.limits flops CONFIG [--config.a.b=value ...]

Either prints one JSON number.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp

from medfm import command, setup, spec


def main() -> None:
  what, *rest = sys.argv[1:]
  print(json.dumps({"matmul": matmul, "flops": flops}[what](*rest)))


def matmul(size: int = 2048, tries: int = 10) -> float:
  """FLOP/s of the quickest of some float32 matrix products."""
  x = jnp.ones((size, size), jnp.float32)
  product = jax.jit(lambda a: a @ a)
  product(x).block_until_ready()
  best = float("inf")
  for _ in range(tries):
    began = time.perf_counter()
    product(x).block_until_ready()
    best = min(best, time.perf_counter() - began)
  return 2 * size**3 / best


def flops(config: str, *overrides: str) -> float:
  """Of the compiled train step per example, as XLA counts them."""
  overrides = [word.removeprefix("--config.") for word in overrides]
  run = spec.build(command.config(config, overrides))
  data, _ = setup.dataset(run, setup.folders(None))
  split = setup.training_split(run, data)
  parts = setup.parts(run, data.info, split)
  size = parts.run.batch_size
  batch = {
    name: jax.ShapeDtypeStruct((size, *array.shape[1:]), array.dtype)
    for name, array in split.arrays.items()
  }
  batch["weight"] = jax.ShapeDtypeStruct((size,), jnp.float32)
  batch["id"] = jax.ShapeDtypeStruct((size,), jnp.int32)
  lowered = parts.step.lower(parts.abstract, batch)
  return lowered.cost_analysis()["flops"] / size


if __name__ == "__main__":
  main()
