"""How a metric says that it has no value.

Every metric takes `weight` of shape [N] or [R,N] (one row per resample) and
gives one number, or R. A single number that is not defined raises `Undefined`
with the reason; among R resamples the undefined ones are NaN. Never 0.5.
"""

import numpy as np

Array = np.ndarray
Weight = np.ndarray | None
"""[N] or [R,N]; None for all ones."""

Value = float | np.ndarray
"""One number or, for weights [R,N], one for each resample [R]."""


class Undefined(Exception):
  """The metric has no value on these examples; the message is the reason."""


def settled(value: Value, *conditions: tuple[Value, str]) -> Value:
  """`value`, NaN where any condition (mask, reason) holds; masks like `value`.

  A single number raises `Undefined` with the reason of the first that holds.
  """
  for mask, reason in conditions:
    if np.ndim(value) == 0 and mask:
      raise Undefined(reason)
    value = np.where(mask, np.nan, value)
  return float(value) if np.ndim(value) == 0 else value


def checked(
  label: Array, values: Array, weight: Weight
) -> tuple[Array, Array, Array]:
  """(label [n], values [n,...], weight [...,n]) in float64, NaN labels out.

  Undefined if no label is left or a prediction is not finite; ValueError if
  lengths differ or a weight is negative or not finite.
  """
  label, values = np.asarray(label, float), np.asarray(values, float)
  weight = np.ones(len(label)) if weight is None else np.asarray(weight, float)
  if not len(label) == len(values) == weight.shape[-1]:
    raise ValueError(
      f"{len(label)} labels, {len(values)} predictions and"
      f" {weight.shape[-1]} weights: expected equal lengths"
    )
  if weight.size and not (weight.min() >= 0 and weight.max() < np.inf):
    raise ValueError("a weight is negative or not finite")
  missing = np.isnan(label)
  if missing.any():
    label, values = label[~missing], values[~missing]
    weight = weight[..., ~missing]
  if not len(label):
    raise Undefined("no labelled example")
  broken = int((~np.isfinite(values)).reshape(len(values), -1).any(1).sum())
  if broken:
    raise Undefined(f"{broken} predictions are not finite")
  return label, values, weight


def checked_binary(
  label: Array, values: Array, weight: Weight
) -> tuple[Array, Array, Array]:
  """As `checked`, with label as bool; ValueError if a label is not 0 or 1."""
  label, values, weight = checked(label, values, weight)
  if not np.isin(label, (0, 1)).all():
    raise ValueError("a binary label is 0, 1 or NaN (missing)")
  return label == 1, values, weight


def ratio(numerator: Value, denominator: Value) -> Array:
  """numerator / denominator; by 0, NaN or infinite without a warning."""
  with np.errstate(divide="ignore", invalid="ignore"):
    return np.divide(numerator, denominator)


def share(part: Value, whole: Value, reason: str) -> Value:
  """part / whole; undefined, with this reason, if `whole` is 0."""
  return settled(ratio(part, whole), (whole == 0, reason))


def average(values: Array, weight: Array) -> Value:
  """Weighted mean of values [N] for weight [...,N]."""
  return share(weight @ values, weight.sum(-1), "no example has any weight")
