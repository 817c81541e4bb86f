"""The metrics of segmented structures as a task shows them."""

import numpy as np
import pytest

from medfm.metrics import instances, overlap
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.tasks.regions import scores

NAMES = ("left", "right")
UNITS = {"unit": "mm", "size_unit": "ml", "tolerance": 2.0}


def measured(count=12):
  """Columns of two structures; the first case lacks the second."""
  generator = np.random.default_rng(0)
  columns = {
    name: generator.uniform(0.6, 0.95, (count, 2)) for name in overlap.NAMES
  }
  for name in overlap.PRESENCE:
    columns[name] = np.ones((count, 2))
    columns[name][0, 1] = 0
  for name in (*overlap.OVERLAPS, *overlap.DISTANCES):
    columns[name][0, 1] = np.nan
  return columns


def shown(columns, names=NAMES):
  panel = scores.panel(columns, names, **UNITS)
  sample = Sample(np.arange(len(columns["dice"])), "patients")
  return panel, entries(panel.metrics, sample, means=panel.means)


def test_means_are_over_the_structures():
  columns = measured()
  _, table = shown(columns)
  for key in ("dice", "surface_dice", "hd95"):
    each = np.nanmean(columns[key], 0)
    assert table[key]["value"] == pytest.approx(each.mean())
    assert table[f"{key}[right]"]["value"] == pytest.approx(each[1])
    assert table[key]["low"] < table[key]["value"] < table[key]["high"]


def test_one_structure_has_metrics_of_its_own_name():
  columns = {name: values[:, :1] for name, values in measured().items()}
  panel, table = shown(columns, NAMES[:1])
  assert "dice" in table and not panel.means
  assert not any("[" in name for name in table)


def test_titles_tell_units():
  panel, _ = shown(measured())
  titles = {stem: d.title for stem, d in panel.described.items()}
  assert titles["hd95"] == "HD95 (mm)"
  assert titles["size_bias"] == "Size bias (ml)"
  assert titles["surface_dice"] == "Surface Dice (2 mm)"
  assert titles["dice"] == "Dice"


def test_presence_is_scored_where_some_case_lacks_the_structure():
  _, table = shown(measured())
  assert table["presence_specificity[right]"]["value"] == 1
  assert "presence_specificity[left]" not in table


def test_every_metric_is_described_before_there_are_cases():
  columns = {name: values[:0] for name, values in measured().items()}
  panel = scores.panel(columns, NAMES, **UNITS)
  full, _ = shown(measured())
  assert panel.described == full.described
  assert set(full.metrics) <= set(panel.metrics)


def test_structures_that_are_nowhere_are_left_out_of_a_mean():
  columns = measured()
  columns["dice"][:, 0] = np.nan
  _, table = shown(columns)
  assert table["dice"]["left_out"] == ["left"]
  assert table["dice[left]"]["value"] is None


def test_objects_have_means_of_images_and_shares_of_objects():
  columns = {name: np.full(3, 0.5) for name in instances.NAMES}
  columns |= {"objects_found": np.array([1, 2, 0])}
  columns |= {f"objects_{k}": np.full(3, 2) for k in ("true", "predicted")}
  values = {k: m(None) for k, m in scores.objects(columns).items()}
  assert values["mean_ap"] == values["aggregated_jaccard"] == 0.5
  assert values["object_recall"] == values["object_f1"] == 0.5


def test_columns_of_predictions_are_read_as_they_were_written():
  columns = measured() | {name: np.arange(12.0) for name in instances.NAMES}
  cells = scores.written(columns, NAMES)
  assert cells["dice_right"][0] == ""
  rows = [{name: cells[name][row] for name in cells} for row in range(12)]
  again = scores.read(rows, NAMES)
  assert again.keys() == columns.keys()
  for name, values in columns.items():
    np.testing.assert_allclose(again[name], values, rtol=1e-6)


def test_outcomes_are_counted_by_name():
  made = scores.outcomes(measured(), NAMES)
  assert made["left"]["found"] == 12 and made["left"]["absent"] == 0
  assert made["right"]["found"] == 11 and made["right"]["absent"] == 1


@pytest.mark.parametrize(
  ("axes", "unit", "size"), [(3, "mm", "ml"), (2, "mm", "mm²"), (2, "px", "px")]
)
def test_units_of_sizes(axes, unit, size):
  assert scores.unit_of_size(axes, unit) == size
