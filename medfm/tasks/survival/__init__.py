"""Time until an event, of one cause or several, with censored follow-up."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import survival as scored
from medfm.metrics.bootstrap import Metric
from medfm.metrics.described import Description, of
from medfm.metrics.undefined import Undefined
from medfm.tasks import absent, binary, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks import recalibration as recalibrations
from medfm.tasks.survival import follow_up, learnt, observed
from medfm.tasks.survival import rivals as _rivals
from medfm.tasks.survival.learnt import CENSORED, Survival
from medfm.types import Arrays, Batch, Info, Profile, UserError

TARGETS = ("time", "event")
STRATIFY = "event"
OBJECTIVE = "survival.discrete_hazards"
PROBLEM_TYPE = ""
RIVALS = _rivals.RIVALS
LINEAR = ""
Columns = follow_up.Columns
fitted, refitted, target = learnt.fitted, learnt.refitted, learnt.target
assembled = documents.assembled
strata = absent.none  # Balancing over the event would change every risk.
answers = absent.none
votes = absent.none
headline = partial(panels.listed, wanted=("c_index", "integrated_brier"))
_AT = {
  "auroc": ("AUROC", scored.auroc_at),
  "brier": ("Brier score", scored.brier_at),
  "observed_expected": ("Observed / expected", scored.observed_expected),
}
"""Metrics at a horizon, and how their titles begin."""


def condense(info: Info, batch: Batch, outputs: Arrays) -> Arrays:
  """`risk` [B] to rank by, and `incidence` [B,K*T], cause after cause: the
  probability of each event by each of the target's times."""
  del info, batch
  incidence = outputs.get("incidence")
  if incidence is None:
    incidence = 1 - np.asarray(outputs["survival"])[:, None]
  incidence = np.asarray(incidence)
  flat = incidence.reshape(len(incidence), -1)
  return {"risk": np.asarray(outputs["risk"]), "incidence": flat}


def known(info: Info, target: Arrays, predicted: Arrays) -> labels.Known:
  """The rows whose time and event are known; all numbers in float64."""
  time = np.asarray(target["time"], np.float64)
  event = np.asarray(target["event"])
  causes, count = len(info.target.names), len(event)
  if count and not -1 <= event.min() <= event.max() <= causes:
    raise ValueError(f"an event is not one of -1..{causes}")
  rows = (event >= 0) & ~np.isnan(time)
  incidence = (count, causes * len(_of(info).times))
  values = {}
  for name, shape in {"risk": (count,), "incidence": incidence}.items():
    array = np.asarray(predicted[name], np.float64)
    if array.shape != shape:
      raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    values[name] = array[rows]
  return rows, {"time": time[rows], "event": event[rows]}, values


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Harrell's C, the Brier score over time, and each horizon's metrics.

  With several causes each has its own metrics, ranked by the risk of that cause
  at the end of the grid; C and the integrated Brier score have a mean over
  causes.
  """
  del decided  # Risk groups change no metric.
  names, risks = info.target.names, by_cause(info, predicted)
  metrics: dict[str, Metric] = {}
  named: dict[str, Description] = {}
  for k, name in enumerate(names):
    rank = predicted["risk"] if len(names) == 1 else risks[:, k, -1]
    column, named = _of_cause(_of(info), target, rank, risks[:, k], k + 1)
    suffix = "" if len(names) == 1 else f"[{name}]"
    metrics |= {f"{key}{suffix}": metric for key, metric in column.items()}
  keys = ("c_index", "integrated_brier") if len(names) > 1 else ()
  means = {key: panels.mean(names, key) for key in keys}
  return panels.panel(metrics, means, named)


def _of_cause(
  fit: Survival,
  target: Arrays,
  rank: np.ndarray,
  risks: np.ndarray,
  cause: int,
) -> tuple[dict[str, Metric], dict[str, Description]]:
  """The metrics of one cause, by rank [N] and risks [N,T], and descriptions
  of those at a horizon, whose titles name it."""
  outcome = target["time"], target["event"]
  weighed: dict[str, Any] = {"censoring": fit.censoring, "cause": cause}
  metrics: dict[str, Metric] = {
    "c_index": partial(scored.concordance, *outcome, rank, cause=cause),
    "integrated_brier": partial(
      scored.integrated_brier, *outcome, risks, times=fit.times, **weighed
    ),
  }
  named = {}
  for horizon, risk in observed.at_horizons(risks, fit):
    at = f"at {horizon:g} {fit.unit}".rstrip()
    for key, (title, metric) in _AT.items():
      settings = {"cause": cause} if key == "observed_expected" else weighed
      name = f"{key}_at_{horizon:g}"
      metrics[name] = partial(
        metric, *outcome, risk, horizon=horizon, **settings
      )
      if description := of(metric):
        named[name] = description._replace(title=f"{title} {at}")
  return metrics, named


def details(
  info: Info, target: Arrays, predicted: Arrays, decisions: Mapping
) -> dict[str, Any]:
  """`follow_up`: the unit, times and horizons, and for each cause the observed
  and predicted incidence (`observed.causes`)."""
  fit = _of(info)
  if not len(target["time"]) or not np.isfinite(predicted["incidence"]).all():
    return {}
  groups = observed.group_of(predicted["risk"], decisions)
  causes = observed.causes(
    target["time"],
    target["event"],
    by_cause(info, predicted),
    groups,
    fit,
  )
  return {
    "follow_up": {
      "unit": fit.unit,
      "times": list(fit.times),
      "horizons": list(fit.horizons),
      "causes": causes,
    }
  }


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """Two risks that cut the validation split into thirds; {} if ties or too few
  examples prevent this."""
  del specificity
  _, _, predicted = known(info, target, predicted)
  return observed.cuts(predicted["risk"])


def events(info: Info, target: Arrays) -> np.ndarray:
  """Which patients were seen to fail, of any cause."""
  return np.asarray(target["event"]) > 0


def questions(
  info: Info, target: Arrays, predicted: Arrays
) -> list[binary.Question]:
  """For each cause and horizon: which patients fail of it by then?

  Patients lost before then have no answer; the others represent them with
  weights, one over the probability of being followed as long (IPCW).
  """
  fit, risks = _of(info), by_cause(info, predicted)
  time, event = target["time"], target["event"]
  asked = []
  for k, name in enumerate(info.target.names):
    for horizon, risk in observed.at_horizons(risks[:, k], fit):
      by = f"{name} by {horizon:g} {fit.unit}".rstrip()
      try:
        inverse = scored.ipcw(time, event, horizon, fit.censoring)
      except Undefined:
        continue  # Nobody in training was followed as long.
      failed = (time <= horizon) & (event == k + 1)
      label = np.where(inverse > 0, failed, np.nan)
      asked.append(binary.Question(by, label, risk, inverse))
  return asked


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """time, event, risk, and risk_by_<time> for each of the target's times.

  The event is a cause or `censored`; if it or its time is not known, both are
  empty. Several causes have risk_by_<time>_<cause>.
  """
  written = {}
  if target is not None:
    time, event = np.asarray(target["time"]), np.asarray(target["event"])
    time = np.where(event < 0, np.nan, time)
    words = (CENSORED, *info.target.names)
    written["time"] = labels.numbers(time)
    written["event"] = [
      "" if np.isnan(t) else words[code]
      for t, code in zip(time, event, strict=True)
    ]
  written["risk"] = labels.numbers(np.asarray(predicted["risk"]))
  return written | labels.written("risk", _by(info), predicted["incidence"])


def table(info: Info, rows: labels.Rows) -> tuple[Arrays | None, Arrays]:
  """What `columns` wrote; a row without a time and an event is not known."""
  words = (CENSORED, *info.target.names)
  target = None
  if not rows or "time" in rows[0]:
    code = {word: number for number, word in enumerate(words)}
    event = [code.get(row["event"], -1) for row in rows]
    target = {
      "time": _floats(rows, "time"),
      "event": np.array(event, np.int32),
    }
  incidence = labels.read(rows, "risk", _by(info))
  return target, {"risk": _floats(rows, "risk"), "incidence": incidence}


def _floats(rows: labels.Rows, column: str) -> np.ndarray:
  return np.array([float(row[column] or "nan") for row in rows], np.float32)


def recoded(arrays: Arrays, info: Info, trained: Info) -> Arrays:
  """Causes numbered as in training, by name; refuses another unit of time."""
  here, there = _of(info).unit, _of(trained).unit
  if here and there and here != there:
    raise UserError(
      f"{info.name} has times in {here}, but the model was trained on {there}: "
      "convert the times"
    )
  number = {name: k for k, name in enumerate(trained.target.names, 1)}
  codes = [0, *(number.get(name, -1) for name in info.target.names), -1]
  event = np.array(codes, np.int32)[np.asarray(arrays["event"])]
  return {"time": arrays["time"], "event": event}


def rivals(info: Info) -> tuple[str, ...]:
  """Nothing but time, proportional hazards, and trees."""
  del info
  return tuple(RIVALS)


def profile(info: Info, target: Arrays) -> Profile:
  """How long examples were followed, and how often each event ended it."""
  levels = (CENSORED, *info.target.names)
  return Profile(
    ("follow-up",),
    np.asarray(target["time"])[:, None],
    {"event": (levels, np.asarray(target["event"]))},
  )


def recalibration(info: Info) -> recalibrations.Recalibration:
  """A factor on every cumulative hazard; none with several causes."""
  metrics = ("integrated_brier",)
  metrics += tuple(f"observed_expected_at_{h:g}" for h in _of(info).horizons)
  if len(info.target.names) > 1:
    how = (
      "Not recalibrated: with several causes, the risk of one cannot be moved "
      "without those of the others."
    )
    return recalibrations.Recalibration({}, metrics, how)
  how = (
    "Recalibration in the large: every cumulative hazard is multiplied by "
    "observed / expected events (Crowson et al. 2016, Statistical Methods in "
    "Medical Research). A slope is not fitted: the risks of hazard models by "
    "interval have no linear predictor to multiply."
  )
  return recalibrations.Recalibration({"Level": _level}, metrics, how)


def _level(
  info: Info, target: Arrays, predicted: Arrays
) -> recalibrations.Fitted:
  """Events until the end of the grid over those expected until then."""
  times = np.array([0.0, *_of(info).times])
  hazard = _hazard(predicted["incidence"])
  hazard = np.concatenate([np.zeros((len(hazard), 1)), hazard], axis=1)
  followed = np.minimum(target["time"], times[-1])
  seen = (np.asarray(target["event"]) == 1) & (target["time"] <= times[-1])
  recalibrations.require(int(seen.sum()), "events")
  expected = sum(
    np.interp(time, times, row)
    for time, row in zip(followed, hazard, strict=True)
  )
  if not np.isfinite(expected) or expected <= 0:
    raise Undefined("the expected number of events is not above 0")
  factor = float(seen.sum() / expected)

  def applied(predicted: Arrays) -> Arrays:
    moved = -np.expm1(-factor * _hazard(predicted["incidence"]))
    return {**predicted, "incidence": moved}

  return recalibrations.Fitted({"factor": factor}, applied)


def _hazard(incidence: np.ndarray) -> np.ndarray:
  """The cumulative hazards [N,T] of one cause's risks [N,T]."""
  return -np.log1p(-np.clip(incidence, 0, 1 - 1e-7))


def by_cause(info: Info, predicted: Arrays) -> np.ndarray:
  """`incidence` as [N,K,T]."""
  incidence = np.asarray(predicted["incidence"])
  count = len(info.target.names)
  return incidence.reshape(len(incidence), count, len(_of(info).times))


def _by(info: Info) -> list[str]:
  """The ends of the columns' names: `by_60`; `by_60_<cause>` for several."""
  times = [
    np.format_float_positional(np.float32(time), trim="-")
    for time in _of(info).times
  ]
  names = info.target.names
  ends = [f"_{name}" for name in names] if len(names) > 1 else [""]
  return [f"by_{time}{end}" for end in ends for time in times]


def _of(info: Info) -> Survival:
  """The target, which must be of this task."""
  if not isinstance(info.target, Survival):
    raise UserError(
      f"{info.name} has no times and events; a survival model needs them"
    )
  return info.target
