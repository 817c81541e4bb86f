"""Figures of one model on one split, and of its training.

Each function returns a matplotlib `Figure`. Curves of more than `SHOWN`
classes or labels show the most frequent ones and say so in the title.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.metrics import ranking
from medfm.report import curves, risks, style, wording
from medfm.report.curves import Binary

SHOWN = 10
_UNIT_METRICS = ("auroc", "average_precision", "accuracy", "f1", "r2")
_CIRCLE = {"ms": 8, "mfc": "white", "mew": 1.8, "color": style.BLACK}
"""The mark of a decision threshold on a curve."""


def learning_curves(
  history: Sequence[Mapping[str, Any]],
  best: Mapping[str, Any] | None,
  described: wording.Described,
):
  """Training loss, and validation metrics, against the step.

  history: lines of metrics.jsonl.
  best: metric, value and step of the weights that were kept, if chosen.
  described: the descriptions of metrics (`report.wording`).
  """
  names = _validation_names(history, best)
  figure, axes = style.panels(10.8, 3.8, columns=2 if names else 1)
  _loss_panel(axes[0], history)
  for index, name in enumerate(names):
    steps, values = _points(history, name)
    title = wording.title(name.removeprefix("validation/"), described)
    looks = style.series(index) | {"markersize": 4, "linewidth": 1.6}
    looks["marker"] = style.MARKERS[index] if len(steps) < 40 else None
    axes[1].plot(steps, values, label=style.plain(title), **looks)
  if names:
    words = "Validation metrics", "Step", "Metric on validation"
    style.describe(axes[1], *words)
  if best:
    metric, value, step = best["metric"], best["value"], best["step"]
    for panel in axes:
      panel.axvline(step, linewidth=1.4, **style.DOTTED)
    title = wording.title(metric.removeprefix("validation/"), described)
    label = f"Best: {title} {wording.number(value)} at step {step:,}"
    axes[-1].plot([], [], label=style.plain(label, 60), **style.DOTTED)
    if metric in names:
      axes[1].plot(step, value, "*", color=style.BLACK, markersize=12)
  for panel in axes:
    style.legend(panel)
  return figure


def roc(
  questions: Sequence[Binary],
  title: str,
  threshold: float | None = None,
  baselines: Mapping[str, Binary] = {},
):
  """Receiver operating characteristic; one question also gets its band."""
  figure, (axes,) = style.panels(5.4, 6.7)
  axes.plot([0, 1], [0, 1], linewidth=0.8, **style.DOTTED)
  single = questions[0] if len(questions) == 1 else None
  if single and (band := curves.roc_band(single)):
    label = "95 % interval (bootstrap)"
    axes.fill_between(*band, color="#C9DDEC", linewidth=0, label=label)
  _lines(axes, questions, baselines, curves.roc, ranking.auroc)
  if single and threshold is not None:
    called = single.scores >= threshold
    x, y = called[~single.truth].mean(), called[single.truth].mean()
    label = f"Threshold {threshold:.3g}: sens. {y:.2f}, spec. {1 - x:.2f}"
    axes.plot(x, y, "o", label=label, **_CIRCLE)
  _unit_square(axes, title, "1 − specificity", "Sensitivity (recall)")
  style.legend_below(figure, axes, title="AUROC")
  return figure


def precision_recall(
  questions: Sequence[Binary],
  title: str,
  threshold: float | None = None,
  baselines: Mapping[str, Binary] = {},
):
  """Precision against recall, with the prevalence as the line of chance."""
  figure, (axes,) = style.panels(5.4, 6.7)
  single = questions[0] if len(questions) == 1 else None
  if single:
    label = f"Prevalence {wording.percent(single.prevalence)}"
    axes.axhline(single.prevalence, linewidth=1, label=label, **style.DOTTED)
  how = curves.precision_recall, ranking.average_precision
  _lines(axes, questions, baselines, *how, drawstyle="steps-pre")
  called = single and threshold is not None and single.scores >= threshold
  if np.any(called):
    x, y = called[single.truth].mean(), single.truth[called].mean()
    axes.plot(x, y, "o", label=f"Threshold {threshold:.3g}", **_CIRCLE)
  _unit_square(axes, title, "Recall (sensitivity)", "Precision (PPV)")
  style.legend_below(figure, axes, title="Average precision")
  return figure


def confusion(classes: Sequence[str], counts: np.ndarray, title: str):
  """Counts, and the share of each true class (row), coloured by share."""
  size = len(classes)
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  side = float(np.clip(1.6 + 0.85 * size, 4.2, 9))
  figure, (axes,) = style.panels(side + 0.6, side)
  axes.grid(False)
  image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
  bar = figure.colorbar(image, ax=axes, shrink=0.8)
  bar.set_label("Share of the true class", fontsize=style.SMALL)
  bar.ax.tick_params(labelsize=8)
  looks = {"ha": "center", "va": "center"}
  looks["fontsize"] = style.NORMAL if size < 7 else 7
  if size <= 15:
    for (row, column), share in np.ndenumerate(shares):
      text = f"{counts[row, column]:,}\n{100 * share:.0f} %"
      colour = "white" if share > 0.55 else "black"
      axes.text(column, row, text, color=colour, **looks)
  names = [style.plain(name, 18) for name in classes]
  turned = size > 3 or max(map(len, names), default=0) > 12
  looks = {"rotation": 40, "ha": "right"} if turned else {}
  axes.set_xticks(range(size), names, **looks)
  axes.set_yticks(range(size), names)
  style.describe(axes, title, "Predicted", "True")
  return figure


def _loss_panel(axes: Any, history: Sequence[Mapping[str, Any]]) -> None:
  steps, values = _points(history, "loss")
  held_out = _points(history, "validation/loss")
  every = np.concatenate([values, held_out[1]])
  look, label = {"color": style.BLUE, "linewidth": 1.6}, "Training"
  if len(values) > 60:
    axes.plot(steps, values, color="#A9C8DE", linewidth=0.7)
    window = max(len(values) // 30, 3)
    both = np.stack([values, np.ones(len(values))])
    total, count = (np.convolve(each, np.ones(window), "same") for each in both)
    values, look["linewidth"] = total / count, 1.8
    label = f"Training (mean of {window} lines)"
  if len(values):
    axes.plot(steps, values, label=label, **look)
  if len(held_out[0]):
    axes.plot(*held_out, **style.series(1), linewidth=1.6, label="Validation")
  if len(every) and every.min() > 0 and every.max() > 20 * every.min():
    axes.set_yscale("log")
  style.describe(axes, "Loss", "Step", "Loss")


def _validation_names(history, best) -> list[str]:
  """The validation metrics worth drawing in one panel, the chosen first."""
  logged = dict.fromkeys(name for line in history for name in line)
  names = [name for name in logged if name.startswith("validation/")]
  names = [name for name in names if name != "validation/loss"]
  unit = [f"validation/{name}" for name in _UNIT_METRICS]
  unit = [name for name in unit if name in names]
  if not best or best["metric"] not in names:
    return unit[:4] or names[:1]
  chosen = best["metric"]
  if wording.stem(chosen.removeprefix("validation/")) not in _UNIT_METRICS:
    return [chosen]
  return list(dict.fromkeys([chosen, *unit]))[:4]


def _points(history, name: str) -> np.ndarray:
  """Steps and values [2,N] that were logged; text stands for not finite."""
  points = ((line.get("step"), line.get(name)) for line in history)
  drawn = [p for p in points if all(isinstance(v, int | float) for v in p)]
  return np.array(drawn, float).reshape(-1, 2).T


def _lines(
  axes: Any,
  questions: Sequence[Binary],
  baselines: Mapping[str, Binary],
  curve: Callable,
  area: Callable,
  **looks: Any,
) -> None:
  """A line for each question, then for each baseline, with their areas.

  curve: (truth, scores) -> x, y. area: (truth, scores) -> the area below it.
  """
  single = len(questions) == 1
  lines = [("Model", questions[0])] if single else []
  for question in [] if single else risks.shown(questions, SHOWN):
    share = wording.percent(question.prevalence)
    lines.append((f"{style.plain(question.name, 22)} ({share})", question))
  lines += [(style.plain(name), rival) for name, rival in baselines.items()]
  for index, (name, question) in enumerate(lines):
    asked = question.truth, question.scores
    looks |= style.series(index)
    width = 1.8 if index == 0 or not single else 1.3
    label = f"{name}: {area(*asked):.3f}"
    axes.plot(*curve(*asked), linewidth=width, label=label, **looks)


def _unit_square(axes: Any, title: str, x: str, y: str) -> None:
  """Both axes from 0 to 1, with room for the lines on the border."""
  axes.set_xlim(-0.02, 1.02)
  axes.set_ylim(-0.02, 1.02)
  axes.set_aspect("equal")
  style.describe(axes, title, x, y)
