"""What evaluators and tasks have to show, on pages and in a terminal.

A block is JSON-able. Every block has `kind` and `title`; it may have `split`
("" for the whole run), `note` (a sentence below the title) and `terminal`
(whether a terminal shows it too). By kind it has

table: `columns`, and `rows` of cells. A cell is text, a number, or a metric
  entry (value, low, high, reason), which shows a plus where it is `signed`.
pairs: `names` of numbers found in two ways, `x` and `y`, each with a `title`
  and its `values`: drawn, and listed.
texts: `how` they are to be read, and `examples` (`explain.examples`).
"""

import base64
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medfm.report import contrasts, plates, shown_texts, style, wording
from medfm.report import markup as html
from medfm.report.markup import Markup, join, tag
from medfm.report.plates import Plate

Block = Mapping[str, Any]


def table(
  title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], **more: Any
) -> Block:
  """A block of kind table; `more`: split, note, terminal."""
  rows = list(rows)
  return (
    {"kind": "table", "title": title, "columns": columns}
    | more
    | {"rows": rows}
  )


def no_tables(stage: Any) -> list[Block]:
  """Of a task whose reports have every task's tables and no more."""
  del stage
  return []


def section(
  shown: Iterable[Block],
  final: str | None,
  drawn: Mapping[str, Plate] | None = None,
) -> Markup:
  """Blocks one after another; those of all but the final split are folded.

  drawn: title -> the figure of a block of pairs (`drawings`).
  """
  drawn = drawn or {}
  parts = []
  for block in shown:
    content = markup(block, drawn.get(block["title"]))
    if content and block.get("split") not in (None, "", final):
      content = tag("details", tag("summary", caption(block)), content)
    parts.append(content)
  return join(parts)


def markup(block: Block, plate: Plate | None = None) -> Markup | None:
  """A block as HTML; None where it has nothing to show.

  plate: the figure of a block of pairs.
  """
  match block["kind"]:
    case "table":
      return _table(block)
    case "pairs":
      count = f"All {len(block['names'])} values"
      return join(
        (
          tag("h3", caption(block)),
          figures([plate] if plate else []),
          tag("details", tag("summary", count), _table(listed(block))),
        )
      )
    case "texts":
      return shown_texts.texts(block)
    case kind:
      words = f"{caption(block)}: a block of kind {kind} cannot be shown."
      return tag("p", words)


def drawings(shown: Iterable[Block], owner: str) -> dict[str, Plate]:
  """Title -> figure, of the blocks that are drawn.

  owner: the stage or run they are of, for the files' names.
  """
  return {
    block["title"]: Plate(
      plates.file_name(owner, block["title"].lower()),
      block.get("note") or caption(block),
      f"{caption(block)}: {len(block['names'])} values, each in two ways.",
      style.png(
        contrasts.pairs(block["names"], block["x"], block["y"], block["title"])
      ),
      wide=True,
    )
    for block in shown
    if block["kind"] == "pairs"
  }


def listed(block: Block) -> Block:
  """A block of pairs as a table; any other as it is."""
  if block["kind"] != "pairs":
    return block
  x, y = block["x"], block["y"]
  columns = ("Name", y["title"], x["title"])
  rows = zip(block["names"], y["values"], x["values"], strict=True)
  return table(block["title"], columns, rows, split=block.get("split"), note="")


def caption(block: Block) -> str:
  split = block.get("split")
  return f"{block['title']}: {split}" if split else block["title"]


def text(cell: Any) -> str:
  """A cell for a terminal or for Markdown."""
  if isinstance(cell, Mapping):
    return wording.interval(cell, signed=bool(cell.get("signed")))
  if isinstance(cell, float):
    return wording.number(cell)
  return f"{cell:,}" if isinstance(cell, int) else str(cell or "")


def value(
  entry: Mapping[str, Any] | None, missing: str = "n/a", signed: bool = False
) -> Markup:
  """A metric with its interval; `n/a` with the reason below it."""
  if not entry:
    return Markup(missing)
  if entry.get("value") is None:
    reason = entry.get("reason") or "no reason was given"
    return join(("n/a", tag("small", reason)))
  signed = signed or bool(entry.get("signed"))
  point, bracket, rest = wording.interval(entry, signed).partition(" [")
  return tag("span", tag("b", point), bracket + rest, class_="value")


def figures(shown: Iterable[Plate]) -> Markup | None:
  """Figures with their captions, inlined."""
  drawn = [
    tag(
      "figure",
      image(plate.png, plate.alt),
      tag("figcaption", plate.caption),
      class_="wide" if plate.wide else None,
    )
    for plate in shown
  ]
  return tag("div", *drawn, class_="figures") if drawn else None


def image(png: bytes, alt: str) -> Markup:
  source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
  return tag("img", src=source, alt=alt)


def _table(block: Block) -> Markup | None:
  rows = block["rows"]
  if not rows:
    return None
  numeric = (
    any(
      not isinstance(cell, str) or isinstance(cell, Markup) for cell in column
    )
    for column in itertools.islice(zip(*rows, strict=True), 1, None)
  )
  first = next((k for k, has in enumerate(numeric, 1) if has), len(rows[0]))
  note = block.get("note")
  return join(
    (
      html.table(
        block["columns"],
        ([_cell(cell) for cell in row] for row in rows),
        caption(block),
        numbers_from=first,
      ),
      tag("p", note) if note else None,
    )
  )


def _cell(cell: Any) -> Any:
  if isinstance(cell, Mapping):
    return value(cell)
  return cell if isinstance(cell, str) else text(cell)
