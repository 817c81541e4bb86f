"""The report's results: what each stage reached, as markup."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from medfm.report import shown_texts, summary, wording
from medfm.report.gallery import Plate
from medfm.report.markup import Markup, join, table, tag
from medfm.report.reading import Run, Stage


def overview(run: Run) -> Markup:
  """Every stage in a line, with its main metrics on its final split."""
  rows = []
  for stage in run.stages.values():
    split = stage.final_split
    result = stage.splits.get(split, {})
    metrics = result.get("metrics") or {}
    state = "finished" if stage.finished else "not finished"
    rows.append(
      (
        stage.name,
        state,
        _labels(stage),
        (stage.origin or "fresh") if stage.finished else "",
        f"{split}, n = {result.get('n', 0):,}" if split else "",
        join(
          tag("div", f"{wording.title(name)} ", value(metrics[name]))
          for name in wording.main(stage.task, metrics, stage.select)
        ),
      )
    )
  header = ("Stage", "State", "Labels used", "Start", "Split", "Main metrics")
  return join(
    (
      tag("h2", "Stages"),
      table(header, rows, numbers_from=9),
    )
  )


def _labels(stage: Stage) -> str:
  """How many labels a stage has learnt from, or has been shown."""
  asked = (stage.data.get("card") or {}).get("prompts")
  if asked and not stage.result.get("steps"):
    return f"{len(next(iter(asked['shots'].values())))} a prompt"
  share = stage.result.get("label_fraction")
  return f"{100 * share:.3g} %" if share is not None else ""


def stage_results(stage: Stage, plates: Sequence[Plate]) -> Markup:
  """Metrics, baselines, subgroups and figures of one stage."""
  if not stage.finished:
    return join(
      (
        tag(
          "p",
          f"Stage {stage.name} is not finished; last recorded step "
          f"{stage.last_step:,}.",
        ),
        figures(plates),
      )
    )
  return join(
    (
      metrics(stage),
      by_class(stage),
      outcomes(stage),
      baselines(stage),
      figures(plates),
      subgroups(stage),
      thresholds(stage),
      shown_texts.texts(stage),
    )
  )


def metrics(stage: Stage) -> Markup | None:
  """All metrics of whole splits: one row each, one column a split."""
  splits = stage.splits
  names = _names(result.get("metrics") or {} for result in splits.values())
  plain = [name for name in names if "[" not in name]
  first = wording.main(stage.task, plain, stage.select)
  rows = [
    (
      wording.title(name),
      *(
        value((result.get("metrics") or {}).get(name))
        for result in splits.values()
      ),
    )
    for name in [*first, *(name for name in plain if name not in first)]
  ]
  if not rows:
    return None
  header = [
    join((name, tag("small", _size(stage, result))), "")
    for name, result in splits.items()
  ]
  return table(
    ("Metric", *header), rows, "Metrics, with 95 % bootstrap intervals"
  )


def by_class(stage: Stage) -> Markup:
  """Metrics of single classes or labels, a table for each split."""

  def rows(result):
    found = {
      name: entry
      for name, entry in (result.get("metrics") or {}).items()
      if "[" in name
    }
    insides = dict.fromkeys(_inside(name) for name in found)
    stems = list(dict.fromkeys(wording.stem(name) for name in found))
    header = ("Class or label", *map(wording.title, stems))
    return header, [
      (inside, *(value(found.get(f"{stem}[{inside}]"), "") for stem in stems))
      for inside in insides
    ]

  return _by_split(stage, "By class or label", rows)


def outcomes(stage: Stage) -> Markup:
  """What became of the entities of each type, a table for each split."""

  def rows(result):
    found = result.get("entities") or {}
    names = _names(found.values())
    return ("Entities of type", *names), [
      (kind, *(f"{counts[name]:,}" for name in names))
      for kind, counts in found.items()
    ]

  return _by_split(stage, "Entities: what was found of them", rows)


def baselines(stage: Stage) -> Markup:
  """Classical models on the same examples, and the paired differences."""

  def rows(result):
    found = result.get("baselines") or {}
    names = _names(entry.get("metrics") or {} for entry in found.values())
    header = ("Metric", "Model", *(f"Baseline {name}" for name in found))
    return header, [
      (
        wording.title(metric),
        value((result.get("metrics") or {}).get(metric)),
        *(_rival(entry, metric) for entry in found.values()),
      )
      for metric in names
    ]

  return _by_split(
    stage, "Baselines; Δ is model − baseline on the same examples", rows
  )


def comparisons(run: Run) -> Markup | None:
  """Stages against each other: every paired difference, and its verdict."""
  rows = [
    (
      f"{found['a']} − {found['b']}",
      found["split"],
      wording.title(metric),
      value(entry, signed=True),
      _badge(metric, entry, found),
    )
    for found in run.comparisons
    for metric, entry in found["difference"].items()
  ]
  if not rows:
    return None
  header = ("Stages", "Split", "Metric", "Difference", "Shown by the interval")
  return table(
    header,
    rows,
    "Paired differences on the same examples, 95 % bootstrap intervals, not "
    "corrected for the number of comparisons",
    numbers_from=3,
  )


def subgroups(stage: Stage) -> Markup:
  """Main metrics by subgroup on every split that has subgroups."""

  def rows(result):
    groups = result.get("groups") or {}
    names = _names(
      found.get("metrics") or {}
      for levels in groups.values()
      for found in levels.values()
    )
    header = (
      "Subgroup",
      "n",
      stage.whom.capitalize(),
      *map(wording.title, names),
    )
    return header, [
      (
        f"{group}: {level or 'not recorded'}",
        wording.count(found.get("n")),
        wording.count(found.get("patients")),
        *(value((found.get("metrics") or {}).get(name)) for name in names),
      )
      for group, levels in groups.items()
      for level, found in levels.items()
    ]

  return _by_split(stage, "Subgroups", rows)


def coefficients(run: Run, plates: Sequence[Plate]) -> Markup | None:
  """Learnt beside exact coefficients, where a run compared them."""
  if not run.coefficients:
    return None
  rows = [
    (
      row["name"],
      wording.number(row["learned"]),
      wording.number(row["closed_form"]),
    )
    for row in run.coefficients
  ]
  return join(
    (
      tag("h2", "Coefficients"),
      figures(plates),
      tag(
        "details",
        tag("summary", f"All {len(rows)} coefficients"),
        table(("Name", "Learnt", "Closed form"), rows),
      ),
    )
  )


def thresholds(stage: Stage) -> Markup | None:
  """The decision thresholds, which the validation split chose."""
  rows = []
  for split, result in stage.splits.items():
    found = result.get("thresholds") or {}
    for name, cut in found.items() if isinstance(found, dict) else ():
      cut = cut.get("value") if isinstance(cut, dict) else cut
      shown = wording.number(cut) if isinstance(cut, int | float) else cut
      rows.append((wording.title(name), split, shown))
  if not rows:
    return None
  return table(
    ("Decision", "Split", "Threshold"),
    rows,
    "Decision thresholds, chosen on validation",
    numbers_from=2,
  )


def figures(plates: Iterable[Plate]) -> Markup | None:
  """Figures with their captions, inlined."""
  shown = [
    tag(
      "figure",
      tag(
        "img",
        src="data:image/png;base64,"
        + base64.b64encode(plate.png).decode("ascii"),
        alt=plate.alt,
      ),
      tag("figcaption", plate.caption),
      class_="wide" if plate.wide else None,
    )
    for plate in plates
  ]
  return tag("div", *shown, class_="figures") if shown else None


def glossary(run: Run) -> Markup | None:
  """How to read the metrics that this report shows."""
  stems = dict.fromkeys(
    wording.stem(name)
    for stage in run.stages.values()
    for result in stage.splits.values()
    for name in result.get("metrics") or {}
  )
  rows = [
    (wording.title(name), wording.meaning(name))
    for name in stems
    if wording.meaning(name)
  ]
  if not rows:
    return None
  return join(
    (
      tag("h2", "How to read the metrics"),
      table(("Metric", "Meaning"), rows, numbers_from=9),
    )
  )


def value(
  entry: Mapping[str, Any] | None,
  missing: str = "n/a",
  signed: bool = False,
) -> Markup | str:
  """A metric with its interval; `n/a` with the reason below it."""
  if not entry:
    return missing
  if entry.get("value") is None:
    reason = entry.get("reason") or "no reason was given"
    return join(("n/a", tag("small", reason)))
  point, bracket, rest = wording.interval(entry, signed).partition(" [")
  return tag("span", tag("b", point), bracket + rest, class_="value")


def _by_split(
  stage: Stage, caption: str, rows: Callable[[Mapping[str, Any]], tuple]
) -> Markup:
  """A table for each split; all but the final split's are folded."""
  final, folded = [], []
  for split, result in stage.splits.items():
    header, body = rows(result)
    if body and split == stage.final_split:
      final.append(table(header, body, f"{caption}: {split}"))
    elif body:
      title = tag("summary", f"{caption}: {split}")
      folded.append(tag("details", title, table(header, body)))
  return join(final + folded)


def _rival(entry: Mapping[str, Any], metric: str) -> Markup:
  """A baseline's metric, with the model's paired difference below."""
  difference = (entry.get("difference") or {}).get(metric)
  shown = value(difference, signed=True)
  return join(
    (
      value((entry.get("metrics") or {}).get(metric)),
      tag("small", "Δ ", shown) if difference else None,
    )
  )


def _badge(metric: str, entry: Mapping[str, Any], found) -> Markup:
  word = wording.verdict(metric, entry)
  said = {
    "better": f"{found['a']} better",
    "worse": f"{found['b']} better",
  }.get(word, word)
  sure = word in ("better", "worse")
  return tag("span", said, class_="shown" if sure else "open")


def _names(tables: Iterable[Mapping[str, Any]]) -> list[str]:
  """Metric names over several tables, in order of first appearance."""
  return list(dict.fromkeys(name for found in tables for name in found))


def _inside(metric: str) -> str:
  return metric.partition("[")[2].removesuffix("]")


def _size(stage: Stage, result: Mapping[str, Any]) -> str:
  patients = result.get("patients")
  more = "" if patients is None else f", {wording.count(patients, stage.whom)}"
  return f"n = {result.get('n', 0):,}{more}"


def summary_box(run: Run) -> Markup:
  """What was done and found, in sentences."""
  found = summary.findings(run)
  return tag(
    "section",
    tag("h2", "Summary"),
    tag("p", " ".join(summary.sentences(run))),
    tag("ul", *(tag("li", sentence) for sentence in found)) if found else None,
    class_="summary",
  )
