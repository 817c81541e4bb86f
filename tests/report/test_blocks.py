"""What evaluators have to show, on the page and in the terminal."""

import json
import re

import numpy as np
import pytest

from medfm.report import blocks, figures, reading, risks, tables
from medfm.report.curves import Binary
from tests.report.test_html import visible
from tests.report.workdirs import BLOCKS, entry


@pytest.fixture(scope="module")
def page(drawn):
  return (drawn / "report.html").read_text(encoding="utf-8")


def terminal(workdir):
  return tables.text(json.loads((workdir / "results.json").read_text()))


def test_a_table_shows_texts_numbers_and_intervals(page):
  row = (
    r"draw 1\s+2,345\s+0\.654\s+\[0\.604, 0\.704\]\s+"
    r"\+0\.099\s+\[\+0\.049, \+0\.149\]"
  )
  assert re.search(row, visible(page))
  assert "Each prompt alone." in page


def test_a_cell_without_a_value_has_its_reason(page):
  assert re.search(r"n/a\s+one answer only\s+0\.4 to 0\.6", visible(page))


def test_a_table_of_a_split_that_is_not_final_is_folded(page):
  assert re.search(r"<summary>Prompts: validation</summary>", page)
  assert not re.search(r"<summary>Prompts: test</summary>", page)


def test_a_section_is_folded_below_what_it_found(page):
  part = page[page.index("<h3>For a clinical reviewer</h3>") :]
  above, _, below = part.partition("<summary>Net benefit</summary>")
  assert "A gain is shown on test." in above
  assert "A gain is shown on validation." not in part
  assert "<summary>Net benefit: validation</summary>" in below
  assert page.count("+0.031") == 2  # Once for each split, and in no other part.


def test_pairs_are_drawn_and_all_of_them_listed(page, drawn):
  assert re.search(r"height\s+1,235\s+1,23[45]", visible(page))
  assert re.search(r"age\s+0\.515\s+0\.500", visible(page))
  assert (drawn / "figures" / "tuned_100_coefficients.png").exists()


def test_curves_are_drawn_and_their_points_listed(page, drawn):
  row = r"malignant\s+As it is\s+0\.432\s+0\.679"
  assert re.search(row, visible(page))
  figure = "tuned_100_before_and_after_test.png"
  assert (drawn / "figures" / figure).exists()
  assert "Before and after" not in terminal(drawn)


@pytest.mark.parametrize("count", [1, 2])
def test_no_legend_hides_a_curve(count):
  truth = np.arange(60) % 3 == 0
  scores = np.linspace(0, 1, 60)
  asked = [Binary("a tumour of some kind", truth, scores, None)] * count
  (block,) = [block for block in BLOCKS if block["kind"] == "curves"]
  for figure in (
    figures.roc(asked, "ROC", 0.5),
    figures.precision_recall(asked, "Precision-recall", 0.5),
    risks.calibration(asked, "Calibration", "Probability"),
    risks.decision(asked, "Net benefit"),
    risks.lines(block | {"panels": block["panels"] * count}),
  ):
    figure.draw_without_rendering()
    assert not any(axes.get_legend() for axes in figure.axes)
    (legend,) = figure.legends
    box, page = legend.get_window_extent(), figure.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0
    assert all(
      box.y1 <= axes.get_tightbbox().y0
      for axes in figure.axes
      if axes.get_visible()
    )


def test_texts_are_shaded_by_their_values(page):
  assert "Orange tokens speak for the class." in page
  assert "Surest wrong answers" in page
  assert re.search(r'class="for"[^>]*>spicu<', page)


def test_the_terminal_shows_what_is_marked_for_it(study):
  lines = terminal(study).splitlines()
  first = lines.index("tuned_100: Prompts: test")
  assert lines[first + 2].split() == [
    *("draw", "1", "2,345", "0.654", "[0.604,", "0.704]"),
    *("+0.099", "[+0.049,", "+0.149]"),
  ]
  assert "draw 3" not in terminal(study)
  assert "Coefficients" not in terminal(study)


def test_no_line_of_a_wide_block_is_wider_than_100_columns(study):
  results = json.loads((study / "results.json").read_text())
  shown = [b for b in BLOCKS if b.get("terminal") and b["split"] == "test"]
  (block,) = [b for b in shown if b["kind"] == "table"]
  wide = dict(block)
  wide["columns"] = [*block["columns"], *["another column of it"] * 9]
  wide["rows"] = [[*row, *[entry(0.5)] * 9] for row in block["rows"]]
  results["stages"]["tuned_100"]["blocks"] = [wide]
  assert max(map(len, tables.text(results).splitlines())) <= 100


def test_a_kind_that_is_not_known_is_named():
  shown = blocks.markup({"kind": "hologram", "title": "Heart", "split": "test"})
  assert "Heart: test: a block of kind hologram cannot be shown." in shown


def test_a_table_without_rows_leaves_nothing():
  empty = blocks.table("Nothing", ("a",), [], split="validation")
  assert blocks.section([empty], "test") == ""


def test_blocks_are_read_with_their_stage(study):
  run = reading.Run(study)
  assert run.stages["tuned_100"].blocks == BLOCKS
  assert run.stages["tuned_10"].blocks == []
