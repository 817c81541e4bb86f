"""The main numbers of a run as plain text, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medfm.report import blocks, reading, wording
from medfm.report.blocks import Block

_HEADER = (
  "stage",
  "split",
  "n",
  "metric",
  "value [95 % interval]",
  "difference",
)
_WIDTH = 100
_COLUMNS = 6
"""Of a block's table, what a terminal has room for."""


def text(results: Mapping[str, Any]) -> str:
  """The main metrics of every stage and split, baselines below each.

  A difference is the stage minus the baseline, or the first minus the second
  stage of a comparison, paired on the same examples. Below them stand the
  blocks of final splits that are marked for a terminal.

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
  header = _HEADER[: len(rows[0])] if rows else _HEADER
  lines = aligned([header, *rows], right=2)
  for name, stage in stages.items():
    final = reading.final_split(stage.get("splits") or {})
    for block in stage.get("blocks") or ():
      if block.get("terminal") and block.get("split") in (None, "", final):
        lines += ["", *_block(name, block)]
  return "\n".join(lines)


def aligned(
  rows: Sequence[Sequence[str]], right: int | None = None
) -> list[str]:
  """Rows as lines of at most 100 columns; the widest cells are cut.

  right: the column that is set flush right.
  """
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  while sum(widths) + 2 * (len(widths) - 1) > _WIDTH:
    widths[widths.index(max(widths))] -= 1
  return [_line(row, widths, right) for row in rows]


def _block(name: str, block: Block) -> list[str]:
  """A block of numbers; a terminal shows no texts."""
  block = blocks.listed(block)
  if block["kind"] != "table":
    return []
  rows = list(block["rows"])
  brief = [rows[index] for index in block.get("brief", range(len(rows)))]
  rows = [block["columns"], *brief]
  cells = [[blocks.text(cell) for cell in row[:_COLUMNS]] for row in rows]
  if len(block["columns"]) > _COLUMNS:
    cells = [[*row, "…"] for row in cells]
  note = [block["note"]] if block.get("note") else []
  title = wording.short(f"{name}: {blocks.caption(block)}", _WIDTH)
  return [title, *aligned(cells), *(wording.short(n, _WIDTH) for n in note)]


def _stage(name: str, stage: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
  described = stage.get("described") or {}
  for split, result in (stage.get("splits") or {}).items():
    metrics = result.get("metrics") or {}
    for metric in reading.main(stage, metrics):
      title = wording.title(metric, described)
      value = wording.interval(metrics[metric])
      yield name, split, f"{result.get('n', 0):,}", title, value, ""
    for baseline, rival in (result.get("baselines") or {}).items():
      metrics = rival.get("metrics") or {}
      differences = rival.get("difference") or {}
      for metric in reading.main(stage, metrics, rival.get("task") or ""):
        yield (
          f"  {baseline}",
          split,
          "",
          wording.title(metric, described),
          wording.interval(metrics[metric]),
          wording.interval(differences.get(metric), signed=True)
          if differences
          else "",
        )


def _comparisons(results, stages) -> Iterator[tuple[str, ...]]:
  for pair in results.get("comparisons") or ():
    stage = stages.get(pair["a"]) or {}
    described = stage.get("described") or {}
    for metric in reading.main(stage, pair["difference"]):
      value = wording.interval(pair["difference"][metric], signed=True)
      names = f"{pair['a']} − {pair['b']}"
      title = wording.title(metric, described)
      yield names, pair["split"], "", title, "", value


def _line(row, widths, right: int | None) -> str:
  cells = [
    (str.rjust if column == right else str.ljust)(
      wording.short(" ".join(cell.splitlines()), width), width
    )
    for column, (cell, width) in enumerate(zip(row, widths, strict=True))
  ]
  return "  ".join(cells).rstrip()
