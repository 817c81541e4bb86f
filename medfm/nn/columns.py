"""A table's columns as one vector per example."""

import jax
import jax.numpy as jnp

from medfm.types import Batch, UserError


def vector(
  batch: Batch, levels: tuple[int, ...], *, indicate_missing: bool = False
) -> jax.Array:
  """[B,F] features and [B,M] categories -> [B,F+sum(levels)] float32.

  A missing feature is 0 (the mean, once standardised); a category is one-hot,
  and missing is all zeros.

  levels: the number of levels of each categorical column.
  indicate_missing: append a 0/1 column per feature that says it is missing.

  Raises:
    UserError: neither features nor categories, or `levels` of other length
      than the categories.
  """
  parts = []
  if "features" in batch:
    features = batch["features"]
    missing = jnp.isnan(features)
    parts.append(jnp.where(missing, 0, features).astype(jnp.float32))
    if indicate_missing:
      parts.append(missing.astype(jnp.float32))
  parts += [
    jax.nn.one_hot(column, size)
    for column, size in zip(categories(batch, levels).T, levels, strict=True)
  ]
  if not parts:
    raise UserError("a tabular model needs `features` or `categories`")
  return jnp.concatenate(parts, -1)


def categories(batch: Batch, levels: tuple[int, ...]) -> jax.Array:
  """The batch's categories [B,M], checked against the model's `levels`."""
  found = batch.get("categories")
  if found is None:
    found = jnp.zeros((batch["weight"].shape[0], 0), jnp.int32)
  if found.shape[1] != len(levels):
    raise UserError(
      f"model.levels has {len(levels)} entries, but the batch has "
      f"{found.shape[1]} categorical columns"
    )
  return found
