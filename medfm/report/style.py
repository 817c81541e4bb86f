"""How every figure looks: colour-blind safe, and distinguishable in grey.

Colours are those of Okabe and Ito (2008). Each series also has its own dash
pattern and marker, so that nothing depends on colour alone.
"""

import io
import itertools
from typing import Any

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#767676"
CYCLE = (BLUE, RED, GREEN, BLACK, PURPLE, ORANGE, SKY)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SMALL, NORMAL = 9, 10
DOTTED = {"color": GREY, "linestyle": ":"}
DPI = 150


def panels(
  width: float, height: float, columns: int = 1, rows: int = 1, **options: Any
):
  """(figure, [axes]): panels in one style, without pyplot's global state.

  width, height: of the whole figure, in inches; options: `Figure.subplots`'s.
  """
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  grid = figure.subplots(rows, columns, squeeze=False, **options)
  for axes in grid.flat:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    axes.grid(True, color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
  return figure, list(grid.flat)


def describe(axes: Any, title: str, x: str, y: str) -> None:
  """Title and axis labels."""
  axes.set_title(plain(title, 200), fontsize=NORMAL, loc="left")
  axes.set_xlabel(plain(x, 80), fontsize=NORMAL)
  axes.set_ylabel(plain(y, 80), fontsize=NORMAL)


def legend(axes: Any, **options: Any) -> None:
  """The legend, if anything is labelled."""
  handles, _ = axes.get_legend_handles_labels()
  if handles:
    options.setdefault("fontsize", SMALL if len(handles) < 7 else 7.5)
    options.setdefault("loc", "best")
    axes.legend(framealpha=0.9, edgecolor="#D0D0D0", **options)


_LETTER, _HANDLE = 0.075, 7
"""In a legend, a letter's width in inches, and a line sample's in letters."""


def legend_below(figure: Any, *panels: Any, title: str = "") -> None:
  """One legend of these axes below the figure, where it hides no line."""
  both = (
    zip(*axes.get_legend_handles_labels(), strict=True) for axes in panels
  )
  handles, labels = zip(*itertools.chain(*both), strict=True)
  letters = figure.get_figwidth() / _LETTER
  columns = int(letters / (max(map(len, labels)) + _HANDLE))
  figure.legend(
    handles,
    labels,
    loc="outside lower center",
    ncols=min(max(columns, 1), 5),
    fontsize=SMALL if len(labels) < 7 else 7.5,
    title=title or None,
    title_fontsize=SMALL,
    frameon=False,
  )


def series(index: int) -> dict[str, Any]:
  """Colour and dash of the index-th line; repeats after 35."""
  dash = DASHES[(index + 2 * (index // len(CYCLE))) % len(DASHES)]
  return {"color": CYCLE[index % len(CYCLE)], "linestyle": dash}


def plain(text: str, width: int = 30) -> str:
  """Text as matplotlib should show it: no mathematics, never hidden."""
  text = text if len(text) <= width else text[: width - 1] + "…"
  text = text.replace("\\", "\\\\") if "$" in text else text
  text = text.replace("$", r"\$")
  return f" {text}" if text.startswith("_") else text


def png(figure: Any) -> bytes:
  """The figure as a PNG file's bytes; equal figures have equal bytes."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
  return buffer.getvalue()
