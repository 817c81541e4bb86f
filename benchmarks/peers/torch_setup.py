"""What every peer in PyTorch begins with."""

import os

import torch


def begin() -> None:
  """A seed, and the cores that the process may use."""
  torch.manual_seed(0)
  torch.set_num_threads(len(os.sched_getaffinity(0)))
