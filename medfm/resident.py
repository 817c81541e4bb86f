"""Training examples that live on the device, where batches are gathered.

The host then hands over which rows a batch holds, and not their content.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from medfm import mesh as meshes
from medfm.types import Batch, Split


def gather(split: Split, mesh: Mesh) -> Callable[[Batch], Batch]:
  """A batch's `row` int32 [B] -> the split's arrays [B, ...] of these rows.

  Whatever else the batch holds is passed on. The whole split is put on every
  device of the mesh now, and stays there as long as the function does.
  """
  whole = NamedSharding(mesh, PartitionSpec())
  rows = meshes.rows(mesh)

  def put(array):
    array = np.asarray(array)
    return jax.make_array_from_callback(
      array.shape, whole, lambda index: array[index]
    )

  def gathered(held, batch):
    batch = dict(batch)
    index = batch.pop("row")
    take = functools.partial(jnp.take, indices=index, axis=0, mode="clip")
    return {name: take(array) for name, array in held.items()} | batch

  held = {name: put(array) for name, array in split.arrays.items()}
  compiled = jax.jit(gathered, in_shardings=(whole, rows), out_shardings=rows)
  return functools.partial(compiled, held)
