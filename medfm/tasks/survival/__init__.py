"""Time until an event, of one cause or several, with censored follow-up."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import survival as scored
from medfm.metrics.bootstrap import Metric
from medfm.metrics.described import Description, of
from medfm.metrics.survival import Curve, aalen_johansen, censoring
from medfm.tasks import cells, documents
from medfm.tasks import panel as panels
from medfm.tasks.survival import observed
from medfm.tasks.survival import rivals as _rivals
from medfm.types import Batch, Info, Split, UserError

Arrays = Mapping[str, np.ndarray]

TARGETS = ("time", "event")
STRATIFY = "event"
OBJECTIVE = "survival.discrete_hazards"
PROBLEM_TYPE = ""
RIVALS = _rivals.RIVALS
LINEAR = ""
FOLLOWED = 0.1
"""The grid ends where this share of the training patients is still seen."""
CENSORED = "censored"
"""In predictions.csv, the event of who had none."""


@dataclasses.dataclass(frozen=True)
class Survival:
  """`time` [B] float, `event` [B] int: 0 censored, k of cause k, -1 unknown.

  All numbers but the horizons are of the training split.

  names: of the causes 1, 2, ..., in order.
  counts: training examples that failed of each.
  unit: of the times, for axes and tables; "" where not known.
  horizons: times at which risks are scored; all are in `times`.
  times: [T] ascending; survival is predicted at each, by its end.
  incidence: [K][T], the share that failed of each cause by each time.
  censoring: P(not yet censored) over time, the weights of the metrics.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...]
  unit: str
  horizons: tuple[float, ...]
  times: tuple[float, ...]
  incidence: tuple[tuple[float, ...], ...]
  censoring: Curve


def fitted(
  names: Sequence[str],
  time: np.ndarray,
  event: np.ndarray,
  *,
  unit: str = "",
  horizons: Sequence[float] = (),
  intervals: int = 20,
) -> Survival:
  """What the training times [N] and events [N] tell.

  horizons: () for the quartiles of the event times, to two digits.
  intervals: the times are so many quantiles of the event times, up to where
    a tenth of the patients is still followed, and the horizons.

  Raises:
    UserError: a cause without an event, or a horizon nobody is followed past.
  """
  if CENSORED in names:
    raise UserError(f"an event cannot be called {CENSORED!r}: rename it")
  known = (np.asarray(event) >= 0) & ~np.isnan(time)
  time, event = np.asarray(time, np.float64)[known], np.asarray(event)[known]
  counts = np.bincount(event, minlength=len(names) + 1)[1:]
  for name, count in zip(names, counts, strict=True):
    if not count:
      raise UserError(
        f"no training example has the event {name!r}: merge it with another, "
        "drop it, or give more data"
      )
  try:
    horizons = sorted({float(horizon) for horizon in horizons})
  except ValueError:
    raise UserError(f"horizons={tuple(horizons)}: expected numbers") from None
  for horizon in horizons:
    if not 0 < horizon < time.max():
      raise UserError(
        f"horizon {horizon:g}: expected more than 0 and less than the longest "
        f"follow-up in training, {time.max():g}"
      )
  ends = _event_times(time, event)
  if not horizons:
    quartiles = _quantiles(ends, 4)[:3]
    rounded = {float(f"{each:.2g}") for each in quartiles}
    horizons = [each for each in rounded if 0 < each < time.max()]
  times = sorted({*_quantiles(ends, intervals).tolist(), *horizons})
  incidence = [
    aalen_johansen(time, event, times=np.array(times), cause=cause + 1)
    for cause in range(len(names))
  ]
  return Survival(
    names=tuple(names),
    counts=tuple(counts.tolist()),
    unit=unit,
    horizons=tuple(sorted(map(float, horizons))),
    times=tuple(times),
    incidence=tuple(tuple(row.tolist()) for row in incidence),
    censoring=censoring(time, event),
  )


def _event_times(time: np.ndarray, event: np.ndarray) -> np.ndarray:
  """The event times that a grid is cut from, in ascending order."""
  inside = (event > 0) & (time > 0) & (time < time.max())
  early = inside & (time <= np.quantile(time, 1 - FOLLOWED))
  ends = np.sort(time[early if early.any() else inside])
  if not len(ends):
    raise UserError(
      "no training example has an event after time 0 and before the longest "
      "follow-up: survival cannot be learnt"
    )
  return ends


def _quantiles(values: np.ndarray, count: int) -> np.ndarray:
  """The values by which 1, 2, ... of `count` equal parts are reached."""
  levels = np.arange(1, count + 1) / count
  return np.quantile(values, levels, method="inverted_cdf")


def condense(info: Info, batch: Batch, outputs: Arrays) -> dict:
  """`risk` [B] to rank by, and `incidence` [B,K*T], cause after cause: the
  probability of each event by each of the target's times."""
  del info, batch
  incidence = outputs.get("incidence")
  if incidence is None:
    incidence = 1 - np.asarray(outputs["survival"])[:, None]
  incidence = np.asarray(incidence)
  flat = incidence.reshape(len(incidence), -1)
  return {"risk": np.asarray(outputs["risk"]), "incidence": flat}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, dict[str, np.ndarray]]:
  """One row per text, of whose windows it is the mean."""
  return documents.assembled(info, split, predicted)


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """The rows whose time and event are known; all numbers in float64.

  Raises:
    ValueError: the shapes do not fit `info`, or an event is out of range.
  """
  time = np.asarray(target["time"], np.float64)
  event = np.asarray(target["event"])
  names, count = info.target.names, len(event)
  if count and not -1 <= event.min() <= event.max() <= len(names):
    raise ValueError(f"an event is not one of -1..{len(names)}")
  shapes = {
    "risk": (count,),
    "incidence": (count, len(names) * len(_of(info).times)),
  }
  values = {}
  for name, shape in shapes.items():
    values[name] = np.asarray(predicted[name], np.float64)
    if values[name].shape != shape:
      raise ValueError(
        f"{name} has shape {values[name].shape}, expected {shape}"
      )
  rows = (event >= 0) & ~np.isnan(time)
  return (
    rows,
    {"time": time[rows], "event": event[rows]},
    {name: array[rows] for name, array in values.items()},
  )


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Harrell's C, the Brier score over time, and each horizon's metrics.

  Of several causes each has its own, ranked by the risk of that cause at the
  end of the grid; C and the integrated Brier score have a mean over causes.
  Risk groups change no metric, so decisions and specificity do not either.
  """
  del decisions, specificity
  known_as, names = _of(info), info.target.names
  several = len(names) > 1
  risks = by_cause(info, predicted)
  metrics: dict[str, Metric] = {}
  for k, name in enumerate(names):
    inside = f"[{name}]" if several else ""
    rank = risks[:, k, -1] if several else np.asarray(predicted["risk"])
    of_cause = _of_cause(known_as, target, rank, risks[:, k], k + 1)
    metrics |= {f"{key}{inside}": each for key, each in of_cause.items()}
  means = (
    {key: panels.mean(names, key) for key in ("c_index", "integrated_brier")}
    if several
    else {}
  )
  return panels.panel(metrics, means, _at_horizons(known_as))


def _of_cause(
  known_as: Survival,
  target: Arrays,
  rank: np.ndarray,
  risks: np.ndarray,
  cause: int,
) -> dict[str, Metric]:
  """The metrics of one cause, by rank [N] and risks [N,T]."""
  time, event = target["time"], target["event"]
  weighed = {"censoring": known_as.censoring, "cause": cause}
  found: dict[str, Metric] = {
    "c_index": partial(scored.concordance, time, event, rank, cause=cause),
    "integrated_brier": partial(
      scored.integrated_brier,
      time,
      event,
      risks,
      times=known_as.times,
      **weighed,
    ),
  }
  for horizon in known_as.horizons:
    risk = risks[:, known_as.times.index(horizon)]
    given = (time, event, risk)
    found |= {
      f"auroc_at_{horizon:g}": partial(
        scored.auroc_at, *given, horizon=horizon, **weighed
      ),
      f"brier_at_{horizon:g}": partial(
        scored.brier_at, *given, horizon=horizon, **weighed
      ),
      f"observed_expected_at_{horizon:g}": partial(
        scored.observed_expected, *given, horizon=horizon, cause=cause
      ),
    }
  return found


def _at_horizons(known_as: Survival) -> dict[str, Description]:
  """Descriptions whose titles name the horizon."""
  functions = {
    "auroc": ("AUROC", scored.auroc_at),
    "brier": ("Brier score", scored.brier_at),
    "observed_expected": ("Observed / expected", scored.observed_expected),
  }
  named = {}
  for horizon in known_as.horizons:
    for key, (title, function) in functions.items():
      description = of(function)
      if description is not None:
        named[f"{key}_at_{horizon:g}"] = description._replace(
          title=f"{title} at {horizon:g} {known_as.unit}".rstrip()
        )
  return named


def details(info: Info, target: Arrays, predicted: Arrays) -> dict[str, Any]:
  """`follow_up`: the unit, times and horizons, and of each cause what was
  observed beside what was predicted (`observed.causes`)."""
  known_as = _of(info)
  if not len(target["time"]) or not np.isfinite(predicted["incidence"]).all():
    return {}
  return {
    "follow_up": {
      "unit": known_as.unit,
      "times": list(known_as.times),
      "horizons": list(known_as.horizons),
      "causes": observed.causes(
        target["time"],
        target["event"],
        by_cause(info, predicted),
        names=known_as.names,
        times=known_as.times,
        horizons=known_as.horizons,
      ),
    }
  }


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """Two risks that cut the validation split into thirds; {} where ties or
  too few examples allow no such cuts."""
  del specificity
  _, _, predicted = known(info, target, predicted)
  return observed.cuts(predicted["risk"])


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """time, event, risk, and risk_by_<time> for each of the target's times.

  The event is a cause or `censored`; where it or its time is not known, both
  are empty. Several causes have risk_by_<time>_<cause>.
  """
  written = {}
  if target is not None:
    time, event = np.asarray(target["time"]), np.asarray(target["event"])
    seen = (event >= 0) & ~np.isnan(time)
    words = (CENSORED, *info.target.names)
    written["time"] = [
      f"{t:.9g}" if ok else "" for t, ok in zip(time, seen, strict=True)
    ]
    written["event"] = [
      words[code] if ok else "" for code, ok in zip(event, seen, strict=True)
    ]
  risk = np.asarray(predicted["risk"])
  written["risk"] = ["" if np.isnan(r) else f"{r:.9g}" for r in risk]
  return written | cells.written("risk", _by(info), predicted["incidence"])


def table(
  info: Info, rows: Sequence[Mapping[str, str]]
) -> tuple[dict[str, np.ndarray] | None, dict[str, np.ndarray]]:
  """What `columns` wrote; a row without a time and an event is not known."""
  words = (CENSORED, *info.target.names)
  code = {word: number for number, word in enumerate(words)}
  target = None
  if not rows or "time" in rows[0]:
    target = {
      "time": np.array([float(r["time"] or "nan") for r in rows], np.float32),
      "event": np.array([code.get(r["event"], -1) for r in rows], np.int32),
    }
  risk = np.array([float(r["risk"] or "nan") for r in rows], np.float32)
  return target, {
    "risk": risk,
    "incidence": cells.read(rows, "risk", _by(info)),
  }


def strata(info: Info, arrays: Arrays) -> np.ndarray | None:
  """None: to balance over who failed would change every risk."""
  del info, arrays


def recoded(arrays: Arrays, info: Info, trained: Info) -> dict:
  """Causes numbered as training numbered them, by name.

  Raises:
    UserError: the times are in another unit.
  """
  here, there = _of(info).unit, _of(trained).unit
  if here and there and here != there:
    raise UserError(
      f"{info.name} has times in {here}; the model was trained on {there}"
    )
  number = {name: k for k, name in enumerate(trained.target.names, 1)}
  codes = [0, *(number[name] for name in info.target.names), -1]
  event = np.array(codes, np.int32)[np.asarray(arrays["event"])]
  return {"time": arrays["time"], "event": event}


def rivals(info: Info) -> tuple[str, ...]:
  """Nothing but time, proportional hazards, and trees."""
  del info
  return tuple(RIVALS)


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """Harrell's C, and the Brier score over time."""
  names = list(metrics)
  wanted = ("c_index", "integrated_brier")
  first = [name for name in wanted if name in names]
  return first or [name for name in names if name == select] or names[:1]


def answers(info: Info, target: Arrays, predicted: Arrays) -> None:
  """None: a risk is neither right nor wrong."""
  del info, target, predicted


def votes(info: Info, target: Arrays) -> None:
  """None: who is censored has nothing to vote for."""
  del info, target


def by_cause(info: Info, predicted: Arrays) -> np.ndarray:
  """`incidence` as [N,K,T]."""
  incidence = np.asarray(predicted["incidence"])
  count = len(info.target.names)
  return incidence.reshape(len(incidence), count, len(_of(info).times))


def _by(info: Info) -> list[str]:
  """The ends of the columns' names: `by_60`, of several causes with each."""
  times = [
    np.format_float_positional(np.float32(time), trim="-")
    for time in _of(info).times
  ]
  names = info.target.names
  ends = [f"_{name}" for name in names] if len(names) > 1 else [""]
  return [f"by_{time}{end}" for end in ends for time in times]


def _of(info: Info) -> Survival:
  """The target, which is of this task.

  Raises:
    UserError: it is another task's.
  """
  if not isinstance(info.target, Survival):
    raise UserError(f"{info.name} has no times and events to be scored by")
  return info.target
