"""Figures of one model on one split, and of its training.

Each function returns a matplotlib `Figure`. Curves of more than `SHOWN`
classes or labels show the most frequent ones and say so in the title.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.report import curves, style, wording
from medfm.report.curves import Binary
from medfm.report.reading import finite

SHOWN = 10
_UNIT_METRICS = ("auroc", "average_precision", "accuracy", "f1", "r2")


def learning_curves(
  history: Sequence[Mapping[str, Any]],
  best: Mapping[str, Any] | None,
  described: wording.Described,
):
  """Training loss, and validation metrics, against the step.

  history: lines of metrics.jsonl.
  best: metric, value and step of the weights that were kept, if chosen.
  described: what metrics say of themselves (`report.wording`).
  """
  loss = _points(history, "loss")
  held_out = _points(history, "validation/loss")
  names = _validation_names(history, best)
  figure, axes = style.panels(10.8, 3.8, columns=2 if names else 1)
  _loss_panel(axes[0], loss, held_out)
  if names:
    for index, name in enumerate(names):
      steps, values = _points(history, name)
      title = wording.title(name.removeprefix("validation/"), described)
      marker = style.MARKERS[index] if len(steps) < 40 else None
      axes[1].plot(
        steps,
        values,
        **style.series(index),
        marker=marker,
        markersize=4,
        linewidth=1.6,
        label=style.plain(title),
      )
    style.describe(
      axes[1], "Validation metrics", "Step", "Metric on validation"
    )
  if best:
    for panel in axes:
      panel.axvline(
        best["step"], color=style.GREY, linestyle=":", linewidth=1.4
      )
    axes[-1].plot(
      [], [], ":", color=style.GREY, label=_best_label(best, described)
    )
    if names and best["metric"] in names:
      axes[1].plot(
        best["step"], best["value"], "*", color=style.BLACK, markersize=12
      )
  for panel in axes:
    style.legend(panel)
  return figure


def roc(
  questions: Sequence[Binary],
  title: str,
  threshold: float | None = None,
  baselines: Mapping[str, Binary] | None = None,
):
  """Receiver operating characteristic; one question also gets its band."""
  figure, (axes,) = style.panels(5.4, 5.2)
  axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle=":")
  single = len(questions) == 1
  if single and (band := curves.roc_band(questions[0])):
    grid, low, high = band
    axes.fill_between(
      grid,
      low,
      high,
      color="#C9DDEC",
      linewidth=0,
      label="95 % interval (bootstrap)",
    )

  def curve(question):
    x, y = curves.roc(question.truth, question.scores)
    return x, y, curves.area(x, y)

  _lines(axes, questions, baselines, curve)
  if single and threshold is not None:
    x, y = curves.operating_point(questions[0], threshold)
    rates = f": sens. {y:.2f}, spec. {1 - x:.2f}"
    _circle(axes, x, y, f"Threshold {threshold:.3g}{rates}")
  style.unit_square(axes)
  style.describe(axes, title, "1 − specificity", "Sensitivity (recall)")
  style.legend(axes, loc="lower right", title="AUROC", title_fontsize=9)
  return figure


def precision_recall(
  questions: Sequence[Binary],
  title: str,
  threshold: float | None = None,
  baselines: Mapping[str, Binary] | None = None,
):
  """Precision against recall, with the prevalence as the line of chance."""
  figure, (axes,) = style.panels(5.4, 5.2)
  single = len(questions) == 1
  if single:
    axes.axhline(
      questions[0].prevalence,
      color=style.GREY,
      linewidth=1,
      linestyle=":",
      label=f"Prevalence {wording.percent(questions[0].prevalence)}",
    )

  def curve(question):
    recall, precision = curves.precision_recall(question.truth, question.scores)
    area = curves.average_precision(recall, precision)
    first = np.concatenate([precision[:1], precision])
    return np.concatenate([[0.0], recall]), first, area

  _lines(axes, questions, baselines, curve, drawstyle="steps-pre")
  called = single and threshold is not None
  if called and (above := questions[0].scores >= threshold).any():
    truth = questions[0].truth
    point = float(above[truth].mean()), float(truth[above].mean())
    _circle(axes, *point, f"Threshold {threshold:.3g}")
  style.unit_square(axes)
  style.describe(axes, title, "Recall (sensitivity)", "Precision (PPV)")
  style.legend(
    axes, loc="lower left", title="Average precision", title_fontsize=9
  )
  return figure


def calibration(questions: Sequence[Binary], title: str, x: str):
  """Reliability diagram over a histogram of the probabilities.

  One question gets Wilson bars and the count of each bin; several get a line
  each.
  """
  figure, (top, bottom) = style.panels(
    5.4, 5.8, rows=2, sharex=True, height_ratios=(3.4, 1)
  )
  top.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle=":")
  single = len(questions) == 1
  for index, question in enumerate(shown(questions)):
    mean, share, low, high, n = curves.reliability(
      question.truth, question.scores
    )
    marker = style.MARKERS[index % len(style.MARKERS)]
    look = style.series(index) | {"marker": marker, "markersize": 5}
    if single:
      top.errorbar(
        mean,
        share,
        yerr=np.clip([share - low, high - share], 0, None),
        **look,
        linewidth=1.4,
        capsize=3,
        label="Model, 95 % interval",
      )
      for at, height, count in zip(mean, high, n, strict=True):
        top.annotate(
          f"{count:,}",
          (at, height),
          xytext=(0, 5),
          textcoords="offset points",
          ha="center",
          fontsize=7.5,
          color="#444444",
        )
    else:
      top.plot(
        mean, share, **look, linewidth=1.2, label=style.plain(question.name)
      )
    bottom.hist(
      question.scores,
      bins=np.linspace(0, 1, 21),
      histtype="stepfilled" if single else "step",
      color="#9BB8CC" if single else look["color"],
      edgecolor=style.BLUE if single else look["color"],
      linewidth=0.8,
    )
  top.set_xlim(-0.02, 1.02)
  top.set_ylim(-0.02, 1.09)
  top.plot([], [], ":", color=style.GREY, label="Ideal")
  style.describe(top, title, "", "Observed share")
  style.describe(bottom, "", x, "Examples")
  style.legend(top, loc="upper left")
  return figure


def confusion(classes: Sequence[str], counts: Any, title: str):
  """Counts, and the share of each true class (row), coloured by share."""
  counts = np.asarray(counts, dtype=np.int64)
  size = len(classes)
  share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  side = float(np.clip(1.6 + 0.85 * size, 4.2, 9))
  figure, (axes,) = style.panels(side + 0.6, side)
  axes.grid(False)
  image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
  bar = figure.colorbar(image, ax=axes, shrink=0.8)
  bar.set_label("Share of the true class", fontsize=style.SMALL)
  bar.ax.tick_params(labelsize=8)
  if size <= 15:
    for row, column in np.ndindex(size, size):
      axes.text(
        column,
        row,
        f"{counts[row, column]:,}\n{100 * share[row, column]:.0f} %",
        ha="center",
        va="center",
        fontsize=style.NORMAL if size < 7 else 7,
        color="white" if share[row, column] > 0.55 else "black",
      )
  names = [style.plain(name, 18) for name in classes]
  turned = size > 3 or max(map(len, names), default=0) > 12
  axes.set_xticks(
    range(size),
    names,
    rotation=40 if turned else 0,
    ha="right" if turned else "center",
  )
  axes.set_yticks(range(size), names)
  style.describe(axes, title, "Predicted", "True")
  return figure


def shown(questions: Sequence[Binary]) -> list[Binary]:
  """At most `SHOWN` questions: those with most positives, in their order."""
  order = sorted(range(len(questions)), key=lambda k: -questions[k].truth.sum())
  return [questions[k] for k in sorted(order[:SHOWN])]


def _loss_panel(axes: Any, loss, held_out) -> None:
  steps, values = loss
  if len(values) > 60:
    axes.plot(steps, values, color="#A9C8DE", linewidth=0.7)
    window = max(len(values) // 30, 3)
    kernel = np.ones(window)
    smooth = np.convolve(values, kernel, "same") / np.convolve(
      np.ones(len(values)), kernel, "same"
    )
    axes.plot(
      steps,
      smooth,
      color=style.BLUE,
      linewidth=1.8,
      label=f"Training (mean of {window} lines)",
    )
  elif len(values):
    axes.plot(steps, values, color=style.BLUE, linewidth=1.6, label="Training")
  if len(held_out[0]):
    axes.plot(*held_out, **style.series(1), linewidth=1.6, label="Validation")
  every = np.concatenate([values, held_out[1]])
  if len(every) and every.min() > 0 and every.max() > 20 * every.min():
    axes.set_yscale("log")
  style.describe(axes, "Loss", "Step", "Loss")


def _validation_names(history, best) -> list[str]:
  """The validation metrics worth drawing in one panel, the chosen first."""
  logged = dict.fromkeys(
    name
    for line in history
    for name in line
    if name.startswith("validation/") and name != "validation/loss"
  )
  chosen = best["metric"] if best and best["metric"] in logged else None
  wanted = [f"validation/{name}" for name in _UNIT_METRICS]
  unit = [name for name in wanted if name in logged]
  if chosen is None:
    return unit[:4] or list(logged)[:1]
  same = wording.stem(chosen.removeprefix("validation/")) in _UNIT_METRICS
  return [chosen, *(name for name in unit if same and name != chosen)][:4]


def _points(history, name: str) -> tuple[np.ndarray, np.ndarray]:
  pairs = [
    (line["step"], line[name])
    for line in history
    if "step" in line and finite(line.get(name))
  ]
  steps, values = zip(*pairs, strict=True) if pairs else ((), ())
  return np.asarray(steps, float), np.asarray(values, float)


def _best_label(best: Mapping[str, Any], described) -> str:
  name = wording.title(best["metric"].removeprefix("validation/"), described)
  return style.plain(
    f"Best: {name} {wording.number(best['value'])} at step {best['step']:,}", 60
  )


def _lines(
  axes: Any,
  questions: Sequence[Binary],
  baselines: Mapping[str, Binary] | None,
  curve: Callable[[Binary], tuple[np.ndarray, np.ndarray, float]],
  **looks: Any,
) -> None:
  """A line for each question, then for each baseline, with their areas."""
  single = len(questions) == 1
  lines = [
    ("Model" if single else _with_prevalence(question), question)
    for question in shown(questions)
  ]
  rivals = (baselines or {}).items()
  lines += [(style.plain(name), rival) for name, rival in rivals]
  for index, (name, question) in enumerate(lines):
    x, y, area = curve(question)
    looks |= style.series(index)
    width = 1.8 if index == 0 or not single else 1.3
    axes.plot(x, y, linewidth=width, label=f"{name}: {area:.3f}", **looks)


def _with_prevalence(question: Binary) -> str:
  share = wording.percent(question.prevalence)
  return f"{style.plain(question.name, 22)} ({share})"


def _circle(axes: Any, x: float, y: float, label: str) -> None:
  """The point that a decision threshold picks on a curve."""
  looks = {"ms": 8, "mfc": "white", "mew": 1.8, "color": style.BLACK}
  axes.plot(x, y, "o", label=label, **looks)
