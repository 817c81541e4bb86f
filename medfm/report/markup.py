"""HTML as nested function calls; text is escaped unless it is markup."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

_VOID = ("img", "meta", "br", "hr")


_TURNING = {
  number: f"[U+{number:04X}]"
  for number in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Marks that reverse the direction of text, shown instead of obeyed."""


class Markup(str):
  """Text that is HTML already; all other text is escaped."""

  __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
  """`<name attribute="...">children</name>`; `class_` writes class."""
  written = "".join(
    f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
    for key, value in attributes.items()
    if value is not None
  )
  rest = "" if name in _VOID else f"{join(*children)}</{name}>"
  return Markup(f"<{name}{written}>{rest}")


def join(*children: Any) -> Markup:
  """Children one after another; None is left out."""
  shown = [child for child in children if child is not None]
  safe = (c if isinstance(c, Markup) else _escaped(c) for c in shown)
  return Markup("".join(safe))


def _escaped(value: Any) -> str:
  return html.escape(str(value).translate(_TURNING))


def folded(title: str, *content: Any, class_: str | None = None) -> Markup:
  """Content that a reader unfolds by its title."""
  return tag("details", tag("summary", title, class_=class_), *content)


def table(
  header: Sequence[Any],
  rows: Iterable[Sequence[Any]],
  caption: str = "",
  numbers_from: int = 1,
) -> Markup:
  """A table whose first column heads its rows.

  rows: cells, each text or markup.
  numbers_from: the first column that is right-aligned.
  """

  def side(column: int) -> str | None:
    return "number" if column >= numbers_from else None

  names = [
    tag("th", name, scope="col", class_=side(k))
    for k, name in enumerate(header)
  ]
  body = []
  for head, *cells in rows:
    heading = tag("th", head, scope="row", class_=side(0))
    rest = [tag("td", cell, class_=side(k)) for k, cell in enumerate(cells, 1)]
    body.append(tag("tr", heading, *rest))
  title = tag("caption", caption) if caption else None
  parts = title, tag("thead", tag("tr", *names)), tag("tbody", *body)
  return tag("div", tag("table", *parts), class_="scroll")


def definitions(pairs: Iterable[tuple[Any, Any]]) -> Markup:
  """A list of names and their values; empty values are left out."""
  shown = [pair for pair in pairs if pair[1] not in (None, "")]
  return tag("dl", *(join(tag("dt", k), tag("dd", v)) for k, v in shown))
