"""The blocks that evaluators and tasks want shown (`evals.context.Block`)."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medfm.metrics.intervals.gaps import IF_CALIBRATED
from medfm.report import contrasts, plates, risks, style, wording
from medfm.report import markup as html
from medfm.report.markup import Markup, folded, join, tag
from medfm.report.plates import Plate

Block = Mapping[str, Any]

_TEXTS = {
  "wrong": "Surest wrong answers",
  "right": "Surest right answers",
  "unsure": "Least sure answers",
}
_ENDS, _POINTS = ("value", "low", "high"), ("x", "y", "low", "high")
_UNBROKEN = 16
"""How many letters of a cell are shown on one line."""
_HIDDEN = ("[CLS]", "<s>", "<|endoftext|>", "[PAD]")


def table(
  title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], **more: Any
) -> Block:
  """A block of kind table; `more`: split, note, terminal."""
  shown = {"kind": "table", "title": title, "columns": columns, "rows": rows}
  return shown | more


def section(
  shown: Iterable[Block], final: str | None, drawn: Mapping[str, Plate] = {}
) -> Markup:
  """Blocks one after another; those of all but the final split are folded.

  drawn: caption -> the figure of a block that has one (`drawings`).
  """
  parts = []
  for block in shown:
    content = markup(block, drawn.get(caption(block)))
    if content and block.get("split") not in (None, "", final):
      content = folded(caption(block), content)
    parts.append(content)
  return join(*parts)


def markup(block: Block, plate: Plate | None = None) -> Markup | None:
  """A block as HTML; None if it has nothing to show.

  plate: the block's figure, if it has one.
  """
  match block["kind"]:
    case "table":
      return _table(block)
    case "pairs" | "curves":
      values = _table(listed(block) | {"title": "", "split": ""})
      drawn = figures([plate] if plate else [])
      return join(
        tag("h3", caption(block)), drawn, folded("All values", values)
      )
    case "texts":
      return _texts(block)
    case "pictures":
      return _pictures(block)
    case kind:
      words = f"{caption(block)}: a block of kind {kind} cannot be shown."
      return tag("p", words)


def drawings(shown: Iterable[Block], owner: str) -> dict[str, Plate]:
  """Caption -> figure, of the blocks that are drawn.

  owner: the stage or run of the blocks, for file names.
  """
  drawn = {}
  for block in shown:
    match block["kind"]:
      case "pairs":
        figure, wide = contrasts.pairs(block), True
        what = f"{len(block['names'])} values, each in two ways"
      case "curves":
        figure, wide = risks.lines(block), len(block["panels"]) > 1
        names = [line["name"] for line in block["panels"][0]["lines"]]
        what = f"{block['y']} against {block['x'].lower()}: "
        what += wording.listed(names)
      case _:
        continue
    words = caption(block)
    name = plates.file_name(owner, words.lower())
    alt, text = f"{words}: {what}.", block.get("note") or words
    drawn[words] = Plate(name, text, alt, style.png(figure), wide)
  return drawn


def listed(block: Block) -> Block:
  """A block that is drawn, as a table; any other block unchanged."""
  match block["kind"]:
    case "pairs":
      x, y = block["x"], block["y"]
      columns = ("Name", y["title"], x["title"])
      rows = list(zip(block["names"], y["values"], x["values"], strict=True))
    case "curves":
      columns = ("Question", "Curve", block["x"], block["y"])
      rows = [
        (panel["title"], line["name"], x, dict(zip(_ENDS, ends, strict=True)))
        for panel in block["panels"]
        for line in panel["lines"]
        for x, *ends in zip(*(line[k] for k in _POINTS), strict=True)
      ]
    case _:
      return block
  return table(block["title"], columns, rows, split=block.get("split"))


def caption(block: Block) -> str:
  split = block.get("split")
  return f"{block['title']}: {split}" if split else block["title"]


def text(cell: Any) -> str:
  """A cell for a terminal or for Markdown."""
  if isinstance(cell, Mapping):
    return wording.interval(cell)
  if isinstance(cell, float):
    return wording.number(cell)
  return f"{cell:,}" if isinstance(cell, int) else str(cell or "")


def value(entry: Mapping[str, Any]) -> Markup:
  """A metric with its interval or value, or why it lacks them, and what a
  calibrated model would have."""
  if not entry:
    return Markup("n/a")
  if entry.get("value") is None:
    return join("n/a", tag("small", wording.reason(entry)))
  point, bracket, rest = wording.interval(entry).partition(" [")
  shown = tag("span", tag("b", point), bracket + rest, class_="value")
  beside = wording.lacks(entry)
  if (by_chance := entry.get(IF_CALIBRATED)) is not None:
    beside.append(f"a calibrated model here: {wording.number(by_chance)}")
  return join(shown, *(tag("small", words) for words in beside))


def figures(shown: Iterable[Plate]) -> Markup | None:
  """Figures with their captions, inlined."""
  drawn = []
  for plate in shown:
    drawing, caption = image(plate.png, plate.alt), plate.caption
    kind = "wide" if plate.wide else None
    drawn.append(
      tag("figure", drawing, tag("figcaption", caption), class_=kind)
    )
  return tag("div", *drawn, class_="figures") if drawn else None


def image(png: bytes, alt: str) -> Markup:
  source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
  return tag("img", src=source, alt=alt)


def _table(block: Block) -> Markup | None:
  """A block as a table, right-aligned from the first column with numbers."""
  rows, note = block["rows"], block.get("note")
  if not rows:
    return None
  numeric = [
    k
    for k, column in enumerate(zip(*rows, strict=True))
    if k and not all(type(cell) is str for cell in column)
  ]
  first = min(numeric, default=len(rows[0]))
  cells = [[_cell(cell) for cell in row] for row in rows]
  shown = html.table(block["columns"], cells, caption(block), first)
  return join(shown, tag("p", note) if note else None)


def _cell(cell: Any) -> str:
  if isinstance(cell, Mapping):
    return value(cell)
  if isinstance(cell, Markup):
    return cell
  if isinstance(cell, str) and len(cell) > _UNBROKEN:
    return cell
  return tag("span", text(cell), class_="value")


def _texts(block: Block) -> Markup | None:
  """Texts by kind, each token shaded by its attribution."""
  if not block["examples"]:
    return None
  title = ", ".join(filter(None, (block["title"], block.get("split"))))
  parts = [tag("h3", title), tag("p", block["how"])]
  for kind, title in _TEXTS.items():
    shown = [_example(e) for e in block["examples"] if e["kind"] == kind]
    parts += [tag("h4", title), *shown] if shown else []
  return join(*parts)


def _pictures(block: Block) -> Markup | None:
  """Pictures one below the other, each with its words."""
  if not block["pictures"]:
    return None
  shown = [
    tag(
      "figure",
      image(base64.b64decode(each["png"]), each["alt"]),
      tag("figcaption", each["words"]),
      class_="wide",
    )
    for each in block["pictures"]
  ]
  drawn = tag("div", *shown, class_="figures")
  return join(tag("h3", caption(block)), tag("p", block["how"]), drawn)


def _example(example: Mapping[str, Any]) -> Markup:
  answer, true = example["said"], example["true"]
  if "labels" in example:
    answer, true = (
      " and ".join(names) or "nothing" for names in (answer, true)
    )
  else:
    answer = f"{answer} ({wording.percent(example['certainty'])})"
  return tag(
    "div",
    tag("b", f"{example['id']}: predicted {answer}, labelled {true}"),
    *(tag("small", _label(label)) for label in example.get("labels", ())),
    _hidden(example.get("labels_left_out"), "labels"),
    *(_line(example, view) for view in example["views"]),
    _hidden(example["left_out"], "tokens"),
    class_="example",
  )


def _hidden(count: int | None, what: str) -> Markup | None:
  words = f"{count or 0:,} further {what} are not shown"
  return tag("small", words) if count else None


def _label(label: Mapping[str, Any]) -> str:
  """`sick: 71.0 % (cut 50.0 %, ...); predicted, not labelled`."""
  prob, cut = wording.percent(label["prob"]), wording.percent(label["cut"])
  if chosen := label["threshold"]:
    cut += f", threshold by validation {wording.percent(chosen)}"
  answer = "predicted" if label["said"] else "not predicted"
  true = {True: "labelled", False: "not labelled", None: "label not known"}
  return (
    f"{label['class']}: {prob} (cut {cut}); {answer}, {true[label['true']]}"
  )


def _line(example: Mapping[str, Any], view: Mapping[str, Any]) -> Markup:
  gap = wording.number(view["gap"], signed=True)
  head = f"for {view['class']} (the values miss its logit by {gap})"
  tokens = _tokens(example, view["values"])
  return tag("p", tag("small", head), *tokens, class_="text")


def _tokens(example: Mapping[str, Any], values: list[float]) -> Iterator[str]:
  """The tokens; the strongest is darkest, the word asked about is outlined."""
  most = max(map(abs, values), default=0) or 1.0
  start, stop = example["word"] or (0, 0)
  pieces = zip(example["pieces"], values, strict=True)
  for place, ((piece, spaced), pull) in enumerate(pieces):
    if piece not in _HIDDEN:
      kind = "for" if pull > 0 else "against"
      kind += " asked" if start <= place < stop else ""
      share = f"--a: {0.75 * abs(pull) / most:.2f}"
      yield " " if spaced else ""
      yield tag("span", piece, class_=kind, style=share, title=f"{pull:+.4f}")
