"""The report's details: the data card, the model, and how to reproduce it."""

import datetime
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from medfm import spec
from medfm.report import summary, wording
from medfm.report.markup import Markup, definitions, folded, table, tag
from medfm.report.reading import Run, Stage, target

_LOADED = ("loaded", "fresh", "unused")


def data_cards(run: Run) -> Iterator[Markup]:
  """The card of each data set that a finished stage used, once each."""
  sharing: dict[str, list[Stage]] = {}
  for stage in run.stages.values():
    if stage.data:
      shared = stage.data.get("name"), stage.data.get("card")
      sharing.setdefault(json.dumps(shared, sort_keys=True), []).append(stage)
  yield tag("h2", "Data")
  for stages in sharing.values():
    yield from _card(stages)
  if not sharing:
    yield tag("p", "No stage has finished yet.")


def training(run: Run) -> Iterator[Markup]:
  """Model, objective, optimizer and start weights.

  What all stages share is shown once; the rest has a column for each stage.
  """
  yield tag("h2", "Model and training")
  stages = [stage for stage in run.stages.values() if stage.finished]
  if not stages:
    yield tag("p", "Not finished.")
    return
  described = [dict(_training(stage)) for stage in stages]
  names = dict.fromkeys(itertools.chain(*described))
  rows = [(name, *(c.get(name, "") for c in described)) for name in names]
  yield definitions(row[:2] for row in rows if len(set(row[1:])) == 1)
  if differing := [row for row in rows if len(set(row[1:])) > 1]:
    header = ("Stages differ in", *(stage.name for stage in stages))
    yield table(header, differing, numbers_from=99)
  for stage in stages:
    loaded = stage.result.get("init") or {}
    kinds = [(k, ", ".join(loaded.get(k) or ())) for k in _LOADED]
    if any(names for _, names in kinds):
      title = f"Start weights of {stage.name}, by name"
      yield folded(title, definitions(kinds))


def reproduction(run: Run) -> Iterator[Markup]:
  """The command, the versions, and every setting."""
  rest = dict(run.environment)
  command, packages = rest.pop("command", ""), rest.pop("packages", None) or {}
  yield tag("h2", "Reproduction")
  if command:
    yield tag("pre", command)
  if run.environment:
    versions = ", ".join(f"{name} {at}" for name, at in packages.items())
    shown = [(key.replace("_", " "), _shown(rest[key])) for key in rest]
    yield definitions([*shown, ("packages", versions)])
  else:
    yield tag("p", "environment.json is missing.")
  settings = [(key, _shown(v)) for key, v in spec.flat(run.config).items()]
  if settings:
    shown = table(("Setting", "Value"), settings, numbers_from=99)
    yield folded(f"All {len(settings)} settings", shown)


def facts(run: Run) -> Markup:
  """The list at the head of the page: data, numbers, hashes, date."""
  stage = summary.headline(run)
  data = stage.data if stage else {}
  splits = data.get("splits") or {}
  pairs = [
    ("Date", _date(run)),
    ("State", "finished" if run.finished else "not finished"),
    ("Data", data.get("name")),
  ]
  if stage and splits:
    listed = ", ".join(f"{name} {e['n']:,}" for name, e in splits.items())
    total = sum(entry["n"] for entry in splits.values())
    pairs.append(("Examples", f"{total:,} ({listed})"))
    patients = [entry["patients"] for entry in splits.values()]
    total = None if None in patients else sum(patients)
    pairs.append((stage.whom.capitalize(), wording.count(total)))
  hashes = ", ".join(f"{name} {e['sha256'][:12]}" for name, e in splits.items())
  commit = run.environment.get("commit")
  return definitions([*pairs, ("Splits (sha256)", hashes), ("Commit", commit)])


def _card(stages: list[Stage]) -> Iterator[Markup]:
  """The card that stages share."""
  stage, data = stages[0], stages[0].data
  users = ", ".join(each.name for each in stages)
  use = "evaluates" if "trained_on" in stage.result else "used by"
  yield tag("h3", f"{data.get('name', 'Data')} ({use} {users})")
  if summary.synthetic(stage):
    words = "These data are synthetic; the numbers say nothing about patients."
    yield tag("p", words, class_="notice")
  written = [
    (key.replace("_", " ").capitalize(), _shown(value))
    for key, value in stage.card.items()
    if key not in ("changes", "synthetic")
  ]
  missing = tag("p", "The data set has no card.")
  yield definitions(written) if written else missing
  changes = stage.card.get("changes") or ()
  rows = [(change["what"], f"{change['count']:,}") for change in changes]
  if changes:
    yield table(("Change made to the source data", "Count"), rows)
  else:
    yield tag("p", "No changes to the source data are recorded.")
  rows = []
  for name, split in data["splits"].items():
    patients, sha256 = wording.count(split["patients"]), split["sha256"]
    rows.append((name, f"{split['n']:,}", patients, tag("code", sha256)))
  yield table(("Split", "n", stage.whom.capitalize(), "sha256"), rows, "Splits")
  if leakage := data.get("leakage"):
    header = ("Shared between splits, or repeated", "Found", "For example")
    yield table(header, _overlaps(leakage), numbers_from=9)
  else:
    yield tag("p", "Leakage between splits was not checked.")


def _overlaps(entry: Any, *path: str) -> Iterator[tuple[str, str, str]]:
  """(what, count, first examples) of a nested leakage report."""
  name = ", ".join(part.replace("_", " ") for part in path if part != "pairs")
  match entry:
    case {"count": count, "examples": twins}:
      first = ", ".join(" = ".join(pair) for pair in twins[:5])
      yield name, f"{count:,}", first + (", …" if len(twins) > 5 else "")
    case dict():
      for key, inner in entry.items():
        yield from _overlaps(inner, *path, key)
    case None:
      if path[-1:] != ("near_rule",):
        yield name, "not known", ""
    case _:
      yield name, _shown(entry), ""


def _training(stage: Stage) -> Iterator[tuple[str, str]]:
  config, result = stage.config, stage.result
  objective = result.get("objective") or target(config, "objective")
  yield "Objective", objective.removeprefix("medfm.")
  yield "Model", target(config, "objective.model") or "not recorded"
  yield "Parameters", wording.count(result.get("params"))
  done, total = map(wording.count, (result.get("step"), result.get("steps")))
  yield "Steps", f"{done} of {total}"
  yield "Optimizer", _settings(config.get("optimizer"))
  if order := target(config, "order"):
    yield "Order", order.removeprefix("data.")
  shown = {key: config.get(key) for key in ("batch_size", "seed", "transforms")}
  shown["select"] = config.get("schedule", {}).get("select")
  for key, value in shown.items():
    if value not in (None, "", [], ()):
      yield key.replace("_", " ").capitalize(), _shown(value)
  for split in ("train", "validation"):
    whole = stage.data.get("splits", {}).get(split, {}).get("n")
    few = stage.data.get(f"{split}_used")
    if None not in (few, whole) and few < whole:
      what = {"train": "learnt from", "validation": "used to choose"}[split]
      yield f"Examples {what}", f"{few:,} of {whole:,} ({split})"
  kept, start = "the last", "all fresh"
  if best := result.get("best"):
    value = wording.number(best["value"])
    kept = f"{best['step']:,} ({best['metric']} {value})"
  if init := result.get("init"):
    counts = [f"{len(init.get(k) or ()):,} {k}" for k in _LOADED]
    start = f"{init.get('from') or 'elsewhere'}: {', '.join(counts)}"
  yield "Step kept", kept
  yield "Start weights", start


def _settings(entry: Any) -> str:
  """A config entry on one line: `optim.optimizer(lr=0.001, ...)`."""
  if not isinstance(entry, Mapping):
    return "not recorded"
  inner = {k: v for k, v in entry.items() if k not in ("_call_", "_bind_")}
  listed = [f"{k}={_shown(v)}" for k, v in spec.flat(inner).items()]
  return f"{target(entry)}({', '.join(listed)})"


def _date(run: Run) -> str:
  if date := run.environment.get("date"):
    return str(date)
  path = run.workdir / "results.json"
  if not path.exists():
    return ""
  seconds = path.stat().st_mtime
  moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
  return f"{moment:%Y-%m-%d %H:%M} UTC (of results.json)"


def _shown(value: Any) -> str:
  """A setting or a card's entry as a reader would write it."""
  if value is None:
    return "none"
  if isinstance(value, list):
    return ", ".join(map(_shown, value))
  if isinstance(value, Mapping):
    return ", ".join(f"{key}: {_shown(inner)}" for key, inner in value.items())
  return str(value)
