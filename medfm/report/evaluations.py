"""A run's evaluations on other cohorts: in words, and all in one table."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medfm import jsons, predictions, workdir
from medfm.report import html, tables, wording
from medfm.report.markup import table, tag
from medfm.report.reading import Stage

_HEAD = ("Cohort", "Stage", "n (patients)", "Events", "Metric")
_HEAD += ("Value [95 % interval]", "Minus own test split")
_INTERNAL = "(own test split)"
_ENDS = ("value", "low", "high")


def rows(folder: Path) -> list[dict[str, Any]]:
  """A row per cohort, stage and main metric, of every evaluation in a folder.

  Folders that hold something else are skipped; a damaged evaluation is
  reported.
  """
  return [
    row for path in sorted(folder.glob("*/results.json")) for row in _rows(path)
  ]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
  try:
    results = jsons.read(path)
    if not results.get("evaluation", {}).get("elsewhere"):
      return
    stages = [Stage(k, entry) for k, entry in results["stages"].items()]
    yield from [row for s in stages for row in _of_stage(path.parent.name, s)]
  except (OSError, ValueError, AttributeError, LookupError, TypeError):
    print(f"{path} is damaged and left out of the table", flush=True)


def _of_stage(cohort: str, stage: Stage) -> Iterator[dict[str, Any]]:
  split = stage.final_split
  counted, metrics = stage.splits[split], stage.part(split, "metrics")
  internal = stage.result.get("own_test") or {}
  for metric in stage.main(metrics):
    yield {
      "cohort": cohort,
      "stage": stage.name,
      "n": counted.get("n"),
      "patients": counted.get("patients"),
      "events": events(stage.result),
      "metric": stage.title(metric),
      "value": metrics[metric],
      "internal": internal,
      "internal_value": (internal.get("metrics") or {}).get(metric) or {},
      "difference": (stage.result.get("apart") or {}).get(metric) or {},
    }


def events(result: Mapping[str, Any]) -> str:
  """How often each answer occurs; with two answers only the second: `12`."""
  shown = []
  for name, counts in (result.get("answers") or {}).items():
    prefix = "" if len(result["answers"]) == 1 else f"{name} "
    if len(counts) == 2:
      shown.append(f"{prefix}{list(counts.values())[1]:,}")
    else:
      shown += [f"{prefix}{level} {n:,}" for level, n in counts.items()]
  return wording.listed(shown) if shown else ""


def text(listed: list[dict[str, Any]]) -> str:
  """The table for a terminal; a single stage is not named."""
  lines = [_HEAD, *_all_cells(listed)]
  if len({row["stage"] for row in listed}) == 1:
    lines = [(line[0], *line[2:]) for line in lines]
  return "\n".join(tables.aligned(lines))


def write(folder: Path, listed: list[dict[str, Any]]) -> Path:
  """Writes `summary.csv` and `summary.html`; gives the page's path."""
  workdir.write(folder / "summary.csv", _csv(listed))
  shown = table(_HEAD, map(_linked, _all_cells(listed)), numbers_from=9)
  title = f"{folder.resolve().parent.name} on other cohorts"
  note = (
    "A line for each cohort, stage and main metric, with 95 % intervals; the "
    "differences are unpaired. Each cohort's folder has its report."
  )
  notice = tag("p", html.NOTICE, class_="notice")
  main = tag("main", tag("h1", title), notice, tag("p", note), shown)
  path = folder / "summary.html"
  workdir.write(path, html.document(title, tag("body", main)))
  return path


def _all_cells(listed: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
  """The lines: each metric on the run's test split, then on cohorts."""
  order = {}
  for row in listed:
    order.setdefault((row["stage"], row["metric"]), []).append(row)
  for (stage, metric), rows in order.items():
    if inside := rows[0]["internal_value"]:
      size, value = _size(rows[0]["internal"]), wording.explained(inside)
      yield _INTERNAL, stage, size, "", metric, value, ""
    for row in rows:
      value = wording.explained(row["value"])
      apart = wording.explained(row["difference"], signed=True)
      apart = apart if row["difference"] else ""
      cohort, events = row["cohort"], row["events"]
      yield cohort, stage, _size(row), events, metric, value, apart


def _size(counted: Mapping[str, Any]) -> str:
  patients = counted["patients"]
  owners = "unknown" if patients is None else f"{patients:,}"
  return f"{wording.count(counted['n'])} ({owners})"


def _linked(cells: tuple[str, ...]) -> tuple[Any, ...]:
  if cells[0] == _INTERNAL:
    return cells
  link = tag("a", cells[0], href=f"{cells[0]}/report.html")
  return (link, *cells[1:])


def _csv(listed: list[dict[str, Any]]) -> str:
  """All numbers in full, and the reasons for missing numbers."""
  plain = ("cohort", "stage", "n", "patients", "events", "metric")
  parts = {
    "value": "",
    "internal_value": "own_test_",
    "difference": "difference_",
  }
  return predictions.text(
    {name: row[name] for name in plain}
    | {f"{p}{end}": row[k].get(end) for k, p in parts.items() for end in _ENDS}
    | {"reason": row["value"].get("reason")}
    for row in listed
  )
