"""A table's columns as one vector per example."""

import jax
import jax.numpy as jnp

from medfm.types import Batch, UserError


def vector(
  batch: Batch, levels: tuple[int, ...], indicate_missing: bool = False
) -> jax.Array:
  """[B,F] features and [B,M] categories -> [B,F+sum(levels)] float32.

  A missing feature is 0 (the mean, once standardised); a category is one-hot,
  or all zeros if missing. UserError if a batch has neither features nor
  categories.

  levels: the number of levels of each categorical column.
  indicate_missing: append a 0/1 column per feature that says it is missing.
  """
  parts = []
  if "features" in batch:
    features = batch["features"]
    missing = jnp.isnan(features)
    parts.append(jnp.where(missing, 0, features).astype(jnp.float32))
    if indicate_missing:
      parts.append(missing.astype(jnp.float32))
  columns = categories(batch, levels).T
  parts += map(jax.nn.one_hot, columns, levels)
  if not parts:
    raise UserError(
      "a tabular model needs `features` or `categories`; the batch has "
      f"{', '.join(sorted(batch))}"
    )
  return jnp.concatenate(parts, -1)


def categories(batch: Batch, levels: tuple[int, ...]) -> jax.Array:
  """The batch's categories [B,M], checked against the model's `levels`."""
  values = batch.get("categories")
  if values is None:
    values = jnp.zeros((len(batch["weight"]), 0), jnp.int32)
  if values.shape[1] != len(levels):
    raise UserError(
      f"model.levels has {len(levels)} entries, but the batch has "
      f"{values.shape[1]} categorical columns"
    )
  return values
