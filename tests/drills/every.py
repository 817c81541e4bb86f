"""Every drill, in the order of the table."""

from tests.drills import (
  caches,
  checkpoints,
  disks,
  grids,
  killed,
  launches,
  long,
  numbers,
  processes,
  signals,
  slurm,
)
from tests.drills.catalogue import DRILLS

MODULES = (
  killed,
  signals,
  checkpoints,
  disks,
  launches,
  numbers,
  caches,
  grids,
  processes,
  slurm,
  long,
)
__all__ = ["DRILLS", "MODULES"]
