"""Images find their masks by name, by the decathlon's layout, or in a CSV."""

import json

import pytest

from medfm.data.volumes import layout, pairs
from medfm.types import UserError

pytestmark = pytest.mark.once


def _files(folder, *names):
  for name in names:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
  return folder


def _named(found):
  return {
    case.name: [m.rpartition("/")[2] for m in case.masks]
    for case in found.cases
  }


@pytest.mark.parametrize("mark", ["", "_mask", "-seg", " label"])
def test_files_are_paired_by_name_whatever_their_suffix(tmp_path, mark):
  images = _files(tmp_path / "i", "a.jpg", "b.png", "sub/c.png")
  masks = _files(
    tmp_path / "m", f"a{mark}.png", f"b{mark}.bmp", f"sub/c{mark}.tif"
  )
  found = pairs.in_folders(images, masks, 2, "labels")
  assert list(_named(found)) == ["a", "b", "sub/c"]
  assert set(found.raw) >= {"images/a.jpg", f"masks/sub/c{mark}.tif"}


def test_masks_may_lie_beside_their_images(tmp_path):
  folder = _files(tmp_path, "a.png", "a_mask.png", "b.png", "b_mask.png")
  found = pairs.in_folders(folder, folder, 2, "labels")
  assert _named(found) == {"a": ["a_mask.png"], "b": ["b_mask.png"]}


def test_several_masks_of_an_image_are_found(tmp_path):
  images = _files(tmp_path / "i", "a.png", "a_b.png")
  masks = _files(tmp_path / "m", "a/1.png", "a/2.png", "a_b_1.png")
  found = pairs.in_folders(images, masks, 2, "objects")
  assert _named(found) == {"a": ["1.png", "2.png"], "a_b": ["a_b_1.png"]}


def test_a_mask_of_each_structure_is_known_by_its_name(tmp_path):
  images = _files(tmp_path / "i", "p1.png", "p2.png")
  masks = _files(
    tmp_path / "m", "p1_lung.png", "p1_heart_mask.png", "p2/Heart.png"
  )
  order = ("lung", "heart")
  found = pairs.in_folders(images, masks, 2, "structures", order)
  assert found.names == order
  assert _named(found) == {
    "p1": ["p1_lung.png", "p1_heart_mask.png"], "p2": ["", "Heart.png"],
  }  # fmt: skip
  (tmp_path / "m" / "p2" / "Heart.png").rename(tmp_path / "m" / "p2_heart.png")
  every = pairs.in_folders(images, masks, 2, "structures")
  assert every.names == ("heart", "lung")
  with pytest.raises(UserError, match="'lung', which is no structure"):
    pairs.in_folders(images, masks, 2, "structures", ("heart", "aorta"))


def test_names_are_equal_however_their_accents_are_stored(tmp_path):
  images = _files(tmp_path / "i", "M\u00fcller.png")
  masks = _files(tmp_path / "m", "Mu\u0308ller.png")
  assert len(pairs.in_folders(images, masks, 2, "labels").cases) == 1


@pytest.mark.parametrize(
  ("images", "masks", "words"),
  [
    (("a.png", "b.png"), ("a.png",), "1 images have no mask.*b.png"),
    (("a.png",), ("a.png", "z.png"), "1 masks have no image.*z.png"),
    (("a.png", "a.jpg"), ("a.png",), "have one name but for the suffix"),
    ((), ("a.png",), "holds no images"),
    (("a.png",), (), "holds no masks"),
  ],
)
def test_what_has_no_partner_is_refused(tmp_path, images, masks, words):
  for name in ("i", "m"):
    (tmp_path / name).mkdir()
  _files(tmp_path / "i", *images)
  _files(tmp_path / "m", *masks)
  with pytest.raises(UserError, match=words):
    pairs.in_folders(tmp_path / "i", tmp_path / "m", 2, "labels")


def test_the_decathlons_layout_names_structures_and_channels(tmp_path):
  _files(
    tmp_path,
    "imagesTr/x_1_0000.nii.gz",
    "imagesTr/x_1_0001.nii.gz",
    "imagesTr/._x_1.nii.gz",
    "labelsTr/x_1.nii.gz",
  )
  labels = {"0": "background", "1": "liver", "3": "tumour"}
  (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
  found = layout.decathlon(tmp_path)
  assert found.names == ("liver", "tumour") and found.values == (1, 3)
  (case,) = found.cases
  assert case.images == ("imagesTr/x_1_0000.nii.gz", "imagesTr/x_1_0001.nii.gz")
  assert case.masks == ("labelsTr/x_1.nii.gz",)
  (tmp_path / "labelsTr/x_2.nii.gz").write_bytes(b"x")
  with pytest.raises(UserError, match="imagesTr holds no image of x_2"):
    layout.decathlon(tmp_path)


def test_nnunets_labels_are_read_too(tmp_path):
  _files(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
  labels = {"background": 0, "liver": 1, "ignore": 2}
  (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
  found = layout.decathlon(tmp_path)
  assert found.names == ("liver",) and found.values == (1,)
  assert found.ignored == 2
  labels = {"background": 0, "whole": [1, 2], "core": 2}
  (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
  with pytest.raises(UserError, match="the label whole joins several"):
    layout.decathlon(tmp_path)


def test_a_channel_that_is_missing_is_not_replaced_by_another(tmp_path):
  for name in ("a_0000", "a_0001", "b_0001"):
    _files(tmp_path, f"imagesTr/{name}.nii.gz")
  _files(tmp_path, "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
  with pytest.raises(
    UserError, match=r"b_0001.nii.gz of b; expected 2 channels"
  ):
    layout.decathlon(tmp_path)


def _table(tmp_path, *rows):
  path = tmp_path / "pairs.csv"
  path.write_text("\n".join(["file,mask,who,split", *rows]) + "\n")
  return path


def test_a_table_names_files_patients_and_splits(tmp_path):
  _files(tmp_path, "a.png", "m1.png", "m2.png", "b.png")
  path = _table(
    tmp_path, "a.png,m1.png;m2.png,P1,train", "b.png,m1.png,P2,test"
  )
  found = pairs.in_table(
    path, image="file", mask="mask", patient="who", split_column="split"
  )
  first, second = found.cases
  assert first.masks == ("m1.png", "m2.png") and first.patient == "P1"
  assert (first.part, second.part) == ("train", "test")


@pytest.mark.parametrize(
  ("row", "words"),
  [
    ("a.png,lost.png,P1,train", "row 2.*mask.*no such file"),
    ("../a.png,m1.png,P1,train", "row 2.*file.*leads out"),
  ],
)
def test_a_row_with_a_bad_file_is_named(tmp_path, row, words):
  _files(tmp_path, "a.png", "m1.png")
  with pytest.raises(UserError, match=words):
    pairs.in_table(_table(tmp_path, row), image="file", mask="mask")


def test_an_unknown_column_and_a_repeated_image_are_refused(tmp_path):
  _files(tmp_path, "a.png", "m1.png")
  path = _table(tmp_path, "a.png,m1.png,P1,train", "a.png,m1.png,P1,train")
  with pytest.raises(UserError, match="has no column 'x'"):
    pairs.in_table(path, image="x", mask="mask")
  with pytest.raises(UserError, match=r"row 3.*named in an earlier row, too"):
    pairs.in_table(path, image="file", mask="mask")


def test_structures_come_in_the_order_that_is_asked_for():
  found = pairs.Pairs([], {}, ("liver", "tumour"), values=(1, 2))
  turned = layout.in_order(found, ("tumour", "liver"))
  assert turned.names == ("tumour", "liver") and turned.values == (2, 1)
  with pytest.raises(UserError, match=r"names liver, tumour; for others give"):
    layout.in_order(found, ("liver", "vessel"))
  assert layout.in_order(pairs.Pairs([], {}), ("a",)).names == ()
