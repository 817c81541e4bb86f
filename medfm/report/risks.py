"""Figures of risks: calibration, and the net benefit of decisions.

Each function returns a matplotlib `Figure`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.metrics import bootstrap, risk_curves
from medfm.report import curves, style, wording
from medfm.report.curves import Binary

PANELS = 6
"""For how many questions, at most, decision curves are drawn."""
_BAND = "#C9DDEC"
_PLACES = 61


def shown(questions: Sequence[Binary], most: int) -> list[Binary]:
  """At most `most` questions: those with most positives, in their order."""
  order = sorted(range(len(questions)), key=lambda k: -questions[k].truth.sum())
  return [questions[k] for k in sorted(order[:most])]


def calibration(questions: Sequence[Binary], title: str, x: str):
  """Flexible calibration curves over a histogram of the probabilities.

  A single question gets the band of its curve, the shares of ten bins as hollow
  points, and a histogram for either answer; several questions get a line each.
  """
  figure, (top, bottom) = style.panels(
    5.4, 6.2, rows=2, sharex=True, height_ratios=(3.4, 1)
  )
  top.plot([0, 1], [0, 1], linewidth=0.8, label="Ideal", **style.DOTTED)
  if len(questions) == 1:
    _single(top, bottom, questions[0])
  else:
    for index, question in enumerate(questions):
      look = style.series(index)
      truth, scores = question.truth, question.scores
      at = _places(scores)
      name = style.plain(question.name)
      curve = risk_curves.observed(truth, scores, at)
      top.plot(at, curve, linewidth=1.4, label=name, **look)
      bars = {"histtype": "step", "edgecolor": look["color"]}
      bottom.hist(scores, bins=_BINS, linewidth=0.8, **bars)
  top.set_xlim(-0.02, 1.02)
  top.set_ylim(-0.02, 1.09)
  style.describe(top, title, "", "Observed share")
  style.describe(bottom, "", x, "Examples")
  style.legend_below(figure, top, bottom)
  return figure


_BINS = np.linspace(0, 1, 26)


def _single(top: Any, bottom: Any, question: Binary) -> None:
  truth, scores = question.truth, question.scores
  at = _places(scores)

  def curve(weight: np.ndarray | None = None) -> np.ndarray:
    return risk_curves.observed(truth, scores, at, weight)

  if (edges := risk_curves.band(curve, _cluster(question))) is not None:
    label = "95 % interval (bootstrap)"
    top.fill_between(at, *edges, color=_BAND, linewidth=0, label=label)
  top.plot(at, curve(), linewidth=1.8, label="Model (loess)", color=style.BLUE)
  mean, share, *_ = curves.reliability(truth, scores)
  hollow = {"ms": 5, "mfc": "white", "color": style.BLUE, "ls": ""}
  top.plot(mean, share, "o", label="Tenths of the range", **hollow)
  answers = [scores[truth], scores[~truth]]
  looks: dict[str, Any] = {"color": [style.RED, "#9BB8CC"], "stacked": True}
  name = wording.short(question.name, 18)
  bottom.hist(answers, bins=_BINS, label=[style.plain(name), "others"], **looks)


def decision(
  questions: Sequence[Binary], title: str, rivals: Mapping[str, Binary] = {}
):
  """Net benefit against the threshold, a panel for each question.

  rivals: the same question answered by others, if there is one question.
  """
  figure, panels = _panels(len(questions), title)
  for axes, question in zip(panels, questions, strict=True):
    name = f"{wording.short(question.name, 22)} "
    name += f"({wording.percent(question.prevalence)})"
    single = len(questions) == 1
    _benefit(axes, question, title if single else name, rivals)
  style.legend_below(figure, panels[0])
  return figure


def lines(block: Mapping[str, Any]):
  """A block of curves (`report.blocks`), a panel for each of its questions."""
  panels, beside = block["panels"], block["beside"]
  figure, every = _panels(len(panels), block["title"])
  for axes, panel in zip(every, panels, strict=True):
    straight = {"label": beside["name"], "linewidth": 1.2, **style.DOTTED}
    axes.axline((0, 0), slope=beside["slope"], **straight)
    for index, line in enumerate(panel["lines"]):
      look, name = style.series(index), style.plain(line["name"])
      x, y, *edges = (
        np.array(line[key], float) for key in ("x", "y", "low", "high")
      )
      axes.fill_between(x, *edges, color=look["color"], alpha=0.13, lw=0)
      axes.plot(x, y, label=name, linewidth=1.6, **look)
    highest = max(np.nanmax(np.array(e["y"], float)) for e in panel["lines"])
    if beside["slope"]:
      axes.set_xlim(-0.02, 1.02)
      axes.set_ylim(-0.02, 1.02)
    else:
      axes.set_ylim(-0.3 * highest, 1.12 * highest)
    title = panel["title"]
    title = title if len(panels) > 1 else f"{block['title']}: {title}"
    style.describe(axes, title, block["x"], block["y"])
  style.legend_below(figure, every[0])
  return figure


def _panels(count: int, title: str):
  """(figure, its axes): a single panel, or several below a common title."""
  if count == 1:
    return style.panels(5.4, 5.9)
  columns = min(count, 3)
  rows = -(-count // columns)
  figure, panels = style.panels(10.8, 0.8 + 3.2 * rows, columns, rows)
  figure.suptitle(style.plain(title, 200), x=0.01, ha="left", fontsize=10)
  for axes in panels[count:]:
    axes.set_visible(False)
  return figure, panels[:count]


def _benefit(
  axes: Any, question: Binary, title: str, rivals: Mapping[str, Binary]
) -> None:
  """The curves of one question; the axis ends where nobody is treated."""
  truth, prevalence = question.truth, question.prevalence
  highest = max(question.scores.max(), 2 * prevalence)
  at = np.linspace(0.005, float(np.clip(highest, 0.1, 0.99)), 100)

  def curve(weight: np.ndarray | None = None) -> np.ndarray:
    return risk_curves.net_benefit(truth, question.scores, at, weight)

  if (edges := risk_curves.band(curve, _cluster(question))) is not None:
    label = "95 % interval (bootstrap)"
    axes.fill_between(at, *edges, color=_BAND, linewidth=0, label=label)
  everybody = risk_curves.net_benefit(truth, np.ones(len(truth)), at)
  axes.plot(at, everybody, color=style.GREY, linewidth=1.2, label="Treat all")
  axes.axhline(0, label="Treat none", linewidth=1.2, **style.DOTTED)
  lines = {"Model": question, **rivals}
  for index, (name, asked) in enumerate(lines.items()):
    worth = risk_curves.net_benefit(asked.truth, asked.scores, at)
    width = 1.8 if index == 0 else 1.3
    label = style.plain(name)
    axes.plot(at, worth, linewidth=width, label=label, **style.series(index))
  axes.set_ylim(-0.3 * prevalence, 1.12 * prevalence)
  style.describe(axes, title, "Threshold of the risk", "Net benefit")


def _places(scores: np.ndarray) -> np.ndarray:
  return np.linspace(scores.min(), scores.max(), _PLACES)


def _cluster(question: Binary) -> np.ndarray:
  return bootstrap.clusters(question.patients, len(question.truth))
