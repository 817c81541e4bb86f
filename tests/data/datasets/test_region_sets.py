"""Public sets with regions marked in them: counts, splits, a table of files."""

import numpy as np
import pytest

from medfm.data import splits
from medfm.data.datasets import covid_lungs, decathlon, dsb2018
from medfm.types import UserError
from tests import readings

FEW = {"counts": (6, 2, 3)}


@pytest.mark.once
def test_hippocampus_has_two_structures_in_every_volume(shared_folders):
  data = decathlon.hippocampus(shared_folders)
  assert {k: len(v) for k, v in data.splits.items()} == {
    "train": 180, "validation": 30, "test": 50,
  }  # fmt: skip
  assert data.info.target.names == ("anterior", "posterior")
  assert data.info.only.plan.patch == (40, 56, 40)
  test = data.splits["test"]
  for row in range(0, 50, 10):
    assert set(np.unique(test.arrays["regions"][row])) == {0, 1, 2}
    assert (
      test.arrays["image"][row].shape[:3] == test.arrays["regions"][row].shape
    )
  np.testing.assert_allclose(test.arrays["spacing_mm"], 1.0, atol=1e-3)
  assert len(splits.manifest(data)["test"]["sha256"]) == 64


def test_counts_choose_a_part_in_the_same_order(shared_folders):
  few = decathlon.hippocampus(shared_folders, **FEW)
  assert len(few.splits["train"]) == 6
  assert "plan: " in few.card["read"]
  with pytest.raises(UserError, match="leave none for test"):
    decathlon.hippocampus(shared_folders, counts=(250, 10, 50))


@pytest.mark.once
def test_nuclei_are_numbered_objects(shared_folders):
  few = {"train": 6, "validation": 2, "test": 3}
  data = dsb2018.nuclei(shared_folders, **few)
  assert {k: len(v) for k, v in data.splits.items()} == few
  assert data.info.target.instances and data.info.target.pixels
  regions = data.splits["test"].arrays["regions"]
  for row in range(3):
    numbers = np.unique(regions[row])
    assert numbers.tolist() == list(range(len(numbers))) and len(numbers) > 1


@pytest.mark.once
def test_lungs_are_resized_divided_by_patient_and_called_too_few(
  shared_folders,
):
  data = covid_lungs.lungs(shared_folders)
  assert sum(map(len, data.splits.values())) == 20
  owners = [set(split.patients) for split in data.splits.values()]
  assert sum(map(len, owners)) == len(set.union(*owners)) == 14
  for split in data.splits.values():
    for row, extents in enumerate(split.arrays["file_extents"]):
      assert split.arrays["regions"][row].shape == tuple(extents)
      assert max(split.arrays["image"][row].shape) == 256
      share = np.mean(split.arrays["regions"][row] > 0)
      again = data.info.only.regions(split.arrays, row)
      assert 0.1 < share < 0.6 and np.mean(again) == pytest.approx(share, 0.05)
  assert "too few to conclude" in " ".join(data.card["warnings"])


@pytest.mark.parametrize("factory", [decathlon.hippocampus])
def test_a_trained_model_reads_every_row_alike(factory, shared_folders):
  from medfm.evals import cohorts

  data = factory(shared_folders, **FEW)
  again = cohorts.read(
    lambda folders: factory(folders, **FEW), shared_folders, readings.of(data)
  )
  (whole,) = again.splits.values()
  before = splits.together(data.splits)
  rows = {name: row for row, name in enumerate(before.ids)}
  for row, name in enumerate(whole.ids):
    for array in ("image", "regions", "level"):
      np.testing.assert_array_equal(
        whole.arrays[array][row], before.arrays[array][rows[name]]
      )
  assert again.info == data.info
