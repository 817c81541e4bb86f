"""The intervals of a run hold the true value as often as they say."""

import json
import sys

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import QUICK, Cell, Row

pytestmark = pytest.mark.once

REPEATS = 150


@pytest.mark.parametrize("metric", coverage.METRICS)
def test_intervals_cover(metric):
  rows = [coverage.measured(metric, cell, repeats=REPEATS) for cell in QUICK]
  covered = [row.coverage * row.shown for row in rows]
  shown = [row.shown for row in rows]
  assert sum(covered) / sum(shown) >= coverage.BAR
  assert min(shown) > 0.9


@pytest.mark.parametrize("metric", ["auroc", "accuracy", "sensitivity"])
def test_the_percentile_bootstrap_did_not(metric):
  row = coverage.measured(metric, QUICK[0], repeats=40, before=True)
  assert row.coverage < 0.9


@pytest.mark.parametrize("metric", coverage.METRICS)
def test_a_large_sample_has_the_true_value(metric):
  cell = Cell(20_000, 1, 0.0, 0.3, 0.9)
  drawn = coverage.METRICS[metric](cell, np.random.default_rng(0))
  assert drawn.metric(weight=None) == pytest.approx(drawn.truth, abs=0.01)


def test_clusters_have_the_sizes_of_the_cell():
  generator = np.random.default_rng(0)
  sizes = np.bincount(coverage.clusters(Cell(60, 5, 0, 0.3, 0.9), generator))
  assert (sizes == 5).all()
  mixed = np.bincount(coverage.clusters(Cell(400, 0, 0, 0.3, 0.9), generator))
  assert mixed.sum() == 400 and mixed.max() <= 20 and mixed.min() >= 1


def test_the_summary_counts_what_is_below_the_bar():
  cell = Cell(60, 1, 0.0, 0.3, 0.9)
  rows = [
    Row("auroc", cell, 60, 10, 1.0, 0.9, 0.1),
    Row("auroc", cell, 60, 10, 1.0, 0.96, 0.2),
    Row("auroc", cell, 60, 10, 0.1, 0.5, 0.2),
    Row("auroc", cell, 3, 10, 0.0, None, None, "few"),
  ]
  line = coverage.summary(rows).splitlines()[2]
  assert line == "| auroc | 60 | 2 of 4 | 0.900 | 0.930 | 1 | 0.53 | 0.150 |"


def test_the_command_writes_its_table(tmp_path, monkeypatch):
  words = ["--quick", "--only=accuracy", "--repeats=5", f"--out={tmp_path}"]
  monkeypatch.setattr(sys, "argv", ["coverage", *words])
  coverage.main()
  table = json.loads((tmp_path / "coverage.json").read_text())
  assert [row["cell"]["n"] for row in table] == [60, 150]
  assert "| accuracy | 60 |" in (tmp_path / "coverage.md").read_text()
