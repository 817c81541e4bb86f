"""Which figures a run deserves, each with its caption and its words."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import contrasts, figures, style, wording
from medfm.report.plates import Plate, file_name
from medfm.report.reading import Run, Stage


def stage_plates(stage: Stage) -> Iterator[Plate]:
  """The figures of one stage: its training, then its final split."""
  if any("loss" in line for line in stage.history):
    yield _learning(stage)
  split = stage.final_split
  if stage.figures is not None and split is not None:
    yield from stage.figures.plates(stage, split)
  if split is not None:
    yield from _subgroups(stage, split)


def study_plates(run: Run) -> Iterator[Plate]:
  """The figures that set stages and baselines side by side."""
  yield from _label_efficiency(run)
  yield from _differences(run)


def curve_groups(run: Run) -> dict[str, list[Stage]]:
  """Stages that differ in their share of labels, by their names' stem."""
  groups: dict[str, list[Stage]] = {}
  for stage in run.stages.values():
    if stage.finished and stage.supervised and stage.final_split:
      stem = re.sub(r"[_\-.]?(?:p|f|at)?_?\d[\d._]*%?$", "", stage.name)
      groups.setdefault(stem or stage.name, []).append(stage)
  return {
    stem: sorted(stages, key=_fraction)
    for stem, stages in groups.items()
    if len({_fraction(stage) for stage in stages}) > 1
  }


def _learning(stage: Stage) -> Plate:
  best = stage.result.get("best")
  figure = figures.learning_curves(stage.history, best, stage.described)
  reached = (
    f"; best {best['metric']} {wording.number(best['value'])} at step "
    f"{best['step']:,}"
    if best
    else ""
  )
  return Plate(
    file_name(stage.name, "learning"),
    "Learning curves. The dotted line marks the step whose weights were kept."
    if best
    else "Learning curves. The last step's weights were kept.",
    f"Learning curves of {stage.name} over {stage.last_step:,} steps{reached}.",
    style.png(figure),
    wide=True,
  )


def _subgroups(stage: Stage, split: str) -> Iterator[Plate]:
  result = stage.splits[split]
  for metric in stage.main(result.get("metrics") or {})[:1]:
    whole = stage.entry(split, metric)
    if whole.get("value") is None:
      continue
    n = f"n = {result['n']:,}"
    rows = [contrasts.Row("All", **_ends(whole), note=n, bold=True)]
    for group, levels in (result.get("groups") or {}).items():
      for level, counted in levels.items():
        entry = counted["metrics"].get(metric, {})
        if entry.get("value") is not None:
          name = f"{group}: {level or 'not recorded'}"
          note = f"n = {counted['n']:,}"
          rows.append(contrasts.Row(name, **_ends(entry), note=note))
    if len(rows) > 1:
      title = stage.title(metric)
      yield Plate(
        file_name(stage.name, split, "subgroups"),
        "Subgroups with 95 % intervals; the dotted line is the value of all. "
        "Intervals are not corrected for the number of groups.",
        f"{title} of {stage.name} on {split} in {len(rows) - 1} subgroups.",
        style.png(
          contrasts.forest(
            rows, f"{title} by subgroup, {split}", title, whole["value"]
          )
        ),
        wide=True,
      )


def _label_efficiency(run: Run) -> Iterator[Plate]:
  by_data: dict[str, dict[str, list[Stage]]] = {}
  for stem, stages in curve_groups(run).items():
    name = stages[0].data.get("name") or run.name
    by_data.setdefault(name, {})[stem] = stages
  for name, groups in by_data.items():
    yield from _efficiency(name if len(by_data) > 1 else run.name, groups)


def _efficiency(name: str, groups: dict[str, list[Stage]]) -> Iterator[Plate]:
  """One data set's curves."""
  first = next(iter(groups.values()))[0]
  split = first.final_split
  for metric in first.main(first.splits[split].get("metrics") or {})[:1]:
    lines: list[contrasts.Series] = []
    rivals: dict[str, dict[float, Mapping[str, Any]]] = {}
    for stem, stages in groups.items():
      origin = stages[-1].origin
      how = f"from {origin}" if origin else "from fresh weights"
      points = [(_fraction(s), s.entry(split, metric)) for s in stages]
      lines.append(contrasts.Series(f"{stem} ({how})", points))
      for stage in stages:
        beside = stage.splits.get(split, {}).get("baselines") or {}
        for rival, entry in beside.items():
          value = entry["metrics"].get(metric) or {}
          rivals.setdefault(rival, {}).setdefault(_fraction(stage), value)
    for rival, values in rivals.items():
      name_of = f"baseline {rival}"
      lines.append(contrasts.Series(name_of, sorted(values.items()), True))
    metric = first.title(metric)
    title = f"{metric}, {split}, by share of training labels"
    named = ", ".join(line.name for line in lines)
    yield Plate(
      file_name(name, "label_efficiency"),
      "Label efficiency: what each way of training reaches from few labels. "
      "Points are moved sideways a little so that bars stay visible.",
      f"{metric} on {split} against label share for {named}.",
      style.png(contrasts.label_efficiency(lines, metric, title)),
      wide=True,
    )


def _differences(run: Run) -> Iterator[Plate]:
  rows: dict[str, list[contrasts.Row]] = {}
  described: dict[str, Any] = {}

  def add(stage: Stage | None, name: str, differences: dict[str, Any]) -> None:
    for metric in stage.main(differences)[:1] if stage else ():
      entry = wording.judged(metric, differences[metric], stage.described)
      entry = differences[metric] if entry is None else entry
      if entry.get("value") is not None:
        described.update(stage.described)
        note = wording.interval(entry, signed=True)
        row = contrasts.Row(name, **_ends(entry), note=note)
        rows.setdefault(metric, []).append(row)

  for pair in run.comparisons:
    stage = run.stages.get(pair["a"])
    add(stage, f"{pair['a']} − {pair['b']}", pair["difference"])
  for stage in run.stages.values():
    beside = stage.splits.get(stage.final_split, {}).get("baselines") or {}
    for name, entry in beside.items():
      title = f"{stage.name} − baseline {name}"
      add(stage, title, entry.get("difference") or {})
  for metric, lines in rows.items():
    ideal = wording.better(metric, described)
    side = {
      "more": "right of 0 favours the first named",
      "less": "left of 0 favours the first named",
      None: "left of 0 the first named has less",
    }.get(ideal, f"left of 0 the first named is nearer to {ideal}, the ideal")
    title = wording.title(metric, described)
    yield Plate(
      file_name(run.name, "differences", metric),
      f"Paired differences with 95 % intervals; {side}. An "
      "interval that crosses 0 shows no difference.",
      f"{len(lines)} paired differences in {title}.",
      style.png(
        contrasts.forest(
          lines,
          f"Paired differences in {title}",
          f"Difference in {title}",
          reference=0,
        )
      ),
      wide=True,
    )


def _ends(entry: Mapping[str, Any]) -> dict[str, float | None]:
  return {key: entry.get(key) for key in ("value", "low", "high")}


def _fraction(stage: Stage) -> float:
  return float(stage.result.get("label_fraction") or 1.0)
