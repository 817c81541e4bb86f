"""A grid's summary as Markdown and as one self-contained HTML page."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medfm.data import cards
from medfm.grid import cells
from medfm.report import blocks as report_blocks
from medfm.report import html as report
from medfm.report import wording
from medfm.report.markup import Markup, folded, tag
from medfm.report.markup import table as html_table

Part = tuple[str, Markup]
"""A heading, paragraph, table or figure: as Markdown, and as HTML."""

Facts = Mapping[str, Any]
"""The content of summary.json, or an entry of it."""

_STYLE = """
figure.wide img { width: auto; max-width: 100%; }
td { overflow-wrap: break-word; }
"""
"""A figure of one panel keeps the size it was drawn in; short words in tables
are not broken."""


def pages(facts: Facts, figures: Mapping[str, bytes]) -> tuple[str, str]:
  """The summary in Markdown, and as an HTML page that loads nothing."""
  parts = list(_parts(facts, figures))
  notice = tag("p", report.NOTICE, class_="notice")
  shown = tag("h1", facts["name"]), *(markup for _, markup in parts), notice
  body = tag("body", tag("main", *shown))
  return (
    "\n\n".join(text for text, _ in parts) + "\n",
    report.document(facts["name"], body, _STYLE),
  )


def _parts(facts: Facts, figures: Mapping[str, bytes]) -> Iterator[Part]:
  """The parts of the summary, from the question to the single runs."""
  metric = facts["metric"]
  title = wording.title(metric, facts["described"]) if metric else ""
  for text in facts["hypothesis"].split("\n\n"):
    if not text.startswith("Run:"):
      yield _paragraph(" ".join(text.split()))
  counts = ", ".join(f"{n} {state}" for state, n in facts["counts"].items())
  yield _paragraph(f"{cards.amount(len(facts['cells']), 'run')}: {counts}.")
  yield from _best(facts)
  if not facts["trials"]:
    yield from _arms(facts)
  yield from _figures(facts, figures, title)
  if facts["trials"]:
    yield from _trials(facts, title)
  yield from _comparisons(facts)
  yield from _evaluators(facts)
  lost = [
    [cell["name"], cell["state"], cell["why"]]
    for cell in facts["cells"]
    if cell["state"] != cells.DONE
  ]
  yield from _section(
    "Runs without a result", "", ["run", "state", "why"], lost, numbers_from=3
  )
  yield from _runs(facts)


def _paragraph(text: str) -> Part:
  return text, tag("p", text)


def _section(
  title: str,
  text: str,
  header: Sequence[str],
  rows: Sequence[Sequence[Any]],
  numbers_from: int = 1,
) -> Iterator[Part]:
  """A heading, a paragraph if any, and a table; nothing without rows.

  rows: of texts and of (text, address) for links.
  """
  if not rows:
    return
  yield f"## {title}", tag("h2", title)
  if text:
    yield _paragraph(text)

  def linked(cell: Any) -> Any:
    return cell if isinstance(cell, str) else tag("a", cell[0], href=cell[1])

  shown = [map(linked, row) for row in rows]
  yield _lines(header, rows), html_table(header, shown, "", numbers_from)


def _lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
  """A table in Markdown."""

  def line(row: Sequence[Any]) -> str:
    texts = [c if isinstance(c, str) else f"[{c[0]}]({c[1]})" for c in row]
    return "| " + " | ".join(c.replace("|", "\\|") for c in texts) + " |"

  return "\n".join(map(line, [header, ["---"] * len(header), *rows]))


def _figures(
  facts: Facts, figures: Mapping[str, bytes], title: str
) -> Iterator[Part]:
  if facts["trials"]:
    caption = (
      f"Validation {title} by trial and by each setting. Hollow: pruned or "
      "not finished, at the best score it had reached."
    )
  else:
    caption = (
      "Scores on the test split (lines, with the standard deviation over "
      "seeds) and on validation (thin)."
    )
    if any(arm["baselines"] for arm in facts["arms"]):
      caption += " Grey: classical models on the same test split."
    if facts["tuned"]:
      caption += " A ring marks the setting chosen by validation."
  for name, png in figures.items():
    image = report_blocks.image(png, f"{name}: {caption}")
    markup = tag("figure", image, tag("figcaption", caption), class_="wide")
    yield f"![{caption}](figures/{name}.png)", markup


def _spread(runs: Facts) -> str:
  """`0.912 ± 0.008`, unbroken; for a single run its value alone."""
  text = wording.number(runs["mean"])
  return text if runs["sd"] is None else f"{text}\xa0±\xa0{runs['sd']:.3f}"


def _sampling(runs: Facts) -> str:
  """`[0.880, 0.940]`, unbroken; "" without an interval."""
  if None in (runs["low"], runs["high"]):
    return ""
  low, high = wording.number(runs["low"]), wording.number(runs["high"])
  return f"[{low},\xa0{high}]"


def _best(facts: Facts) -> Iterator[Part]:
  several = len({arm["data"] for arm in facts["best"]}) > 1
  for arm in facts["best"]:
    where = f" on {arm['data']}" if several else ""
    title = wording.title(arm["metric"], facts["described"])
    test = f"{_spread(arm['test'])} {_sampling(arm['test'])}".rstrip(" ")
    yield _paragraph(
      f"Best by validation{where}: {arm['name']} (validation {title} "
      f"{_spread(arm['validation'])}); its test {title} is {test}."
    )


def _arms(facts: Facts) -> Iterator[Part]:
  arms, tuned = facts["arms"], bool(facts["tuned"])
  text = (
    "Mean ± standard deviation over seeds. The interval counts only the test "
    "patients, not the seeds (it is the average of the runs' 95 % intervals)."
  )
  if tuned:
    text += (
      " Settings marked “chosen” are the best of those tried, by validation; "
      "the test split chose nothing."
    )
  if any(arm["baselines"] for arm in arms):
    text += (
      " A baseline is a classical model on the examples of the arms above it."
    )
  others = list(dict.fromkeys(name for arm in arms for name in arm["others"]))
  header = ["arm", "data", "runs", "metric", "validation", "test"]
  header += ["test 95 % interval"]
  header += [wording.title(name, facts["described"]) for name in others]
  rows = []
  for arm, following in itertools.pairwise([*arms, None]):
    name = arm["name"] + (" (chosen)" if tuned and arm["chosen"] else "")
    title = wording.title(arm["metric"], facts["described"])
    count = f"{len(arm['runs'])}\xa0of\xa0{arm['asked']}"
    row = [name, arm["data"], count, title, _spread(arm["validation"])]
    row += [_spread(arm["test"]), _sampling(arm["test"])]
    shown = {name: _spread(runs) for name, runs in arm["others"].items()}
    rows.append(row + [shown.get(name, "") for name in others])
    if following and following["baselines"] == arm["baselines"]:
      continue  # Baselines come below the last arm on the same examples.
    for name, runs in arm["baselines"].items():
      row = [f"baseline {name}", arm["data"], "", title, "", _spread(runs)]
      rows.append([*row, _sampling(runs), *("" for _ in others)])
  if len({arm["data"] for arm in arms}) == 1:
    header, *rows = [[row[0], *row[2:]] for row in (header, *rows)]
  return _section("Arms", text, header, rows)


def _trials(facts: Facts, title: str) -> Iterator[Part]:
  """A search's trials; only validation chose among them."""
  words = {k: k.rpartition(".")[2] for k in facts["trials"][0]["setting"]}
  often = list(words.values())
  names = [w if often.count(w) == 1 else key for key, w in words.items()]
  rows = [
    [
      str(trial["trial"]),
      trial["state"],
      *trial["setting"].values(),
      wording.number(trial["validation"]),
    ]
    for trial in facts["trials"]
  ]
  return _section(
    "Trials",
    "Trials in the order they were drawn, each based on the validation scores "
    "before it; the test split chose nothing. The validation score of the best "
    "of many trials is too good, because it was selected: read the test score "
    "of the chosen trial instead.",
    ["trial", "state", *names, f"validation {title}"],
    rows,
    numbers_from=2,
  )


def _comparisons(facts: Facts) -> Iterator[Part]:
  compared = facts["comparisons"]

  rows = [
    [
      f"{pair['a']} − {pair['b']}",
      wording.title(pair["metric"], facts["described"]),
      wording.interval(pair, signed=True),
      "" if pair["sd"] is None else f"{pair['sd']:.3f}",
      str(pair["n"]),
      _p(pair["p"], pair["at_most"]),
      _p(pair["p_holm"], pair["at_most"]),
    ]
    for pair in compared
  ]
  header = ["pair", "metric", "difference [95 % interval]", "SD over seeds"]
  text = (
    "Test score of the first minus the second, on the same patients and "
    "averaged over the seeds that both have. Interval and p value count both "
    "the choice of patients and the choice of seeds (Student's t with one "
    "degree of freedom less than there are seeds); the standard deviation is "
    "that of the paired differences over seeds. "
  )
  if any(pair["n"] == 1 for pair in compared):
    text += (
      "With a single seed, two trained models are compared: interval and p "
      "value count the patients alone (a bootstrap) and say nothing about what "
      "the two methods would give with another seed. "
    )
  text += (
    f"{len(compared)} comparisons were made; read p (Holm), which is adjusted "
    "for that number."
  )
  return _section(
    "Differences between arms",
    text,
    [*header, "seeds", "p", "p (Holm)"],
    rows,
  )


def _p(value: float | None, at_most: bool) -> str:
  """`0.031`, or `≤ 0.002` if no draw of a bootstrap was beyond zero."""
  if value is None:
    return "n/a"
  if at_most and value < 1:
    return f"≤\xa0{max(value, 0.001):.3f}"
  return f"{value:.3f}" if value >= 0.001 else "<\xa00.001"


def _evaluators(facts: Facts) -> Iterator[Part]:
  """The blocks of evaluators for the best arms, each from its first run."""
  by_run = itertools.groupby(
    facts["blocks"], lambda block: f"{block['run']} {block['stage']}".rstrip()
  )
  for run, shown in by_run:
    title = f"Evaluators of {run}"
    yield f"## {title}", tag("h2", title)
    for block in shown:
      plate = next(iter(report_blocks.drawings([block], run).values()), None)
      listed = report_blocks.listed(block)
      rows = [map(report_blocks.text, row) for row in listed["rows"]]
      table = _lines(list(map(str, listed["columns"])), rows)
      texts = [f"{report_blocks.caption(block)}.", table, block.get("note")]
      markup = report_blocks.markup(block, plate) or Markup()
      if section := block.get("section"):  # Shown in full only on the page.
        texts = [f"{texts[0]} {section}: see the page or the run's report."]
        markup = folded(report_blocks.caption(block), markup)
      yield "\n\n".join(filter(None, texts)), markup


def _runs(facts: Facts) -> Iterator[Part]:
  stage = ["stage"] if any(run["stage"] for run in facts["runs"]) else []
  rows = [
    [
      (run["cell"], f"{run['cell']}/report.html"),
      *(run[key] for key in stage),
      run["data"],
      str((run["best"] or {}).get("step", run["step"])),
      wording.title(run["metric"], facts["described"]),
      *(
        wording.interval(run[split]) if run[split] else ""
        for split in ("validation", "test")
      ),
    ]
    for run in facts["runs"]
  ]
  header = ["run", *stage, "data", "step", "metric", "validation", "test"]
  return _section("Runs", "", header, rows, numbers_from=2 + len(stage))
