"""Writes a run's report: figures/*.png and one self-contained report.html."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from medfm.data import cards
from medfm.report import blocks, papers, plates, sections, style, summary
from medfm.report.markup import Markup, folded, tag
from medfm.report.plates import Plate
from medfm.report.reading import Run

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
NOTICE = (
  "Research software. Not for clinical use: no result here has been approved "
  "for diagnosis or for decisions about patients."
)


def write(workdir: Path | str, home: Path | str | None = None) -> Path:
  """Writes `workdir`/figures/*.png and `workdir`/report.html.

  home: for an evaluation, the workdir of the run (`reading.Run`).

  The page holds its figures and its style and loads nothing from anywhere.
  An unfinished run is reported as far as it has come. Returns the page's path.
  Errors are those of `reading.Run`.
  """
  run = Run(workdir, home)
  folder = run.workdir / "figures"
  folder.mkdir(exist_ok=True)
  stages = run.stages.values()
  figures = {stage.name: list(plates.stage_plates(stage)) for stage in stages}
  drawn = {s.name: blocks.drawings(s.blocks, s.name) for s in stages}
  comparing = list(plates.study_plates(run))
  every = [*figures.values(), *(each.values() for each in drawn.values())]
  for plate in itertools.chain(comparing, *every):
    (folder / f"{plate.name}.png").write_bytes(plate.png)
  main = tag("main", *_body(run, figures, drawn, comparing))
  body = tag("body", main, tag("footer", NOTICE))
  path = run.workdir / "report.html"
  partial = path.with_name(".report.html.partial")
  page = document(f"{run.name} · MedFM report", body)
  partial.write_text(page, encoding="utf-8")
  partial.replace(path)
  return path


def document(title: str, body: Markup, style: str = "") -> str:
  """A page that loads nothing from anywhere; style: CSS beside `STYLE`."""
  head = tag(
    "head",
    tag("meta", charset="utf-8"),
    tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
    tag("meta", name="viewport", content="width=device-width"),
    tag("title", title),
    tag("style", Markup(STYLE + style)),
  )
  return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _body(
  run: Run,
  figures: Mapping[str, list[Plate]],
  drawn: Mapping[str, Mapping[str, Plate]],
  comparing: list[Plate],
) -> Iterator[Markup | None]:
  """The page's parts from the top down.

  figures: of each stage. drawn: the figures of its blocks, by title.
  comparing: the figures that compare stages and baselines.
  """
  stages = run.stages.values()
  yield tag("h1", run.name)
  if question := summary.question(run):
    yield tag("p", question, class_="question")
  notices = [NOTICE]
  if any(stage.finished and summary.synthetic(stage) for stage in stages):
    notices.append("This run used synthetic data.")
  yield from (tag("p", notice, class_="notice") for notice in notices)
  yield papers.facts(run)
  yield sections.summary_box(run)
  for note in run.evaluation.get("notes", ()):
    yield tag("p", f"{note[:1].upper()}{note[1:]}.", class_="notice")
  warnings = (stage.card.get(cards.WARNINGS, ()) for stage in stages)
  for text in dict.fromkeys(itertools.chain(*warnings)):
    yield tag("p", f"Warning: {text}.", class_="notice")
  for problem in run.problems:
    yield tag("p", f"Not read: {problem}.", class_="notice")
  if len(stages) > 1:
    yield from sections.overview(run)
  if comparing or run.comparisons:
    yield tag("h2", "Comparisons")
  yield blocks.figures(comparing)
  yield blocks.markup(sections.comparisons(run))
  about = summary.headline(run)
  for stage in stages:
    content = sections.stage_results(
      stage, figures[stage.name], drawn[stage.name]
    )
    title = f"Results of {stage.name}" if len(stages) > 1 else "Results"
    if len(stages) == 1 or stage is about:
      yield tag("h2", title)
      yield from content
    else:  # Folded if the run is about another stage.
      yield folded(title, *content, class_="stage")
  yield from papers.data_cards(run)
  yield from papers.training(run)
  yield from papers.reproduction(run)
  yield from sections.glossary(run)


STYLE = f"""
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
body {{
  margin: 0; background: #fff; color: #1a1a1a;
  font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}}
main, footer {{ max-width: 1080px; margin: 0 auto; padding: 0 24px; }}
h1 {{ font-size: 27px; line-height: 1.2; margin: 32px 0 4px; }}
h2 {{
  font-size: 20px; margin: 36px 0 10px; padding-bottom: 4px;
  border-bottom: 2px solid {style.BLUE};
}}
h3 {{ font-size: 16px; margin: 22px 0 8px; }}
h1, h2, h3, dd, td, figcaption, p {{ overflow-wrap: anywhere; }}
th {{ overflow-wrap: break-word; }}
.question {{ font-size: 17px; margin: 0 0 14px; color: #444; }}
.notice {{
  border-left: 4px solid {style.RED}; background: #fdf3ec;
  margin: 10px 0; padding: 6px 12px;
}}
.summary {{
  border: 1px solid #c5d5e2; border-left: 4px solid {style.BLUE};
  background: #f5f9fc; padding: 2px 18px 6px; margin: 18px 0;
}}
.summary h2 {{ border: 0; margin: 10px 0 0; font-size: 17px; }}
dl {{
  display: grid; grid-template-columns: max-content 1fr;
  gap: 3px 18px; margin: 10px 0;
}}
dt {{ color: #5a5a5a; }}
dd {{ margin: 0; }}
.scroll {{ overflow-x: auto; margin: 14px 0; }}
table {{ border-collapse: collapse; font-size: 14px; min-width: 45%; }}
caption {{ text-align: left; font-weight: 600; padding: 4px 0; }}
th, td {{
  text-align: left; vertical-align: top; padding: 4px 14px 4px 4px;
  border-bottom: 1px solid #e2e2e2;
}}
thead th {{ border-bottom: 1.5px solid #1a1a1a; vertical-align: bottom; }}
tbody th {{ font-weight: 400; }}
.number {{ text-align: right; padding: 4px 4px 4px 18px; }}
td.number {{ font-variant-numeric: tabular-nums; }}
.value {{ white-space: nowrap; }}
small {{ display: block; color: #5a5a5a; font-weight: 400; font-size: 12px; }}
.shown {{ font-weight: 600; }}
.open {{ color: #5a5a5a; }}
.figures {{
  display: grid; grid-template-columns: 1fr 1fr; gap: 18px 24px;
  margin: 18px 0;
}}
figure {{ margin: 0; break-inside: avoid; }}
figure.wide {{ grid-column: 1 / -1; }}
img {{ width: 100%; height: auto; }}
figcaption {{ font-size: 13px; color: #444; }}
details {{ margin: 12px 0; }}
summary {{ cursor: pointer; color: {style.BLUE}; }}
summary.stage {{ font-size: 17px; font-weight: 600; }}
pre {{
  background: #f4f4f4; padding: 10px 14px; white-space: pre-wrap;
  overflow-wrap: anywhere;
}}
code, pre {{ font-family: ui-monospace, "DejaVu Sans Mono", monospace; }}
code {{ font-size: 12px; }}
.text {{ line-height: 1.9; margin: 4px 0; overflow-wrap: anywhere; }}
.text span {{ border-radius: 3px; padding: 1px 0; }}
.text .for {{ background: rgb(230 159 0 / var(--a)); }}
.text .against {{ background: rgb(0 114 178 / var(--a)); }}
.text .asked {{ outline: 1.5px solid #1a1a1a; }}
.example {{
  border-left: 3px solid #c5d5e2; padding-left: 12px; margin: 14px 0;
}}
footer {{
  margin: 40px auto 32px; padding-top: 10px; font-size: 13px; color: #5a5a5a;
}}
@media (max-width: 720px) {{ .figures {{ grid-template-columns: 1fr; }} }}
@media print {{
  body {{ font-size: 10.5pt; }}
  main, footer {{ max-width: none; padding: 0; }}
  h2, h3, summary {{ break-after: avoid; }}
  tr {{ break-inside: avoid; }}
  .scroll {{ overflow: visible; }}
  .value {{ white-space: normal; }}
  details::details-content {{ content-visibility: visible; height: auto; }}
  .notice, .summary {{ background: none; }}
}}
"""
