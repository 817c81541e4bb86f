"""A grid's summary as Markdown and as one self-contained HTML page."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from medfm.grid import cells
from medfm.report import blocks as report_blocks
from medfm.report import html as report
from medfm.report import wording
from medfm.report.markup import Markup, tag
from medfm.report.markup import table as html_table
from medfm.report.plates import Plate


class Heading(NamedTuple):
  text: str


class Paragraph(NamedTuple):
  text: str


class Table(NamedTuple):
  """Cells are text, or (text, address) for a link."""

  header: Sequence[str]
  rows: Sequence[Sequence[Any]]
  numbers_from: int = 1


class Figure(NamedTuple):
  name: str
  caption: str
  png: bytes


class Shown(NamedTuple):
  """A block of a run's evaluators (`report.blocks`), and its figure if any."""

  block: Mapping[str, Any]
  plate: Plate | None


Block = Heading | Paragraph | Table | Figure | Shown


_STYLE = """
figure.wide img { width: auto; max-width: 100%; }
td { overflow-wrap: break-word; }
"""
"""A figure of one panel stays as large as it was drawn; no short word of a
table is broken."""


def blocks(
  facts: Mapping[str, Any], figures: Mapping[str, bytes]
) -> Iterator[Block]:
  """The parts of a summary, from the question to the single runs."""
  metric = facts["metric"]
  title = wording.title(metric, facts["described"]) if metric else ""
  for text in facts["hypothesis"].split("\n\n"):
    if text.startswith("Run:"):
      continue
    yield Paragraph(" ".join(text.split()))
  counts = ", ".join(f"{n} {state}" for state, n in facts["counts"].items())
  yield Paragraph(f"{len(facts['cells'])} runs: {counts}.")
  yield from _best(facts)
  if facts["trials"]:
    caption = (
      f"Validation {title} by trial and by each setting. Hollow: pruned or "
      "not finished, at the best score it had reached."
    )
  else:
    yield from _arms(facts)
    caption = (
      "Scores on the test split (lines, with the standard deviation over "
      "seeds) and on validation (thin)."
    )
    if any(arm["baselines"] for arm in facts["arms"]):
      caption += " Grey: classical models on the same test split."
    if facts["tuned"]:
      caption += " A ring marks the setting chosen by validation."
  for name, png in figures.items():
    yield Figure(name, caption, png)
  yield from _trials(facts, title)
  yield from _comparisons(facts)
  yield from _evaluators(facts)
  yield from _problems(facts)
  yield from _runs(facts)


def spread(runs: Mapping[str, Any]) -> str:
  """`0.912 ± 0.008`, unbroken; the mean alone where there is one run."""
  text = wording.number(runs["mean"])
  return text if runs["sd"] is None else f"{text}\xa0±\xa0{runs['sd']:.3f}"


def _best(facts) -> Iterator[Block]:
  several = len({arm["data"] for arm in facts["best"]}) > 1
  for arm in facts["best"]:
    where = f" on {arm['data']}" if several else ""
    title = wording.title(arm["metric"], facts["described"])
    yield Paragraph(
      f"Best by validation{where}: {arm['name']} (validation {title} "
      f"{spread(arm['validation'])}); its test {title} is "
      f"{spread(arm['test'])}{_sampling(arm['test'])}."
    )


def _sampling(runs: Mapping[str, Any]) -> str:
  if runs["low"] is None or runs["high"] is None:
    return ""
  low, high = wording.number(runs["low"]), wording.number(runs["high"])
  return f" [{low},\xa0{high}]"


def _arms(facts) -> Iterator[Block]:
  if not facts["arms"]:
    return
  others = list(
    dict.fromkeys(k for arm in facts["arms"] for k in arm["others"])
  )
  tuned = bool(facts["tuned"])
  yield Heading("Arms")
  yield Paragraph(
    "Mean ± standard deviation over seeds. In brackets, apart from it, the 95 "
    "% interval that comes from the number of test patients (the average of "
    "the runs' own intervals)."
    + (
      " Settings marked “chosen” are the best by validation of those tried; "
      "the test split chose nothing."
      if tuned
      else ""
    )
    + (
      " A baseline is a classical model on the examples of the arms above it."
      if any(arm["baselines"] for arm in facts["arms"])
      else ""
    )
  )
  header = ["arm", "data", "runs", "metric", "validation", "test"]
  header += ["test 95 % interval"]
  header += [wording.title(name, facts["described"]) for name in others]
  rows = []
  for arm, following in itertools.pairwise([*facts["arms"], None]):
    mark = " (chosen)" if tuned and arm["chosen"] else ""
    title = wording.title(arm["metric"], facts["described"])
    row = [
      arm["name"] + mark,
      arm["data"],
      f"{len(arm['runs'])}\xa0of\xa0{arm['asked']}",
      title,
      spread(arm["validation"]),
      spread(arm["test"]),
      _sampling(arm["test"]).strip(),
    ]
    row += [
      spread(arm["others"][name]) if name in arm["others"] else ""
      for name in others
    ]
    rows.append(row)
    if following and following["baselines"] == arm["baselines"]:
      continue  # Of arms on the same examples, below the last one.
    for name, runs in arm["baselines"].items():
      row = [f"baseline {name}", arm["data"], "", title, "", spread(runs)]
      rows.append([*row, _sampling(runs).strip(), *("" for _ in others)])
  if len({arm["data"] for arm in facts["arms"]}) == 1:
    header, *rows = [[row[0], *row[2:]] for row in (header, *rows)]
  yield Table(header, rows)


def _trials(facts, title) -> Iterator[Block]:
  """A search's trials; only validation chose among them."""
  if not facts["trials"]:
    return
  yield Heading("Trials")
  yield Paragraph(
    "In the order they were drawn in, each by the validation scores before "
    "it; the test split chose nothing. The validation score of the best of "
    "many trials is too good by selection: the test score of the one chosen "
    "is the one to read."
  )
  keys = list(facts["trials"][0]["setting"])
  words = [key.rpartition(".")[2] for key in keys]
  names = [
    word if words.count(word) == 1 else key
    for key, word in zip(keys, words, strict=True)
  ]
  rows = [
    [
      str(trial["trial"]),
      trial["state"],
      *trial["setting"].values(),
      wording.number(trial["validation"]),
    ]
    for trial in facts["trials"]
  ]
  yield Table(["trial", "state", *names, f"validation {title}"], rows, 2)


def _comparisons(facts) -> Iterator[Block]:
  compared = facts["comparisons"]
  if not compared:
    return
  yield Heading("Differences between arms")
  yield Paragraph(
    "Test score of the first minus the second, on the same patients and "
    "averaged over the seeds that both have; interval and p value from a "
    "bootstrap of patients, which leaves out what another set of seeds would "
    "change: for that see the standard deviation over seeds. "
    f"{len(compared)} comparisons were made; p (Holm) is adjusted for that "
    "number, and is the one to read."
  )
  rows = []
  for pair in compared:
    deviation = "" if pair["sd"] is None else f"{pair['sd']:.3f}"
    rows.append(
      [
        f"{pair['a']} − {pair['b']}",
        wording.title(pair["metric"], facts["described"]),
        wording.interval(pair, signed=True),
        deviation,
        str(pair["n"]),
        _p(pair["p"]),
        _p(pair["p_holm"]),
      ]
    )
  header = ["pair", "metric", "difference [95 % interval]", "SD over seeds"]
  yield Table([*header, "seeds", "p", "p (Holm)"], rows)


def _evaluators(facts) -> Iterator[Block]:
  """What evaluators have to show of the best arms, each by its first run."""
  last = None
  for block in facts["blocks"]:
    run = " ".join(filter(None, (block["run"], block["stage"])))
    if run != last:
      yield Heading(f"Evaluators of {run}")
    last = run
    plates = report_blocks.drawings([block], run)
    yield Shown(block, plates.get(block["title"]))


def _p(value: float | None) -> str:
  if value is None:
    return "n/a"
  return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _problems(facts) -> Iterator[Block]:
  rows = [
    [cell["name"], cell["state"], cell["why"]]
    for cell in facts["cells"]
    if cell["state"] != cells.DONE
  ]
  if rows:
    yield Heading("Runs without a result")
    yield Table(["run", "state", "why"], rows, numbers_from=3)


def _runs(facts) -> Iterator[Block]:
  if not facts["runs"]:
    return
  yield Heading("Runs")
  rows = []
  staged = any(run["stage"] for run in facts["runs"])
  for run in facts["runs"]:
    link = (run["cell"], f"{run['cell']}/report.html")
    best = run["best"] or {}
    rows.append(
      [
        link,
        *([run["stage"]] if staged else []),
        run["data"],
        str(best.get("step", run["step"])),
        wording.title(run["metric"], facts["described"]),
        wording.interval(run["validation"]) if run["validation"] else "",
        wording.interval(run["test"]) if run["test"] else "",
      ]
    )
  header = ["run", *(["stage"] if staged else []), "data", "step"]
  header += ["metric", "validation", "test"]
  yield Table(header, rows, numbers_from=2 + staged)


def markdown(parts: Sequence[Block]) -> str:
  """The summary as GitHub shows it."""
  written = []
  for part in parts:
    match part:
      case Heading(text):
        written.append(f"## {text}")
      case Paragraph(text):
        written.append(text)
      case Table(header, rows):
        lines = [header, ["---"] * len(header), *rows]
        written.append("\n".join(_line(cells_) for cells_ in lines))
      case Shown(block):
        written.append(_written(block))
      case Figure(name, caption):
        written.append(f"![{caption}](figures/{name}.png)")
  return "\n\n".join(written) + "\n"


def _written(block: Mapping[str, Any]) -> str:
  """A block as a table with its title and its note."""
  listed = report_blocks.listed(block)
  rows = [[report_blocks.text(cell) for cell in row] for row in listed["rows"]]
  columns = list(map(str, listed["columns"]))
  lines = map(_line, [columns, ["---"] * len(columns), *rows])
  title, note = report_blocks.caption(block), block.get("note")
  return "\n\n".join(filter(None, [f"{title}.", "\n".join(lines), note]))


def _line(row: Sequence[Any]) -> str:
  texts = [
    f"[{cell[0]}]({cell[1]})" if isinstance(cell, tuple) else cell
    for cell in row
  ]
  return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def html(title: str, parts: Sequence[Block]) -> str:
  """The summary as a page that loads nothing from anywhere."""
  shown = [tag("h1", title), *(_markup(part) for part in parts)]
  notice = tag("p", report.NOTICE, class_="notice")
  body = tag("body", tag("main", *shown, notice))
  return report.document(title, body, _STYLE)


def _markup(part: Block) -> Markup:
  match part:
    case Heading(text):
      return tag("h2", text)
    case Paragraph(text):
      return tag("p", text)
    case Table(header, rows, numbers_from):
      linked = [
        [
          tag("a", cell[0], href=cell[1]) if isinstance(cell, tuple) else cell
          for cell in row
        ]
        for row in rows
      ]
      return html_table(header, linked, numbers_from=numbers_from)
    case Shown(block, plate):
      return report_blocks.markup(block, plate) or Markup()
    case Figure(name, caption, png):
      return tag(
        "figure",
        report_blocks.image(png, f"{name}: {caption}"),
        tag("figcaption", caption),
        class_="wide",
      )
