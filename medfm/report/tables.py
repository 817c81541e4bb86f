"""The main numbers of a run as plain text, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medfm.report import blocks, wording
from medfm.report.blocks import Block
from medfm.report.reading import Stage, as_shown

_HEAD = ("stage", "split", "n", "metric", "value [95 % interval]", "difference")
_WIDTH = 100
_COLUMNS = 6
"""How many columns of a block's table a terminal has room for."""
_NAME = 12
"""Names keep at least this many letters, if numbers fit beside them."""


def text(results: Mapping[str, Any]) -> str:
  """The main metrics of every stage and split, baselines below each.

  A difference is the stage minus the baseline, or the first minus the second
  stage of a comparison, paired on the same examples. Below come the blocks of
  final splits that are marked for a terminal.

  results: the content of results.json. Lines have at most 100 columns; the
  last one does not end in a newline.
  """
  results = as_shown(results)
  entries = results.get("stages") or {}
  stages = {name: Stage(name, entry) for name, entry in entries.items()}
  if not stages:
    return "no stage has finished"
  rows = [row for stage in stages.values() for row in _stage(stage)]
  for pair in results.get("comparisons") or ():
    stage = stages.get(pair["a"]) or Stage(pair["a"], {})
    for metric in stage.main(pair["difference"]):
      value = wording.interval(pair["difference"][metric], signed=True)
      names = f"{pair['a']} − {pair['b']}"
      rows.append((names, pair["split"], "", stage.title(metric), "", value))
  columns = 6 if not rows or any(row[5] for row in rows) else 5
  lines = aligned([row[:columns] for row in (_HEAD, *rows)], right=2)
  for stage in stages.values():
    for block in stage.result.get("blocks") or ():
      final = block.get("split") in (None, "", stage.final_split)
      if block.get("terminal") and final:
        shown = _block(stage.name, block)
        lines += ["", *shown] if shown else []
  return "\n".join(lines)


def _stage(stage: Stage) -> Iterator[tuple[str, ...]]:
  for split, result in stage.splits.items():
    metrics, n = stage.part(split, "metrics"), f"{result.get('n', 0):,}"
    for metric in stage.main(metrics):
      value = wording.explained(metrics[metric])
      yield stage.name, split, n, stage.title(metric), value, ""
    for name, rival in stage.part(split, "baselines").items():
      metrics, differences = rival["metrics"], rival["difference"]
      for metric in stage.main(metrics):
        value, gain = wording.interval(metrics[metric]), ""
        if differences:
          gain = wording.interval(differences.get(metric), signed=True)
        yield f"  {name}", split, "", stage.title(metric), value, gain


def _block(name: str, block: Block) -> list[str]:
  """A block of numbers; a terminal shows no texts and draws no curves."""
  if block["kind"] in ("texts", "curves"):
    return []
  block = blocks.listed(block)
  brief = block.get("brief", range(len(block["rows"])))
  rows = [block["columns"], *(block["rows"][index] for index in brief)]
  cells = [[blocks.text(cell) for cell in row[:_COLUMNS]] for row in rows]
  if len(block["columns"]) > _COLUMNS:
    cells = [[*row, "…"] for row in cells]
  title = wording.short(f"{name}: {blocks.caption(block)}", _WIDTH)
  note = block.get("note")
  lines = [title, *aligned(cells)]
  return [*lines, wording.short(note, _WIDTH)] if note else lines


def aligned(
  rows: Sequence[Sequence[str]], right: int | None = None
) -> list[str]:
  """Rows as lines of at most 100 columns; the widest names are cut.

  An interval is cut only if it has no room beside names of 12 letters.

  right: the column that is right-aligned.
  """
  columns = [*zip(*rows, strict=True)]
  widths = [max(map(len, column)) for column in columns]
  named = [not any(c.endswith("]") for c in column[1:]) for column in columns]
  while sum(widths) + 2 * (len(widths) - 1) > _WIDTH:
    names = [i for i, w in enumerate(widths) if named[i] and w > _NAME]
    widths[max(names or range(len(widths)), key=widths.__getitem__)] -= 1
  lines = []
  for row in rows:
    cells = []
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
      shown = wording.short(" ".join(cell.splitlines()), width)
      cells.append(f"{shown:{'>' if column == right else '<'}{width}}")
    lines.append("  ".join(cells).rstrip())
  return lines
