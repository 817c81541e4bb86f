"""How a metric says that it has no value.

Every metric takes `weight` of shape [N] or [R,N] (one row per resample) and
gives one number, or R. A single number that is not defined raises `Undefined`
with the reason; among R resamples the undefined ones are NaN. Never 0.5.
"""

import numpy as np

Value = float | np.ndarray
"""One number or, for weights [R,N], one for each resample [R]."""


class Undefined(Exception):
  """The metric has no value on these examples; the message is the reason."""

  @property
  def reason(self) -> str:
    return str(self)


def settled(value: np.ndarray, *conditions: tuple[np.ndarray, str]) -> Value:
  """`value` where no condition (mask, reason) holds, each shaped as `value`.

  Raises:
    Undefined: `value` is a single number and a condition holds; the first
      such condition gives the reason.
  """
  for mask, reason in conditions:
    if np.ndim(value) == 0 and mask:
      raise Undefined(reason)
    value = np.where(mask, np.nan, value)
  return float(value) if np.ndim(value) == 0 else value


def checked(
  label: np.ndarray, values: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """(label [n], values [n,...], weight [...,n]) in float64, NaN labels out.

  Raises:
    Undefined: no label is left, or a prediction is NaN or infinite.
    ValueError: the lengths differ, or a weight is negative or not finite.
  """
  label = np.asarray(label, np.float64)
  values = np.asarray(values, np.float64)
  if weight is None:
    weight = np.ones(len(label))
  weight = np.asarray(weight, np.float64)
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
  label: np.ndarray, values: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """As `checked`, with label as bool.

  Raises:
    ValueError: a label is neither 0 nor 1 nor NaN.
  """
  label, values, weight = checked(label, values, weight)
  if not np.isin(label, (0, 1)).all():
    raise ValueError("a binary label is 0, 1 or NaN (missing)")
  return label == 1, values, weight


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
  """numerator / denominator, quietly NaN or infinite where that is zero."""
  with np.errstate(divide="ignore", invalid="ignore"):
    return np.divide(numerator, denominator)


def average(values: np.ndarray, weight: np.ndarray) -> Value:
  """Weighted mean of values [N] for weight [...,N]."""
  total = weight.sum(-1)
  return settled(
    ratio(weight @ values, total), (total == 0, "no example has any weight")
  )
