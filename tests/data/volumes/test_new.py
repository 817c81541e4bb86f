"""New images are read as in training; their masks go back to their grids."""

import dataclasses

import numpy as np
import PIL.Image
import pytest

from medfm.data.volumes import new
from medfm.data.volumes.style import Style
from medfm.tasks.regions import measured
from medfm.types import UserError
from tests.data.volumes import made
from tests.objectives import marked

pytestmark = pytest.mark.once

VOLUMES = Style()._asdict()


def _marked(split):
  """Marks what is above the middle value of each volume."""
  masks = np.empty(len(split), object)
  for row in range(len(split)):
    image = np.asarray(split.arrays["image"][row])[..., 0]
    masks[row] = measured.packed((image > np.median(image)).astype(np.uint8))
  return {"mask": masks}


def test_volumes_of_a_folder_are_written_in_their_own_grids(tmp_path):
  import nibabel

  folder = tmp_path / "new"
  folder.mkdir()
  values = {axes: made.values((4, 3, 2)) for axes in ("RAS", "LPS", "SAR")}
  for axes, array in values.items():
    made.nifti(folder / f"{axes}.nii.gz", array, made.affine(axes))
  split = new.encoded(str(folder), marked.info(), style=VOLUMES)
  assert sorted(split.ids) == ["LPS.nii.gz", "RAS.nii.gz", "SAR.nii.gz"]
  out = tmp_path / "out"
  out.mkdir()
  assert split.write(_marked(split), out) == 3
  for axes, array in values.items():
    back = nibabel.load(out / f"{axes}.nii.gz")
    np.testing.assert_allclose(back.affine, made.affine(axes), atol=1e-5)
    np.testing.assert_array_equal(
      np.asarray(back.dataobj), array > np.median(array)
    )


def test_resampled_volumes_are_brought_back(tmp_path):
  import nibabel

  values = np.zeros((8, 8, 6), np.float32)
  values[2:6, 2:6, 1:4] = 9
  at = made.affine("LPS", spacing_mm=(2, 2, 2))
  path = made.nifti(tmp_path / "v.nii.gz", values, at)
  style = Style(spacing_mm=(1.0, 1.0, 1.0))._asdict()
  info = marked.info()
  described = info.only.__class__(axes=3, spacing_mm=(1.0, 1.0, 1.0))
  info = info.__class__(info.name, {"image": described}, info.target)
  split = new.encoded(str(path), info, style=style)
  assert split.arrays["image"][0].shape == (16, 16, 12, 1)
  masks = np.empty(1, object)
  masks[0] = measured.packed(
    (np.asarray(split.arrays["image"][0])[..., 0] > 4.5).astype(np.uint8)
  )
  assert split.write({"mask": masks}, tmp_path) == 1
  back = nibabel.load(tmp_path / "v.nii.gz")
  assert back.shape == values.shape
  np.testing.assert_array_equal(np.asarray(back.dataobj), values > 0)


def test_each_folder_of_slices_is_a_volume_and_may_become_a_segmentation(
  tmp_path,
):
  pydicom = pytest.importorskip("pydicom")
  pytest.importorskip("highdicom")
  folder = tmp_path / "new"
  planes = np.arange(24).reshape(3, 2, 4).astype(np.int16)
  for name in ("a", "b"):
    (folder / name).mkdir(parents=True)
    made.series(folder / name, planes)
  split = new.encoded(str(folder), marked.info(), style=VOLUMES, seg=True)
  assert split.ids.tolist() == ["a", "b"]
  out = tmp_path / "out"
  out.mkdir()
  assert split.write(_marked(split), out) == 4
  assert {path.stem for path in out.glob("*.dcm")} == {"a", "b"}
  dataset = pydicom.dcmread(out / "a.dcm")
  assert dataset.Modality == "SEG"
  labels = [item.SegmentLabel for item in dataset.SegmentSequence]
  assert labels == list(marked.info().target.names)[: len(labels)]


def test_pictures_become_masks_of_their_size(tmp_path):
  image = np.random.default_rng(0).integers(0, 255, (7, 9)).astype(np.uint8)
  PIL.Image.fromarray(image).save(tmp_path / "p.jpg")
  style = Style(axes=2, dtype="uint8")._asdict()
  split = new.encoded(str(tmp_path), marked.info(2), style=style)
  assert split.write(_marked(split), tmp_path) == 1
  mask = np.asarray(PIL.Image.open(tmp_path / "p.png"))
  assert mask.shape == (7, 9) and set(np.unique(mask)) == {0, 1}


def test_masks_of_images_with_like_names_do_not_replace_each_other(tmp_path):
  for name in ("a/s.png", "a_s.png", "s.jpg", "s.png", ".hidden/t.png"):
    path = tmp_path / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.zeros((7, 9), np.uint8)).save(path)
  style = Style(axes=2, dtype="uint8")._asdict()
  with pytest.raises(
    UserError, match=r"a/s.png and a_s.png: their masks would"
  ):
    new.encoded(str(tmp_path / "in"), marked.info(2), style=style)
  (tmp_path / "in" / "a_s.png").unlink()
  split = new.encoded(str(tmp_path / "in"), marked.info(2), style=style)
  assert len(split) == 3
  (tmp_path / "out").mkdir()
  assert split.write(_marked(split), tmp_path / "out") == 3
  made = {path.name for path in (tmp_path / "out").iterdir()}
  assert made == {"a_s.png", "s.jpg.png", "s.png.png"}


def test_channels_in_files_of_their_own_are_one_volume(tmp_path):
  for name in ("v_0000", "v_0001", "w_0000", "w_0001"):
    made.nifti(tmp_path / f"{name}.nii.gz", made.values())
  info = marked.info()
  described = dataclasses.replace(info.only, channels=2, shape=())
  info = dataclasses.replace(info, inputs={"image": described})
  split = new.encoded(str(tmp_path), info, style=VOLUMES)
  assert split.ids.tolist() == ["v", "w"]
  assert split.arrays["image"][0].shape[-1] == 2
  (tmp_path / "w_0000.nii.gz").rename(tmp_path / "w_0002.nii.gz")
  with pytest.raises(UserError, match="expected 2 channels, _0000 to _0001"):
    new.encoded(str(tmp_path), info, style=VOLUMES)


def test_images_of_other_channels_and_empty_folders_are_refused(tmp_path):
  (tmp_path / "empty").mkdir()
  style = Style(axes=2, dtype="uint8")._asdict()
  with pytest.raises(UserError, match="holds no images"):
    new.encoded(str(tmp_path / "empty"), marked.info(2), style=style)
  with pytest.raises(UserError, match="no such file"):
    new.encoded(str(tmp_path / "lost"), marked.info(2), style=style)
  path = made.nifti(tmp_path / "v.nii.gz", made.values((4, 3, 2, 2)))
  with pytest.raises(UserError, match=r"v.nii.gz: has 2 channels"):
    new.encoded(str(path), marked.info(), style=Style(frame="all")._asdict())
