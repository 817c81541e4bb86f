"""The trials of a search as its summary shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm import log
from medfm.grid import arms, cells
from medfm.grid.records import Record
from medfm.report import style

_MOST_PANELS = 8


def facts(
  root: Path, description: Mapping[str, Any], found: Sequence[Record]
) -> list[dict[str, Any]]:
  """One row per trial, in their order; [] where the grid is no search.

  `validation` is the score of the state that a finished run is judged by, the
  best score of a pruned run up to the verdict, and that of another run before
  it ended.
  """
  search, metric = description.get("search") or {}, description["metric"]
  first = {}
  for record in found:
    if record.stage in ("", search.get("stage")):
      first.setdefault(record.cell, record)
  rows = []
  for number, name in search.get("trials", {}).items():
    record = first[name]
    setting = {key: record.setting[key] for key in search["space"]}
    rows.append(
      {
        "trial": int(number),
        "cell": name,
        "state": record.status.state,
        "why": record.status.why,
        "setting": setting,
        "validation": _score(root / name, record, search, metric),
      }
    )
  return rows


def figure(
  rows: Sequence[Mapping[str, Any]], title: str, maximize: bool
) -> bytes:
  """Validation scores by trial and by each setting; b"" without any score.

  Pruned trials are hollow, at the best score they had reached.

  rows: of `facts`.
  """
  rows = [row for row in rows if row["validation"] is not None]
  if not rows:
    return b""
  keys = list(rows[0]["setting"])[: _MOST_PANELS - 1]
  columns = min(3, 1 + len(keys))
  lines = -(-(1 + len(keys)) // columns)
  drawn, axes = style.panels(
    4.2 * columns, 3.6 * lines, columns, lines, sharey=True
  )
  title = f"Validation {title}"
  _points(axes[0], [row["trial"] for row in rows], rows)
  best = max if maximize else min
  done = [row for row in rows if row["state"] == cells.DONE]
  scores = [row["validation"] for row in done]
  axes[0].step(
    [row["trial"] for row in done],
    [best(scores[: i + 1]) for i in range(len(scores))],
    where="post",
    color=style.GREY,
    label="best so far",
  )
  axes[0].xaxis.get_major_locator().set_params(integer=True)
  style.describe(axes[0], "", "trial", title)
  style.legend(axes[0])
  for one, key in zip(axes[1:], keys, strict=False):
    values = [row["setting"][key] for row in rows]
    _points(one, _places(one, values), rows)
    style.describe(one, "", key.rpartition(".")[2], "")
  for one in axes[1 + len(keys) :]:
    one.set_visible(False)
  return style.png(drawn)


def _points(axes: Any, xs: Sequence[float], rows: Sequence[Mapping]) -> None:
  looks = {"ls": "", "marker": "o", "mec": style.BLUE, "ms": 6}
  for state, name, fill in (
    (True, "finished", style.BLUE),
    (False, "pruned or not finished", "white"),
  ):
    kept = [
      (x, row["validation"])
      for x, row in zip(xs, rows, strict=True)
      if (row["state"] == cells.DONE) == state
    ]
    if kept:
      axes.plot(*zip(*kept, strict=True), mfc=fill, label=name, **looks)


def _places(axes: Any, values: Sequence[str]) -> list[float]:
  """Where values stand on an axis; numbers in proportion, names in a row."""
  numbers = [arms.number(value) for value in values]
  if None not in numbers:
    if min(numbers) > 0 and max(numbers) / min(numbers) >= 30:
      axes.set_xscale("log")
    return numbers
  names = sorted(set(values))
  axes.set_xticks(range(len(names)), [style.plain(name, 16) for name in names])
  axes.set_xlim(-0.5, len(names) - 0.5)
  return [names.index(value) for value in values]


def _score(
  folder: Path, record: Record, search: Mapping[str, Any], metric: str
) -> float | None:
  if record.done:
    return record.value("validation", metric)
  if record.status.state == cells.PRUNED:
    return cells.read(folder / "cell.json").get("validation")
  lines = log.read(folder / search["stage"] / "metrics.jsonl")
  scores = [line.get(f"validation/{metric}") for line in lines]
  scores = [score for score in scores if isinstance(score, int | float)]
  best = max if search.get("maximize", True) else min
  return best(scores, default=None)
