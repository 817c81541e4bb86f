"""Held-out texts in the report, each token shaded by its attribution."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import wording
from medfm.report.markup import Markup, join, tag

_KINDS = {
  "wrong": "Surest wrong answers",
  "right": "Surest right answers",
  "unsure": "Least sure answers",
}
_HIDDEN = ("[CLS]", "<s>", "<|endoftext|>", "[PAD]")


def texts(block: Mapping[str, Any]) -> Markup | None:
  """A block of texts (`report.blocks`); None where there are none to show."""
  examples = block["examples"]
  if not examples:
    return None
  parts = [
    tag("h3", ", ".join(filter(None, (block["title"], block.get("split"))))),
    tag("p", block["how"]),
  ]
  for kind, title in _KINDS.items():
    of_kind = [example for example in examples if example["kind"] == kind]
    if of_kind:
      parts += [tag("h4", title), *map(_example, of_kind)]
  return join(parts)


def _example(example: Mapping[str, Any]) -> Markup:
  labels = example.get("labels")
  said, true = example["said"], example["true"]
  if labels is None:
    said = f"{said} ({wording.percent(example['certainty'])})"
  else:
    said, true = _set(said), _set(true)
  left = example["left_out"]
  more = example.get("labels_left_out")
  return tag(
    "div",
    tag("b", f"{example['id']}: predicted {said}, labelled {true}"),
    *(tag("small", _label(label)) for label in labels or ()),
    tag("small", f"{more:,} further labels are not shown") if more else None,
    *(_line(example, view) for view in example["views"]),
    tag("small", f"{left:,} further tokens are not shown") if left else None,
    class_="example",
  )


def _set(names: list[str]) -> str:
  return " and ".join(names) or "nothing"


def _label(label: Mapping[str, Any]) -> str:
  """`sick: 71.0 %, cut 50.0 %, ...; predicted, not labelled`."""
  cut, own = wording.percent(label["cut"]), label["threshold"]
  chosen = f", threshold by validation {wording.percent(own)}" if own else ""
  said = "predicted" if label["said"] else "not predicted"
  true = {True: "labelled", False: "not labelled", None: "label not known"}
  return (
    f"{label['class']}: {wording.percent(label['prob'])} (cut {cut}{chosen}); "
    f"{said}, {true[label['true']]}"
  )


def _line(example: Mapping[str, Any], view: Mapping[str, Any]) -> Markup:
  most = max((abs(value) for value in view["values"]), default=0) or 1.0
  gap = wording.number(view["gap"], signed=True)
  return tag(
    "p",
    tag("small", f"for {view['class']} (the values miss its logit by {gap})"),
    *_tokens(example, view["values"], most),
    class_="text",
  )


def _tokens(
  example: Mapping[str, Any], values: list[float], most: float
) -> Iterator[Any]:
  start, stop = example["word"] or (0, 0)
  for place, ((text, spaced), value) in enumerate(
    zip(example["pieces"], values, strict=True)
  ):
    if text in _HIDDEN:
      continue
    kind = "for" if value > 0 else "against"
    asked = " asked" if start <= place < stop else ""
    share = f"--a: {0.75 * abs(value) / most:.2f}"
    yield " " if spaced else ""
    yield tag(
      "span", text, class_=kind + asked, style=share, title=f"{value:+.4f}"
    )
