"""What every peer says: `step/total  loss` lines, and batches to say it of."""

from collections.abc import Iterator

import numpy as np


def say(step: int, total: int, loss: float, peak: int = 0) -> None:
  """peak: the device's bytes in use at most, where it has memory of its own."""
  more = f"  peak {peak}" if peak else ""
  print(f"{step}/{total}  loss {loss:.4f}{more}", flush=True)


def due(step: int, every: int) -> bool:
  """The steps that are told: the first, and every so many."""
  return step == 1 or step % every == 0


def orders(n: int, batch: int, steps: int) -> Iterator[np.ndarray]:
  """Row numbers of each step's batch, a fresh order each epoch.

  Whole batches are then gathered at once: several times quicker than a
  torch DataLoader over a TensorDataset, which takes example by example.
  """
  generator = np.random.default_rng(0)
  done = 0
  while True:
    order = generator.permutation(n)
    for start in range(0, n - batch + 1, batch):
      if done == steps:
        return
      yield order[start : start + batch]
      done += 1
