"""HTML as nested function calls; text is escaped unless it is markup."""

import html
from collections.abc import Iterable, Sequence
from typing import Any


class Markup(str):
  """Text that is HTML already; everything else is escaped on its way in."""

  __slots__ = ()


_VOID = ("img", "meta", "br", "hr")


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
  """`<name attribute="...">children</name>`; `class_` writes class."""
  written = "".join(
    f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
    for key, value in attributes.items()
    if value is not None
  )
  if name in _VOID:
    return Markup(f"<{name}{written}>")
  return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Any], between: str = "") -> Markup:
  """Children one after another; None is left out."""
  return Markup(
    between.join(_safe(child) for child in children if child is not None)
  )


def table(
  header: Sequence[Any],
  rows: Iterable[Sequence[Any]],
  caption: str = "",
  numbers_from: int = 1,
) -> Markup:
  """A table whose first column heads its rows.

  header: one cell per column.
  rows: cells, each text or markup.
  caption: above the table; escaped.
  numbers_from: the first column that is set flush right.
  """
  body = [
    tag(
      "tr",
      *(_cell(index, cell, numbers_from) for index, cell in enumerate(row)),
    )
    for row in rows
  ]
  head = tag(
    "tr",
    *(
      tag("th", cell, scope="col", class_=_side(index, numbers_from))
      for index, cell in enumerate(header)
    ),
  )
  return tag(
    "div",
    tag(
      "table",
      tag("caption", caption) if caption else None,
      tag("thead", head),
      tag("tbody", *body),
    ),
    class_="scroll",
  )


def definitions(pairs: Iterable[tuple[Any, Any]]) -> Markup:
  """A list of names and what they stand for; empty values are left out."""
  return tag(
    "dl",
    *(
      join((tag("dt", name), tag("dd", value)))
      for name, value in pairs
      if value not in (None, "")
    ),
  )


def _cell(index: int, cell: Any, numbers_from: int) -> Markup:
  side = _side(index, numbers_from)
  if index == 0:
    return tag("th", cell, scope="row", class_=side)
  return tag("td", cell, class_=side)


def _side(index: int, numbers_from: int) -> str | None:
  return "number" if index >= numbers_from else None


def _safe(child: Any) -> str:
  return child if isinstance(child, Markup) else html.escape(str(child))
