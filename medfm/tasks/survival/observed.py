"""Observed against predicted risk, by groups of risk and over time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.metrics.survival import aalen_johansen, kaplan_meier

LOW, HIGH = "low_risk_up_to", "high_risk_above"
"""The decisions that cut predicted risks into three groups."""

GROUPS = ("low risk", "middle risk", "high risk")
FIFTHS, FEWEST = 5, 10
"""Groups of equal size of a calibration plot, and the fewest examples of one; a
small split has fewer groups."""


def cuts(risk: np.ndarray) -> dict[str, float]:
  """The thirds of risks [N]; {} if they do not give three groups."""
  if not len(risk) or not np.isfinite(risk).all():
    return {}
  low, high = np.quantile(risk, (1 / 3, 2 / 3)).tolist()
  thirds = {LOW: low, HIGH: high}
  groups = group_of(risk, thirds)
  whole = groups is not None and len(np.unique(groups)) == len(GROUPS)
  return thirds if whole else {}


def group_of(
  risk: np.ndarray, decisions: Mapping[str, float]
) -> np.ndarray | None:
  """[N] the place in `GROUPS` of each risk; None without decided cuts."""
  if not {LOW, HIGH} <= decisions.keys():
    return None
  return (risk > decisions[LOW]).astype(int) + (risk > decisions[HIGH])


def of_equal_size(risk: np.ndarray) -> np.ndarray:
  """[N] a number from 0 by ascending risk: fifths, or fewer; ties together."""
  count = int(np.clip(len(risk) // FEWEST, 1, FIFTHS))
  edges = np.quantile(risk, np.arange(1, count) / count)
  return np.unique(np.searchsorted(edges, risk, "left"), return_inverse=True)[1]


def causes(
  time: np.ndarray,
  event: np.ndarray,
  risks: np.ndarray,
  groups: np.ndarray | None,
  target: Any,
) -> list[dict[str, Any]]:
  """For each cause, JSON-able: `observed` and `predicted` cumulative incidence
  [T], and at each horizon the groups of equal size by predicted risk
  (`calibration`) and those of `GROUPS` (`risk_groups`), see `grouped`.

  time, event: [N], known. risks: [N,K,T]. groups: from `group_of`.
  """
  entries = []
  for k, name in enumerate(target.names):
    curve = aalen_johansen(time, event, times=target.times, cause=k + 1)
    entry = {
      "name": name,
      "observed": curve.tolist(),
      "predicted": risks[:, k].mean(0).tolist(),
      "calibration": [],
      "risk_groups": [],
    }
    for horizon, risk in at_horizons(risks[:, k], target):
      given = (time, event, risk, horizon, k + 1)
      equal = grouped(*given, of_equal_size(risk))
      entry["calibration"].append({"horizon": horizon, "groups": equal})
      if groups is not None:
        named = [
          {"name": GROUPS[group], **each}
          for group, each in zip(
            np.unique(groups), grouped(*given, groups), strict=True
          )
        ]
        entry["risk_groups"].append({"horizon": horizon, "groups": named})
    entries.append(entry)
  return entries


def at_horizons(
  risks: np.ndarray, target: Any
) -> list[tuple[float, np.ndarray]]:
  """Each horizon with the risks [N] by then, of [N,T]."""
  times = list(target.times)
  return [(h, risks[:, times.index(h)]) for h in target.horizons]


def grouped(
  time: np.ndarray,
  event: np.ndarray,
  risk: np.ndarray,
  horizon: float,
  cause: int,
  groups: np.ndarray,
  weight: np.ndarray | None = None,
) -> list[dict[str, Any]]:
  """`risk_by` of each group that has members, by ascending number, and the
  mean of its `predicted` risks [N] at the horizon."""
  entries = []
  for group in np.unique(groups):
    rows = groups == group
    drawn = None if weight is None else weight[:, rows]
    seen = risk_by(time[rows], event[rows], horizon, cause, drawn)
    entries.append(seen | {"predicted": float(risk[rows].mean())})
  return entries


def risk_by(
  time: np.ndarray,
  event: np.ndarray,
  horizon: float,
  cause: int,
  weight: np.ndarray | None = None,
) -> dict[str, Any]:
  """For a group: `n`, how many failed of the cause by the horizon (`events`),
  and the `observed` risk by Kaplan-Meier (Aalen-Johansen), None if somebody is
  lost and nobody is followed to the horizon.

  weight: [R,N] resamples; with them also `low` and `high`, 95 %. A group of
    fewer than ten has no interval, nor one in which nobody or everybody fails,
    since all resamples agree.
  """
  failed = int(((event == cause) & (time <= horizon)).sum())
  entry: dict[str, Any] = {"n": len(time), "events": failed, "observed": None}
  left = kaplan_meier(time, event, times=(horizon,))[0]
  if not (time >= horizon).any() and left > 1e-9:
    return entry
  by: dict[str, Any] = {"times": (horizon,), "cause": cause}
  entry["observed"] = float(aalen_johansen(time, event, **by)[0])
  if weight is not None and 0 < failed < len(time) >= FEWEST:
    drawn = aalen_johansen(time, event, weight, **by)[:, 0]
    low, high = np.quantile(drawn, (0.025, 0.975))
    entry |= {"low": float(low), "high": float(high)}
  return entry
