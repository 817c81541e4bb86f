"""Where arrays are kept: one named mesh, and rules from paths to shardings."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from medfm import spec, tree
from medfm.types import Batch, Split, UserError

AXES = ("data", "fsdp", "tensor")

RULES = {
  "transformer": (
    (r"(^|/)qkv/kernel$", ("...", "fsdp", "", "tensor", "")),
    (r"(^|/)qkv/bias$", ("...", "", "tensor", "")),
    (r"(^|/)attention/out/kernel$", ("...", "tensor", "", "fsdp")),
    (r"(^|/)mlp/in/kernel$", ("...", "fsdp", "tensor")),
    (r"(^|/)mlp/in/bias$", ("...", "tensor")),
    (r"(^|/)mlp/out/kernel$", ("...", "tensor", "fsdp")),
  )
}
"""Rules by name, for `sharding` in a config or on the command line.

transformer: the blocks of `nn.transformer`, heads and hidden units over the
  tensor axis (Megatron-LM, Shoeybi et al. 2019), the width over fsdp.
"""


def mesh(*, data: int = -1, fsdp: int = 1, tensor: int = 1) -> Mesh:
  """The mesh of all devices; -1 takes what the other axes leave.

  data: batches are split, parameters repeated. fsdp: both are split.
  tensor: parameters are split as the rules say.
  """
  sizes, count = [data, fsdp, tensor], jax.device_count()
  if sizes.count(-1) == 1:
    sizes[sizes.index(-1)] = count // abs(data * fsdp * tensor)
  if math.prod(sizes) != count:
    raise UserError(
      f"mesh data={data} fsdp={fsdp} tensor={tensor} does not use the "
      f"{count} devices; the product of the three must be {count}"
    )
  return jax.make_mesh(tuple(sizes), AXES, axis_types=(AxisType.Auto,) * 3)


def rows(mesh: Mesh) -> NamedSharding:
  """The sharding of a batch: its leading axis over data and fsdp."""
  return NamedSharding(mesh, PartitionSpec(AXES[:2]))


def share(mesh: Mesh, count: int) -> np.ndarray:
  """Which of a batch's `count` rows this process's devices hold, in order."""
  held = rows(mesh).addressable_devices_indices_map((count,)).values()
  return np.unique(np.concatenate([np.arange(count)[index] for index in held]))


def assembled(
  arrays: Mapping[str, np.ndarray], share: np.ndarray, mesh: Mesh, count: int
) -> dict[str, jax.Array]:
  """The whole batch of `count` rows, assembled from every process's share."""

  def whole(array):
    def part(index):
      start, stop, _ = index[0].indices(count)
      first = int(np.searchsorted(share, start))
      return array[first : first + stop - start]

    shape = (count, *array.shape[1:])
    return jax.make_array_from_callback(shape, rows(mesh), part)

  return {name: whole(array) for name, array in arrays.items()}


def gather(split: Split, mesh: Mesh) -> Callable[[Batch], Batch]:
  """A batch's `row` int32 [B] -> the split's arrays [B, ...] of these rows.

  The whole split is put on every device now, and stays there as long as the
  function exists: the host then sends only the numbers of a batch's rows, not
  their content. Other arrays of the batch are passed on.
  """
  whole = NamedSharding(mesh, PartitionSpec())

  def put(array):
    array = np.asarray(array)
    return jax.make_array_from_callback(array.shape, whole, array.__getitem__)

  def gathered(held, batch):
    batch = dict(batch)
    index = batch.pop("row")
    take = functools.partial(jnp.take, indices=index, axis=0, mode="clip")
    return {name: take(array) for name, array in held.items()} | batch

  held = {name: put(array) for name, array in split.arrays.items()}
  compiled = jax.jit(
    gathered, in_shardings=(whole, rows(mesh)), out_shardings=rows(mesh)
  )
  return functools.partial(compiled, held)


def shardings(
  abstract: Any, mesh: Mesh, rules: Sequence[str | tuple[str, Sequence[str]]]
) -> Any:
  """A sharding for every leaf, from (regex, one axis name per dimension).

  A rule may also be the name of a set of rules in `RULES`. The axis name ""
  leaves a dimension whole; "..." in front stands for all further dimensions,
  which stay whole. A leaf that no rule matches is split over fsdp along its
  largest divisible dimension, if fsdp > 1.
  """
  ordered = []
  for rule in rules:
    named = isinstance(rule, str)
    ordered += spec.chosen("sharding", rule, RULES) if named else [rule]
  chosen = tree.select(abstract, (*ordered, (".*", None)))

  def sharding(path, leaf, axes):
    if axes is None:
      axes = _largest_over_fsdp(leaf.shape, mesh.shape["fsdp"])
    if axes and axes[0] == "...":
      axes = [""] * (len(leaf.shape) - len(axes) + 1) + list(axes[1:])
    names = [axis or None for axis in axes[: len(leaf.shape)]]
    for size, axis in zip(leaf.shape, names, strict=False):
      if axis and size % mesh.shape[axis]:
        raise UserError(
          f"mesh.{axis}={mesh.shape[axis]} does not divide the {size} of "
          f"{tree.name(path)} {leaf.shape}: choose another width or mesh"
        )
    return NamedSharding(mesh, PartitionSpec(*names))

  return jax.tree_util.tree_map_with_path(sharding, abstract, chosen)


def _largest_over_fsdp(shape: Sequence[int], fsdp: int) -> list[str]:
  axes = [""] * len(shape)
  divisible = [size if size % fsdp == 0 else 0 for size in shape]
  if fsdp > 1 and divisible and max(divisible) >= fsdp:
    axes[divisible.index(max(divisible))] = "fsdp"
  return axes
