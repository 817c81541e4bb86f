"""Where arrays live: one named mesh, rules from paths to shardings."""

from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from medfm import tree
from medfm.types import UserError

AXES = ("data", "fsdp", "tensor")
ROWS = PartitionSpec(("data", "fsdp"))


def mesh(*, data: int = -1, fsdp: int = 1, tensor: int = 1) -> Mesh:
  """The mesh of all devices; -1 takes what the other axes leave.

  data: batches are split, parameters repeated. fsdp: both are split.
  tensor: parameters are split as the rules say.
  """
  sizes = [data, fsdp, tensor]
  count = jax.device_count()
  if sizes.count(-1) == 1:
    known = abs(data * fsdp * tensor)
    sizes[sizes.index(-1)] = count // known
  if sizes[0] * sizes[1] * sizes[2] != count:
    raise UserError(
      f"mesh data={data} fsdp={fsdp} tensor={tensor} does not use the "
      f"{count} devices there are; their product must be {count}"
    )
  return jax.make_mesh(tuple(sizes), AXES, axis_types=(AxisType.Auto,) * 3)


def rows(mesh: Mesh) -> NamedSharding:
  """The sharding of a batch: its leading axis over data and fsdp."""
  return NamedSharding(mesh, ROWS)


def shardings(
  abstract: Any, mesh: Mesh, rules: Sequence[tuple[str, Sequence[str]]]
) -> Any:
  """A sharding for every leaf, from (regex, one axis name per dimension).

  The axis name "" leaves a dimension whole. A leaf that no rule matches is
  split over fsdp along its largest divisible dimension, where fsdp > 1.
  """

  fallback = object()
  chosen = tree.select(abstract, (*rules, (".*", fallback)))

  def sharding(leaf, axes):
    if axes is fallback:
      axes = _largest_over_fsdp(leaf.shape, mesh.shape["fsdp"])
    names = [axis or None for axis in axes[: len(leaf.shape)]]
    return NamedSharding(mesh, PartitionSpec(*names))

  return jax.tree.map(sharding, abstract, chosen)


def _largest_over_fsdp(shape: Sequence[int], fsdp: int) -> list[str]:
  axes = [""] * len(shape)
  divisible = [size if size % fsdp == 0 else 0 for size in shape]
  if fsdp > 1 and divisible and max(divisible) >= fsdp:
    axes[divisible.index(max(divisible))] = "fsdp"
  return axes
