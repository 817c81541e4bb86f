"""What of a machine each cell gets: a GPU, or a share of the processors."""

import dataclasses
import os
import subprocess
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Slot:
  """Room for one cell: environment variables and processors."""

  environment: Mapping[str, str]
  processors: tuple[int, ...] = ()


def slots(jobs: int) -> list[Slot]:
  """`jobs` slots, or for 0 one per GPU, or one where there is no GPU.

  More slots than GPUs share them, and their memory, evenly. Without a GPU the
  processors are divided; more slots than processors share them.
  """
  found = gpus()
  if found:
    return _on_gpus(found, jobs or len(found))
  cores = sorted(os.sched_getaffinity(0))
  return _on_processors(cores, jobs or 1)


def gpus() -> list[str]:
  """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
  if os.environ.get("JAX_PLATFORMS", "") == "cpu":
    return []
  visible = os.environ.get("CUDA_VISIBLE_DEVICES")
  if visible is not None:
    return [name for name in visible.split(",") if name and name != "-1"]
  try:
    listed = subprocess.run(
      ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
      capture_output=True,
      text=True,
      check=True,
      timeout=30,
    ).stdout
  except (OSError, subprocess.SubprocessError):
    return []
  return listed.split()


def _on_gpus(found: list[str], jobs: int) -> list[Slot]:
  share = -(-jobs // len(found))
  environment = {}
  if share > 1:
    environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / share:.2f}"
  return [
    Slot({"CUDA_VISIBLE_DEVICES": found[i % len(found)], **environment})
    for i in range(jobs)
  ]


def _on_processors(cores: list[int], jobs: int) -> list[Slot]:
  if jobs == 1:
    return [Slot({})]
  size = max(1, len(cores) // jobs)
  return [
    Slot({}, tuple(cores[(i * size + k) % len(cores)] for k in range(size)))
    for i in range(jobs)
  ]
