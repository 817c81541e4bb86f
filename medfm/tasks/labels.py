"""Labels as arrays: which are known, and another cohort's in our codes."""

from collections.abc import Mapping

import numpy as np

from medfm.types import Batch, Info

Arrays = Mapping[str, np.ndarray]


def condense(info: Info, batch: Batch, outputs: Arrays) -> dict:
  """`probs` [B,K]."""
  del info, batch
  return {"probs": outputs["probs"]}


def known_columns(
  info: Info, target: Arrays, predicted: Arrays, name: str
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """`Task.known` of `label` [N,K] and predicted[name] [N,K].

  A row is unknown if all its labels are NaN.

  Raises:
    ValueError: the shapes do not fit `info`.
  """
  label = np.asarray(target["label"])
  values = shaped(info, len(label), predicted, name)
  if label.shape != values.shape:
    raise ValueError(f"label has shape {label.shape}, expected {values.shape}")
  label = label.astype(np.float64)
  rows = np.asarray(~np.isnan(label).all(1))
  return rows, {"label": label[rows]}, {name: values[rows]}


def shaped(info: Info, count: int, predicted: Arrays, name: str) -> np.ndarray:
  """predicted[name] in float64; checks that it is [count,K]."""
  values = np.asarray(predicted[name], np.float64)
  shape = (count, len(info.target.names))
  if values.shape != shape:
    raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
  return values


def reordered(arrays: Arrays, info: Info, trained: Info) -> dict:
  """Another cohort's `label` [N,K] in the order of the trained names."""
  order = [info.target.names.index(name) for name in trained.target.names]
  return {"label": arrays["label"][:, order]}


def renumbered(arrays: Arrays, info: Info, trained: Info) -> dict:
  """Another cohort's `label` of class numbers as training numbered them.

  -1, not known, stays -1.
  """
  position = {name: i for i, name in enumerate(trained.target.names)}
  codes = [*(position.get(name, -1) for name in info.target.names), -1]
  return {"label": np.array(codes, np.int32)[arrays["label"]]}
