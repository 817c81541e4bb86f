"""The report's results: the scores of each stage, as markup."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medfm.metrics.intervals import methods
from medfm.report import blocks, summary, wording
from medfm.report.blocks import Block, value
from medfm.report.markup import Markup, folded, join, table, tag
from medfm.report.plates import Plate
from medfm.report.reading import Run, Stage


def overview(run: Run) -> Iterator[Markup]:
  """One line per stage, with its main metrics on its final split."""
  rows = []
  for stage in run.stages.values():
    split, metrics = stage.final_split, stage.part(stage.final_split, "metrics")
    state = "finished" if stage.finished else "not finished"
    start = (stage.origin or "fresh") if stage.finished else ""
    size = f"{split}, n = {stage.splits[split]['n']:,}" if split else ""
    shown = [
      tag("div", f"{stage.title(name)} ", value(metrics[name]))
      for name in stage.main(metrics)
    ]
    rows.append((stage.name, state, _labels(stage), start, size, join(*shown)))
  header = ("Stage", "State", "Labels used", "Start", "Split", "Main metrics")
  yield tag("h2", "Stages")
  yield table(header, rows, numbers_from=9)


def _labels(stage: Stage) -> str:
  """The share of labels a stage learnt from, or the number in its prompts."""
  asked = stage.card.get("prompts")
  if asked and not stage.result.get("steps"):
    return f"{len(next(iter(asked['shots'].values())))} a prompt"
  if not stage.supervised:
    return "none"
  share = stage.result.get("label_fraction")
  return f"{100 * share:.3g} %" if share is not None else ""


def stage_results(
  stage: Stage, plates: Sequence[Plate], drawn: Mapping[str, Plate]
) -> Iterator[Markup | None]:
  """Metrics, baselines, subgroups, figures and blocks of one stage.

  The blocks that a terminal shows come first here too.

  drawn: the figures of its blocks (`blocks.drawings`).
  """
  if not stage.finished:
    last = f"last recorded step {stage.last_step:,}"
    yield tag("p", f"Stage {stage.name} is not finished; {last}.")
    yield blocks.figures(plates)
    return
  final, splits = stage.final_split, stage.splits
  first = [block for block in stage.blocks if block.get("terminal")]
  apart = [block for block in stage.blocks if block.get("section")]
  rest = [
    block
    for block in stage.blocks
    if not block.get("terminal") and block not in apart
  ]
  before = [*first, _metrics(stage), *(_by_class(stage, s) for s in splits)]
  if hasattr(stage.figures, "tables"):
    before += stage.figures.tables(stage)
  before += [_baselines(stage, split) for split in splits]
  after = [*(_subgroups(stage, s) for s in splits), _thresholds(stage), *rest]
  yield blocks.section(before, final, drawn)
  yield blocks.figures(plates)
  yield blocks.section(after, final, drawn)
  for name in dict.fromkeys(block["section"] for block in apart):
    of_section = [block for block in apart if block["section"] == name]
    yield _apart(name, of_section, final, drawn)


def _apart(
  name: str,
  shown: Sequence[Block],
  final: str | None,
  drawn: Mapping[str, Plate],
) -> Markup:
  """A part of the page that is folded, with its main findings above it."""
  here = [block for block in shown if block.get("split") in (None, "", final)]
  lines = [tag("li", b["headline"]) for b in here if b.get("headline")]
  titles = list(dict.fromkeys(block["title"] for block in here))
  listed = tag("ul", *lines) if lines else None
  others = [block for block in shown if block not in here]
  tables = blocks.section([*here, *others], final, drawn)
  return join(tag("h3", name), listed, folded("; ".join(titles), tables))


def _metrics(stage: Stage) -> Block:
  """All metrics of whole splits: one row each, one column per split."""
  by_split = [stage.part(split, "metrics") for split in stage.splits]
  names = [name for name in _names(by_split) if "[" not in name]
  first = [name for name in stage.main(dict.fromkeys(names)) if name in names]
  header = []
  for split, result in stage.splits.items():
    size, patients = f"n = {result.get('n', 0):,}", result.get("patients")
    if patients is not None:
      size += f", {wording.count(patients, stage.whom)}"
    header.append(join(split, tag("small", size)))
  rows = [
    (stage.title(name), *(value(metrics.get(name, {})) for metrics in by_split))
    for name in dict.fromkeys([*first, *names])
  ]
  note = methods.sentence(
    entry for metrics in by_split for entry in metrics.values()
  )
  more = {"note": note} if note else {}
  title = "Metrics, with 95 % intervals"
  return blocks.table(title, ("Metric", *header), rows, **more)


def _by_class(stage: Stage, split: str) -> Block:
  """Metrics of single classes or labels."""
  metrics = stage.part(split, "metrics")
  parts = [name.partition("[") for name in metrics if "[" in name]
  stems = list(dict.fromkeys(stem for stem, _, _ in parts))
  rows = [
    (name.removesuffix("]"), *(metrics.get(f"{stem}[{name}") for stem in stems))
    for name in dict.fromkeys(name for _, _, name in parts)
  ]
  columns = ("Class or label", *map(stage.title, stems))
  return blocks.table("By class or label", columns, rows, split=split)


def _baselines(stage: Stage, split: str) -> Block:
  """Rivals on the same examples, with paired differences."""
  rivals = stage.part(split, "baselines")
  rows, note = [], None
  for metric in _names(rival["metrics"] for rival in rivals.values()):
    entries = [rival["metrics"].get(metric) or {} for rival in rivals.values()]
    if all(entry.get("value") is None for entry in entries):
      note = "Metrics for which no baseline has a value are left out."
      continue
    cells = (_rival(rival, metric) for rival in rivals.values())
    rows.append((stage.title(metric), stage.entry(split, metric), *cells))
  columns = ("Metric", "Model", *(f"Baseline {name}" for name in rivals))
  title = "Baselines; Δ is model − baseline on the same examples"
  return blocks.table(title, columns, rows, split=split, note=note)


def comparisons(run: Run) -> Block:
  """Stages against each other: every paired difference, and its verdict."""
  rows = []
  for pair in run.comparisons:
    first = run.stages.get(pair["a"])
    described = first.described if first else {}
    names = f"{pair['a']} − {pair['b']}"
    for metric, entry in pair["difference"].items():
      title = wording.title(metric, described)
      badge = _badge(metric, entry, pair, described)
      signed = entry | {"signed": True}
      rows.append((names, pair["split"], title, signed, badge))
  header = ("Stages", "Split", "Metric", "Difference", "Shown by the interval")
  title = (
    "Paired differences between two trained models on the same examples; 95 % "
    "intervals over the patients, which do not include what another seed would "
    "change and are not corrected for the number of comparisons"
  )
  return blocks.table(title, header, rows)


def _subgroups(stage: Stage, split: str) -> Block:
  """Main metrics by subgroup."""
  levels = stage.levels(split)
  names = _names(counted["metrics"] for counted in levels.values())
  rows = []
  for name, counted in levels.items():
    patients = counted.get("patients")
    patients = "unknown" if patients is None else patients
    cells = (counted["metrics"].get(metric, {}) for metric in names)
    rows.append((name, counted["n"], patients, *cells))
  columns = ("Subgroup", "n", stage.whom.capitalize(), *map(stage.title, names))
  return blocks.table("Subgroups", columns, rows, split=split)


def _thresholds(stage: Stage) -> Block:
  """The decision thresholds, which the validation split chose."""
  rows = [
    (stage.title(name), split, cut)
    for split in stage.splits
    for name, cut in stage.part(split, "thresholds").items()
  ]
  title = "Decision thresholds, chosen on validation"
  return blocks.table(title, ("Decision", "Split", "Threshold"), rows)


def glossary(run: Run) -> Iterator[Markup]:
  """How to read the metrics that this report shows."""
  rows = {}
  for stage in run.stages.values():
    for name in _names(stage.part(split, "metrics") for split in stage.splits):
      stem = wording.stem(name)
      if clause := wording.meaning(stem, stage.described):
        rows.setdefault(stem, (stage.title(stem), clause))
  if rows:
    yield tag("h2", "How to read the metrics")
    yield table(("Metric", "Meaning"), rows.values(), numbers_from=9)


def _rival(rival: Mapping[str, Any], metric: str) -> Markup:
  """A baseline's metric, with the model's paired difference below."""
  shown = value(rival["metrics"].get(metric, {}))
  difference = rival["difference"].get(metric)
  if not difference:
    return shown
  return join(shown, tag("small", "Δ ", value(difference | {"signed": True})))


def _badge(metric: str, entry: Mapping[str, Any], pair, described) -> Markup:
  """The verdict; for a metric to be near a value, also how much nearer."""
  word = wording.verdict(metric, entry, described)
  words = {"better": f"{pair['a']} better", "worse": f"{pair['b']} better"}
  kind = "shown" if word in words else "open"
  badge = tag("span", words.get(word, word), class_=kind)
  nearer = wording.distance(metric, entry, described)
  return join(badge, tag("small", nearer) if nearer else None)


def _names(tables: Iterable[Mapping[str, Any]]) -> list[str]:
  """Metric names over several tables, in order of first appearance."""
  return list(dict.fromkeys(name for entries in tables for name in entries))


def summary_box(run: Run) -> Markup:
  """What was done and what came out, in sentences."""
  shown = [tag("li", sentence) for sentence in summary.findings(run)]
  title, text = tag("h2", "Summary"), " ".join(summary.sentences(run))
  listed = tag("ul", *shown) if shown else None
  return tag("section", title, tag("p", text), listed, class_="summary")
