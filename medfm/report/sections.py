"""The report's results: what each stage reached, as markup."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medfm.report import blocks, summary, wording
from medfm.report.blocks import Block, value
from medfm.report.markup import Markup, join, table, tag
from medfm.report.plates import Plate
from medfm.report.reading import Run, Stage


def overview(run: Run) -> Markup:
  """Every stage in a line, with its main metrics on its final split."""
  rows = []
  for stage in run.stages.values():
    split = stage.final_split
    result = stage.splits.get(split, {})
    metrics = result.get("metrics") or {}
    rows.append(
      (
        stage.name,
        "finished" if stage.finished else "not finished",
        _labels(stage),
        (stage.origin or "fresh") if stage.finished else "",
        f"{split}, n = {result.get('n', 0):,}" if split else "",
        join(
          tag("div", f"{stage.title(name)} ", value(metrics[name]))
          for name in stage.main(metrics)
        ),
      )
    )
  header = ("Stage", "State", "Labels used", "Start", "Split", "Main metrics")
  return join((tag("h2", "Stages"), table(header, rows, numbers_from=9)))


def _labels(stage: Stage) -> str:
  """How many labels a stage has learnt from, or has been shown."""
  asked = (stage.data.get("card") or {}).get("prompts")
  if asked and not stage.result.get("steps"):
    return f"{len(next(iter(asked['shots'].values())))} a prompt"
  if not stage.supervised:
    return "none"
  share = stage.result.get("label_fraction")
  return f"{100 * share:.3g} %" if share is not None else ""


def stage_results(
  stage: Stage, plates: Sequence[Plate], drawn: Mapping[str, Plate]
) -> Markup:
  """Metrics, baselines, subgroups, figures and blocks of one stage.

  What a terminal shows of its blocks comes first here too.

  drawn: the figures of its blocks (`blocks.drawings`).
  """
  if not stage.finished:
    last = f"last recorded step {stage.last_step:,}"
    words = f"Stage {stage.name} is not finished; {last}."
    return join((tag("p", words), blocks.figures(plates)))
  final = stage.final_split
  own = [] if stage.figures is None else stage.figures.tables(stage)
  first = [block for block in stage.blocks if block.get("terminal")]
  rest = [block for block in stage.blocks if not block.get("terminal")]
  before = [metrics(stage), *by_class(stage), *own, *baselines(stage)]
  after = [*subgroups(stage), thresholds(stage), *rest]
  return join(
    (
      blocks.section([*first, *before], final, drawn),
      blocks.figures(plates),
      blocks.section(after, final, drawn),
    )
  )


def metrics(stage: Stage) -> Block:
  """All metrics of whole splits: one row each, one column a split."""
  by_split = [
    {
      name: entry
      for name, entry in (result.get("metrics") or {}).items()
      if "[" not in name
    }
    for result in stage.splits.values()
  ]
  names = _names(by_split)
  first = [name for name in stage.main(dict.fromkeys(names)) if name in names]
  header = [
    join((split, tag("small", _size(stage, result))))
    for split, result in stage.splits.items()
  ]
  rows = [
    (stage.title(name), *(value(metrics.get(name)) for metrics in by_split))
    for name in dict.fromkeys([*first, *names])
  ]
  title = "Metrics, with 95 % bootstrap intervals"
  return blocks.table(title, ("Metric", *header), rows)


def by_class(stage: Stage) -> list[Block]:
  """Metrics of single classes or labels, a table for each split."""
  tables = []
  for split, result in stage.splits.items():
    entries = {
      name: entry
      for name, entry in (result.get("metrics") or {}).items()
      if "[" in name
    }
    stems = list(dict.fromkeys(map(wording.stem, entries)))
    insides = [name.partition("[")[2].removesuffix("]") for name in entries]
    rows = [
      (inside, *(value(entries.get(f"{s}[{inside}]"), "") for s in stems))
      for inside in dict.fromkeys(insides)
    ]
    columns = ("Class or label", *map(stage.title, stems))
    tables.append(blocks.table("By class or label", columns, rows, split=split))
  return tables


def baselines(stage: Stage) -> list[Block]:
  """Rivals on the same examples, and the paired differences."""
  tables = []
  for split, result in stage.splits.items():
    rivals = result.get("baselines") or {}
    rows = [
      (
        stage.title(metric),
        value((result.get("metrics") or {}).get(metric)),
        *(_rival(entry, metric) for entry in rivals.values()),
      )
      for metric in _names(e.get("metrics") or {} for e in rivals.values())
    ]
    columns = ("Metric", "Model", *(f"Baseline {name}" for name in rivals))
    title = "Baselines; Δ is model − baseline on the same examples"
    tables.append(blocks.table(title, columns, rows, split=split))
  return tables


def comparisons(run: Run) -> Markup | None:
  """Stages against each other: every paired difference, and its verdict."""
  rows = []
  for pair in run.comparisons:
    first = run.stages.get(pair["a"])
    described = first.described if first else {}
    rows += [
      (
        f"{pair['a']} − {pair['b']}",
        pair["split"],
        wording.title(metric, described),
        value(entry, signed=True),
        _badge(metric, entry, pair, described),
      )
      for metric, entry in pair["difference"].items()
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


def subgroups(stage: Stage) -> list[Block]:
  """Main metrics by subgroup on every split that has subgroups."""
  tables = []
  for split, result in stage.splits.items():
    levels = {
      f"{group}: {level or 'not recorded'}": counted
      for group, by_level in (result.get("groups") or {}).items()
      for level, counted in by_level.items()
    }
    names = _names(counted["metrics"] for counted in levels.values())
    rows = [
      (
        name,
        counted["n"],
        "not known" if (count := counted.get("patients")) is None else count,
        *(
          value((counted.get("metrics") or {}).get(metric)) for metric in names
        ),
      )
      for name, counted in levels.items()
    ]
    whom = stage.whom.capitalize()
    columns = ("Subgroup", "n", whom, *map(stage.title, names))
    tables.append(blocks.table("Subgroups", columns, rows, split=split))
  return tables


def thresholds(stage: Stage) -> Block:
  """The decision thresholds, which the validation split chose."""
  rows = [
    (stage.title(name), split, cut)
    for split, result in stage.splits.items()
    for name, cut in (result.get("thresholds") or {}).items()
  ]
  return blocks.table(
    "Decision thresholds, chosen on validation",
    ("Decision", "Split", "Threshold"),
    rows,
  )


def glossary(run: Run) -> Markup | None:
  """How to read the metrics that this report shows."""
  rows = {}
  for stage in run.stages.values():
    for result in stage.splits.values():
      for name in map(wording.stem, result.get("metrics") or {}):
        if clause := wording.meaning(name, stage.described):
          rows.setdefault(name, (stage.title(name), clause))
  if not rows:
    return None
  header = ("Metric", "Meaning")
  shown = table(header, rows.values(), numbers_from=9)
  return join((tag("h2", "How to read the metrics"), shown))


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


def _badge(metric: str, entry: Mapping[str, Any], pair, described) -> Markup:
  """The verdict; of a metric to be near a value, how much nearer as well."""
  word = wording.verdict(metric, entry, described)
  words = {"better": f"{pair['a']} better", "worse": f"{pair['b']} better"}
  badge = tag(
    "span", words.get(word, word), class_="shown" if word in words else "open"
  )
  words = wording.distance(metric, entry, described)
  return join((badge, tag("small", words) if words else None))


def _names(tables: Iterable[Mapping[str, Any]]) -> list[str]:
  """Metric names over several tables, in order of first appearance."""
  return list(dict.fromkeys(name for entries in tables for name in entries))


def _size(stage: Stage, result: Mapping[str, Any]) -> str:
  patients = result.get("patients")
  more = "" if patients is None else f", {wording.count(patients, stage.whom)}"
  return f"n = {result.get('n', 0):,}{more}"


def summary_box(run: Run) -> Markup:
  """What was done and found, in sentences."""
  shown = summary.findings(run)
  return tag(
    "section",
    tag("h2", "Summary"),
    tag("p", " ".join(summary.sentences(run))),
    tag("ul", *(tag("li", sentence) for sentence in shown)) if shown else None,
    class_="summary",
  )
