"""The main numbers of a run as plain text, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import prompting, wording

_HEADER = (
  "stage",
  "split",
  "n",
  "metric",
  "value [95 % interval]",
  "difference",
)
_WIDTH = 100
_WIDEST = (_WIDTH, 11, 9, 12, 30, 30)


def text(results: Mapping[str, Any]) -> str:
  """The main metrics of every stage and split, baselines below each.

  A difference is the stage minus the baseline, or the first minus the second
  stage of a comparison, paired on the same examples.

  Args:
    results: the content of results.json.

  Returns:
    lines of at most 100 columns, without a newline at the end.
  """
  stages = results.get("stages") or {}
  if not stages:
    return "no stage has finished"
  rows = [row for name, stage in stages.items() for row in _stage(name, stage)]
  rows += _comparisons(results, stages)
  if not any(row[5] for row in rows):
    rows = [row[:5] for row in rows]
  rows = [_HEADER[: len(rows[0])], *rows]
  widths = [
    min(limit, max(len(row[column]) for row in rows))
    for column, limit in zip(range(len(rows[0])), _WIDEST, strict=False)
  ]
  widths[0] = min(widths[0], _WIDTH - sum(widths[1:]) - 2 * len(widths[1:]))
  return "\n".join(_line(row, widths) for row in rows)


def _stage(name: str, stage: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
  task = (stage.get("data") or {}).get("task") or "none"
  select = stage.get("select") or ""
  for split, result in (stage.get("splits") or {}).items():
    metrics = result.get("metrics") or {}
    for metric in wording.main(task, metrics, select):
      title = wording.title(metric)
      value = wording.interval(metrics[metric])
      yield name, split, f"{result.get('n', 0):,}", title, value, ""
    for baseline, found in (result.get("baselines") or {}).items():
      differences = found.get("difference") or {}
      for metric in wording.main(task, found.get("metrics") or {}, select):
        yield (
          f"  {baseline}",
          split,
          "",
          wording.title(metric),
          wording.interval(found["metrics"][metric]),
          wording.interval(differences.get(metric), signed=True),
        )
    if split == "test" or "test" not in stage["splits"]:
      for what, title, value, difference in prompting.lines(result):
        yield what, split, "", title, value, difference


def _comparisons(results, stages) -> Iterator[tuple[str, ...]]:
  for found in results.get("comparisons") or ():
    stage = stages.get(found["a"]) or {}
    task = (stage.get("data") or {}).get("task") or "none"
    select = stage.get("select") or ""
    for metric in wording.main(task, found["difference"], select):
      shown = wording.interval(found["difference"][metric], signed=True)
      pair = f"{found['a']} − {found['b']}"
      yield pair, found["split"], "", wording.title(metric), "", shown


def _line(row, widths) -> str:
  cells = [
    (str.rjust if column == 2 else str.ljust)(
      wording.short(" ".join(cell.splitlines()), width), width
    )
    for column, (cell, width) in enumerate(zip(row, widths, strict=True))
  ]
  return "  ".join(cells).rstrip()
