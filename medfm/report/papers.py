"""The report's papers: the data card, the model, and how to reproduce it."""

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import summary, wording
from medfm.report.markup import Markup, definitions, join, table, tag
from medfm.report.reading import Run, Stage, flat, target


def data_cards(run: Run) -> Markup:
  """The card of each data set a finished stage used, told once."""
  cards: dict[str, tuple[Stage, list[str]]] = {}
  for stage in run.stages.values():
    if stage.data:
      shared = {k: stage.data.get(k) for k in ("name", "card")}
      key = json.dumps(shared, sort_keys=True, default=str)
      cards.setdefault(key, (stage, []))[1].append(stage.name)
  if not cards:
    return join((tag("h2", "Data"), tag("p", "No stage has finished yet.")))
  return join(
    (
      tag("h2", "Data"),
      *(_card(stage, users) for stage, users in cards.values()),
    )
  )


def training(run: Run) -> Markup:
  """Model, objective, optimizer and start weights.

  What all stages share is told once; the rest in a column for each.
  """
  stages = [stage for stage in run.stages.values() if stage.finished]
  if not stages:
    return join((tag("h2", "Model and training"), tag("p", "Not finished.")))
  described = [dict(_training(stage)) for stage in stages]
  names = dict.fromkeys(name for column in described for name in column)
  rows = [(name, *(c.get(name, "") for c in described)) for name in names]
  shared = [row[:2] for row in rows if len(set(row[1:])) == 1]
  differing = [row for row in rows if len(set(row[1:])) > 1]
  header = ("Stages differ in", *(stage.name for stage in stages))
  return join(
    (
      tag("h2", "Model and training"),
      definitions(shared),
      table(header, differing, numbers_from=99) if differing else None,
      *(_leaves(stage) for stage in stages),
    )
  )


def reproduction(run: Run) -> Markup:
  """The command, the versions, and every setting."""
  environment = run.environment
  packages = environment.get("packages") or {}
  versions = ", ".join(f"{name} {at}" for name, at in packages.items())
  known = ("command", "packages")
  rest = [
    (key.replace("_", " "), _shown(item))
    for key, item in environment.items()
    if key not in known
  ]
  command = environment.get("command")
  settings = [(key, _shown(item)) for key, item in flat(run.config).items()]
  return join(
    (
      tag("h2", "Reproduction"),
      tag("pre", command) if command else None,
      definitions([*rest, ("packages", versions)])
      if environment
      else tag("p", "environment.json is missing."),
      tag(
        "details",
        tag("summary", f"All {len(settings)} settings"),
        table(("Setting", "Value"), settings, numbers_from=99),
      )
      if settings
      else None,
    )
  )


def facts(run: Run) -> Markup:
  """The page's opening list: data, numbers, hashes, date."""
  stage = summary.headline(run)
  data = stage.data if stage else {}
  splits = data.get("splits") or {}
  patients = [entry.get("patients") for entry in splits.values()]
  total = None if None in patients else sum(patients)
  hashes = ", ".join(
    f"{name} {entry['sha256'][:12]}"
    for name, entry in splits.items()
    if entry.get("sha256")
  )
  sizes = ", ".join(f"{name} {e.get('n', 0):,}" for name, e in splits.items())
  examples = sum(entry.get("n", 0) for entry in splits.values())
  return definitions(
    (
      ("Date", _date(run)),
      ("State", "finished" if run.finished else "not finished"),
      ("Data", data.get("name")),
      ("Examples", f"{examples:,} ({sizes})" if splits else ""),
      (
        stage.whom.capitalize() if stage else "",
        wording.count(total) if splits else "",
      ),
      ("Splits (sha256)", hashes),
      ("Commit", run.environment.get("commit")),
    )
  )


def _card(stage: Stage, users: list[str]) -> Markup:
  data, card = stage.data, stage.data.get("card") or {}
  known = ("changes", "synthetic")
  written = [
    (key.replace("_", " ").capitalize(), _shown(item))
    for key, item in card.items()
    if key not in known
  ]
  made_up = tag(
    "p",
    "These data are synthetic: numbers say nothing about patients.",
    class_="notice",
  )
  rows = [
    (
      name,
      f"{entry.get('n', 0):,}",
      wording.count(entry.get("patients")),
      tag("code", entry.get("sha256") or "not recorded"),
    )
    for name, entry in (data.get("splits") or {}).items()
  ]
  return join(
    (
      tag("h3", f"{data.get('name', 'Data')} (used by {', '.join(users)})"),
      made_up if summary.synthetic(stage) else None,
      definitions(written)
      if written
      else tag("p", "The data set has no card."),
      _changes(card.get("changes") or ()),
      table(("Split", "n", stage.whom.capitalize(), "sha256"), rows, "Splits"),
      _leakage(data.get("leakage")),
    )
  )


def _changes(changes: Any) -> Markup:
  rows = [
    (change.get("what", ""), f"{change.get('count', 0):,}")
    if isinstance(change, Mapping)
    else (str(change), "")
    for change in changes
  ]
  if not rows:
    return tag("p", "No changes to the source data are recorded.")
  return table(("Change made to the source data", "Count"), rows)


def _leakage(leakage: Any) -> Markup:
  if not leakage:
    return tag("p", "Leakage between splits was not checked.")
  rows = list(_overlaps(leakage, ()))
  shown = [
    (name, count if isinstance(count, str) else f"{count:,}", examples)
    for name, count, examples in rows
  ]
  return table(
    ("Shared between splits, or repeated", "Found", "For example"),
    shown,
    numbers_from=9,
  )


def _overlaps(
  entry: Any, path: tuple[str, ...]
) -> Iterator[tuple[str, Any, str]]:
  """(what, count, first examples) of a nested leakage report."""
  name = ", ".join(part.replace("_", " ") for part in path if part != "pairs")
  if isinstance(entry, Mapping) and "count" in entry:
    lists = [v for v in entry.values() if isinstance(v, list | tuple)]
    yield name, entry["count"], _first(lists[0] if lists else [])
  elif isinstance(entry, Mapping):
    for key, inner in entry.items():
      yield from _overlaps(inner, (*path, str(key)))
  elif isinstance(entry, list | tuple):
    yield name, len(entry), _first(entry)
  elif isinstance(entry, int) and not isinstance(entry, bool):
    yield name, entry, ""
  elif entry is None and path[-1:] != ("near_rule",):
    yield name, "cannot be known", ""
  elif entry is not None:
    yield name, _shown(entry), ""


def _first(items: Any, most: int = 5) -> str:
  names = [
    " = ".join(map(str, item)) if isinstance(item, list | tuple) else str(item)
    for item in items[:most]
  ]
  return ", ".join(names) + (", …" if len(items) > most else "")


def _training(stage: Stage) -> Iterator[tuple[str, str]]:
  config, result = stage.config, stage.result
  objective = result.get("objective") or target(config, "objective")
  yield "Objective", objective.removeprefix("medfm.")
  yield "Model", target(config, "objective.model") or "not recorded"
  yield "Parameters", wording.count(result.get("params"))
  done, total = result.get("step"), result.get("steps")
  yield "Steps", f"{wording.count(done)} of {wording.count(total)}"
  yield "Optimizer", _settings(config.get("optimizer"))
  order = target(config, "order")
  if order:
    yield "Order", order.removeprefix("data.")
  shown = {key: config.get(key) for key in ("batch_size", "seed", "transforms")}
  shown["select"] = config.get("schedule", {}).get("select")
  for key, value in shown.items():
    if value not in (None, "", [], ()):
      yield key.replace("_", " ").capitalize(), _shown(value)
  best = result.get("best")
  if best:
    shown = wording.number(best["value"])
    yield "Step kept", f"{best['step']:,} ({best['metric']} {shown})"
  else:
    yield "Step kept", "the last"
  init = result.get("init")
  if init:
    counts = ", ".join(
      f"{len(init.get(kind) or ()):,} {kind}"
      for kind in ("loaded", "fresh", "unused")
    )
    yield "Start weights", f"{init.get('from') or 'elsewhere'}: {counts}"
  else:
    yield "Start weights", "all fresh"


def _leaves(stage: Stage) -> Markup | None:
  """Which parameters were loaded, and which were not."""
  init = stage.result.get("init") or {}
  kinds = [
    (kind, ", ".join(init[kind]))
    for kind in ("loaded", "fresh", "unused")
    if init.get(kind)
  ]
  if not kinds:
    return None
  return tag(
    "details",
    tag("summary", f"Start weights of {stage.name}, by name"),
    definitions(kinds),
  )


def _settings(entry: Any) -> str:
  """A config entry on one line: `optim.optimizer(lr=0.001, ...)`."""
  if not isinstance(entry, Mapping):
    return "not recorded"
  name = entry.get("_call_") or entry.get("_bind_") or ""
  inner = {k: v for k, v in entry.items() if k not in ("_call_", "_bind_")}
  listed = ", ".join(f"{k}={_shown(v)}" for k, v in flat(inner).items())
  return f"{name.removeprefix('medfm.')}({listed})"


def _date(run: Run) -> str:
  for key in ("date", "finished", "started", "time"):
    if run.environment.get(key):
      return str(run.environment[key])
  path = run.workdir / "results.json"
  if not path.exists():
    return ""
  moment = datetime.datetime.fromtimestamp(
    path.stat().st_mtime, tz=datetime.UTC
  )
  return f"{moment:%Y-%m-%d %H:%M} UTC (of results.json)"


def _shown(item: Any) -> str:
  """A setting or a card's entry as a reader would write it."""
  if item is None:
    return "none"
  if isinstance(item, list | tuple):
    return ", ".join(map(_shown, item))
  if isinstance(item, Mapping):
    return ", ".join(f"{key}: {_shown(inner)}" for key, inner in item.items())
  return str(item)
