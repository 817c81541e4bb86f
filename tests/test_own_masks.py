"""Your own pictures and volumes with masks: trained on, and predicted for."""

import csv
import pathlib

import numpy as np
import PIL.Image
import pytest

from medfm import predict
from medfm.data.volumes import own_masks
from medfm.types import Folders, UserError
from tests.cohorts import checks
from tests.running import check_workdir, run

nibabel = pytest.importorskip("nibabel")


@pytest.fixture(scope="module")
def folders(tmp_path_factory, shared_cache):
  return Folders(None, str(shared_cache))


def _pictures(folder, count=12, shape=(40, 52), masks=True):
  """Bright squares on noise, of different sizes."""
  generator = np.random.default_rng(0)
  for name in ("i", "m"):
    (folder / name).mkdir(parents=True, exist_ok=True)
  for k in range(count):
    height, width = shape[0] + k % 3, shape[1] - k % 2
    values = generator.integers(0, 60, (height, width)).astype(np.uint8)
    marked = np.zeros((height, width), np.uint8)
    top, left = generator.integers(2, 20, 2)
    values[top : top + 12, left : left + 14] += 150
    marked[top : top + 12, left : left + 14] = 255
    PIL.Image.fromarray(values).save(folder / "i" / f"p{k}.png")
    if masks:
      PIL.Image.fromarray(marked).save(folder / "m" / f"p{k}_mask.png")
  return folder


def _volumes(folder, count=9, uneven=False):
  """Bright boxes in volumes whose axes run to the left and the back."""
  generator = np.random.default_rng(1)
  with (folder / "pairs.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["scan", "mask", "patient"])
    for k in range(count):
      shape = (18 + k % 2, 17, 20)
      values = generator.normal(100, 10, shape).astype(np.float32)
      marked = np.zeros(shape, np.uint8)
      corner = generator.integers(2, 6, 3)
      box = tuple(slice(c, c + 8) for c in corner)
      values[box] += 100
      marked[box] = 1
      affine = np.diag([-2.0, -2.0, 3.0 + uneven * (k % 3), 1.0])
      affine[:3, 3] = 5, 6, -7
      for name, array in (("v", values), ("m", marked)):
        nibabel.save(
          nibabel.Nifti1Image(array, affine), folder / f"{name}{k}.nii.gz"
        )
      writer.writerow([f"v{k}.nii.gz", f"m{k}.nii.gz", f"P{k // 2}"])
  return folder


@pytest.mark.slow
def test_pictures_are_learnt_from_and_marked(tmp_path, folders, capsys):
  data = _pictures(tmp_path / "data")
  given = [f"--config.data.images={data}/i", f"--config.data.masks={data}/m"]
  given += ["--config.data.side=36"]  # Of 40 or more.
  results = run(
    "own_masks.py:tiny",
    tmp_path / "run",
    folders,
    *(each.replace("--config.", "") for each in given),
  )
  check_workdir(tmp_path / "run", results)
  said = capsys.readouterr().out
  assert "of 36 pixels on their longer side; plan: patch 32 x 32" in said
  scored = results["stages"]["train"]["splits"]["test"]
  assert {"dice", "iou", "hd95"} <= scored["metrics"].keys()
  # A threshold finds squares that are brighter than all else.
  assert scored["baselines"]["otsu"]["metrics"]["dice"]["value"] > 0.9
  new = _pictures(tmp_path / "new", 3, (50, 45), masks=False) / "i"
  path = predict.predict(tmp_path / "run", None, str(new), None)
  rows = list(csv.DictReader(path.open()))
  assert [row["id"] for row in rows] == ["p0.png", "p1.png", "p2.png"]
  for row in rows:
    mask = np.asarray(PIL.Image.open(path.with_suffix("") / row["id"]))
    image = np.asarray(PIL.Image.open(new / row["id"]))
    assert mask.shape == image.shape and set(np.unique(mask)) <= {0, 1}
    (size,) = [v for k, v in row.items() if k.startswith("predicted_size")]
    assert float(size) == mask.sum()


def test_volumes_are_learnt_from_marked_and_evaluated_elsewhere(
  tmp_path, folders
):
  (tmp_path / "data").mkdir()
  data = _volumes(tmp_path / "data", uneven=True)  # Resampled to 2, 2, 4 mm.
  place = tmp_path / "run"
  columns = ("data.image=scan", "data.mask=mask", "data.patient=patient")
  results = run(
    "own_volumes.py:tiny",
    place,
    folders,
    f"data.path={data}/pairs.csv",
    *columns,
    "evaluators.baselines.names=()",
  )
  stage = results["stages"]["train"]
  card = stage["data"]["card"]
  assert {"what": "axes LPS turned to RAS", "count": 9} in card["changes"]
  assert stage["splits"]["test"]["patients"] is not None
  assert stage["splits"]["test"]["metrics"]["hd95"]["value"] is not None
  # The training volumes are the user's own: none is shown.
  assert "montage" not in (place / "report.html").read_text()
  told = str(tmp_path / "mine")  # A table without a suffix.
  again = predict.predict(place, None, str(data / "v0.nii.gz"), told)
  assert (tmp_path / "mine-files" / "v0.nii.gz").exists() and again.is_file()
  path = predict.predict(place, None, str(data / "v0.nii.gz"), None)
  written = nibabel.load(path.with_suffix("") / "v0.nii.gz")
  original = nibabel.load(data / "v0.nii.gz")
  assert written.shape == original.shape
  np.testing.assert_allclose(written.affine, original.affine, atol=1e-6)
  (row,) = csv.DictReader(path.open())
  marked = np.asarray(written.dataobj).sum() * 12 / 1000  # 2 x 2 x 3 mm, ml
  (size,) = [v for k, v in row.items() if k.startswith("predicted_size")]
  assert float(size) == pytest.approx(marked)
  # Another cohort: every row is read and marked as predict marks it.
  cohort, rows = checks.judged(
    place, folders, "own_volumes.py", f"data.path={data}/pairs.csv", *columns
  )
  assert [entry["n"] for entry in cohort["splits"].values()] == [9]
  (same,) = [each for each in rows if each["id"] == "v0.nii.gz"]
  key = next(k for k in row if k.startswith("predicted_size"))
  assert same[key] == row[key]
  # The score is that of the written file beside the mask as it was drawn.
  drawn = np.asarray(nibabel.load(data / "m0.nii.gz").dataobj) > 0
  found = np.asarray(written.dataobj) > 0
  dice = 2 * (drawn & found).sum() / (drawn.sum() + found.sum())
  assert float(same["dice_mask"]) == pytest.approx(dice, abs=1e-6)


@pytest.mark.once
def test_new_volumes_are_brought_to_the_one_spacing_of_training(
  tmp_path, folders
):
  data = _volumes(tmp_path)
  settings = {"image": "scan", "mask": "mask", "patch": (16, 16, 8)}
  made = own_masks.own_masks(
    folders, path=str(data / "pairs.csv"), axes=3, **settings
  )
  assert made.info.only.spacing_mm == (2, 2, 3)
  assert "file_extents" not in made.splits["train"].arrays
  fine = nibabel.Nifti1Image(
    np.zeros((16, 18, 20), np.float32), np.diag([1.0, 1.0, 3.0, 1.0])
  )
  nibabel.save(fine, tmp_path / "fine.nii.gz")
  split = made.encode(str(tmp_path / "fine.nii.gz"))
  assert split.arrays["image"][0].shape == (8, 9, 20, 1)
  assert split.arrays["file_extents"].tolist() == [[16, 18, 20]]


@pytest.mark.once
@pytest.mark.parametrize("resampled", [True, False])
def test_volumes_of_different_spacing_are_resampled_or_told(
  tmp_path, folders, resampled
):
  data = _volumes(tmp_path, uneven=True)
  settings = {"image": "scan", "mask": "mask", "patch": (16, 16, 8)}
  made = own_masks.own_masks(
    folders,
    path=str(data / "pairs.csv"),
    axes=3,
    resampled=resampled,
    **settings,
  )
  said = " ".join(made.card.get("warnings", []))
  spacings = np.asarray(made.splits["train"].arrays["spacing_mm"])
  if resampled:
    assert not said and np.ptp(spacings, 0).max() == 0
    assert made.info.only.spacing_mm == tuple(spacings[0])
    # The median of the training volumes alone.
    planes = [3 + int(name[1]) % 3 for name in made.splits["train"].ids]
    median = f"{np.median(planes):g}"
    assert f"plan: spacing 2 x 2 x {median} mm" in made.card["read"]
  else:
    assert "leave out --config.data.resampled" in said
    assert np.ptp(spacings, 0)[2] > 0


@pytest.mark.parametrize(
  ("given", "words"),
  [
    (["data.images=i"], "Give --config.data.images= and"),
    (["data.path=."], "holds no imagesTr"),
    (["data.images=i", "data.masks=m", "data.style=x"], "style='x'"),
    (
      [
        "data.images=i",
        "data.masks=m",
        "data.structures=a,b",
        "data.style=objects",
      ],
      "all of one kind",
    ),
    (
      ["data.images=i", "data.masks=m", "data.values=1,2"],
      "expected one for each",
    ),
    (["data.images=i", "data.masks=m", "data.spacing_mm=1,1,1"], "for volumes"),
  ],
)
def test_settings_that_do_not_fit_are_refused(
  tmp_path, folders, given, words, monkeypatch
):
  monkeypatch.chdir(_pictures(tmp_path, 2))
  with pytest.raises(UserError, match=words):
    run("own_masks.py:tiny", tmp_path / "run", folders, *given)
  assert not pathlib.Path("run").exists()
