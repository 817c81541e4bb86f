"""Your own volumes with labels: classes, slices, and what is refused."""

import csv

import numpy as np
import pytest

from medfm import predict
from medfm.types import Folders, UserError
from tests.cohorts import checks
from tests.running import check_workdir, run

nibabel = pytest.importorskip("nibabel")


@pytest.fixture(scope="module")
def folders(shared_cache):
  return Folders(None, str(shared_cache))


def _scans(folder, count=24):
  """Volumes of different sizes; those of the class high are bright inside."""
  generator = np.random.default_rng(0)
  for k in range(count):
    kind = ("high", "low")[k % 2]
    (folder / kind).mkdir(parents=True, exist_ok=True)
    values = generator.normal(0, 1, (9 + k % 3, 10, 8)).astype(np.float32)
    values[3:6, 3:6, 2:6] += 4 * (kind == "high")
    image = nibabel.Nifti1Image(values, np.diag([2, 2, 3, 1.0]))
    nibabel.save(image, folder / kind / f"s{k}.nii.gz")
  return folder


def _table(folder):
  """The same volumes in a table, with patients and their age."""
  path = folder / "scans.csv"
  with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["volume", "age", "who", "site"])
    names = sorted(p.relative_to(folder) for p in folder.rglob("*.nii.gz"))
    for k, name in enumerate(names):
      writer.writerow([name.as_posix(), 40 + k, f"P{k // 2}", "AB"[k % 2]])
  return path


@pytest.mark.once
def test_a_folder_of_classes_is_learnt_and_predicted_as_evaluated(
  tmp_path, folders
):
  data, place = _scans(tmp_path / "scans"), tmp_path / "run"
  results = run(
    "own_volumes.py:multiclass,tiny", place, folders, f"data.path={data}"
  )
  check_workdir(place, results)
  card = results["stages"]["train"]["data"]["card"]
  assert "resized to 8 x 8 x 8 without keeping their spacing" in card["read"]
  _, rows = checks.judged(
    place, folders, "own_volumes.py:multiclass", f"data.path={data}"
  )
  out = predict.predict(place, None, str(data), str(tmp_path / "p.csv"))
  new = {row["id"]: row for row in csv.DictReader(out.open())}
  assert len(rows) == len(new) == 24
  for row in rows:
    shown = {k: v for k, v in row.items() if k.startswith("prob")}
    assert shown == {k: new[row["id"]][k] for k in shown}


@pytest.mark.slow
def test_a_transformer_is_pretrained_on_volumes_and_fine_tuned(
  tmp_path, folders
):
  data = _scans(tmp_path / "scans")
  results = run(
    "own_volumes.py:mae,tiny", tmp_path / "mae", folders, f"data.path={data}"
  )
  check_workdir(tmp_path / "mae", results)
  tuned = run(
    "own_volumes.py:multiclass,vit,tiny",
    tmp_path / "tuned",
    folders,
    f"data.path={data}",
    f"start.weights={tmp_path / 'mae'}",
  )
  began = tuned["stages"]["train"]["init"]
  assert str(tmp_path / "mae") in began["from"]


@pytest.mark.slow
@pytest.mark.parametrize(
  "model", ["vit", pytest.param("resnet", marks=pytest.mark.drill)]
)
def test_numbers_are_learnt_from_a_table_of_slices(tmp_path, folders, model):
  path = _table(_scans(tmp_path / "scans"))
  results = run(
    f"own_volumes.py:regression,{model},tiny",
    tmp_path / "run",
    folders,
    f"data.path={path}",
    "data.label=age",
    "data.patient=who",
    "data.groups=site",
    "data.slices=true",
  )
  test = results["stages"]["train"]["splits"]["test"]
  assert test["patients"] and set(test["groups"]) == {"site"}
  assert test["metrics"]["rmse"]["value"] > 0


@pytest.mark.parametrize(
  ("settings", "words"),
  [
    (["data.shape=8,8"], "expected three extents"),
    (["data.label=lost"], "lost"),
    (["data.label=age", "data.patient=lost"], "no column 'lost'"),
  ],
)
def test_settings_that_do_not_fit_are_refused(
  tmp_path, folders, settings, words
):
  path = _table(_scans(tmp_path / "scans", 4))
  with pytest.raises(UserError, match=words):
    run(
      "own_volumes.py:regression,tiny",
      tmp_path / "run",
      folders,
      f"data.path={path}",
      *settings,
    )


def test_a_volume_that_is_missing_is_named_by_its_row(tmp_path, folders):
  path = _table(_scans(tmp_path / "scans", 4))
  (tmp_path / "scans" / "high" / "s0.nii.gz").unlink()
  with pytest.raises(UserError, match=r"row 2.*no such file"):
    run(
      "own_volumes.py:regression,tiny",
      tmp_path / "run",
      folders,
      f"data.path={path}",
      "data.label=age",
    )
