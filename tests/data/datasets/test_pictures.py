"""Public image sets: real files, and small synthetic ones for what is odd.

What holds for every data set is in tests/contracts/test_datasets.py.
"""

import collections
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from medfm.data import leakage
from medfm.data.datasets import (
  bccd,
  brain_mri,
  breakhis,
  busi,
  covid_xray,
  crc,
  ham10000,
  oral,
  pictures,
)
from medfm.evals import cohorts
from medfm.types import Folders, UserError
from tests import readings

COHORTS = {
  "bccd": bccd.bccd,
  "brain_mri": brain_mri.brain_mri,
  "breakhis": breakhis.breakhis,
  "busi": busi.busi,
  "covid_xray": covid_xray.covid_xray,
  "crc": crc.crc,
  "ham10000": ham10000.ham10000,
  "oral": oral.oral,
}


def _picture(path, seed=0, size=20):
  path.parent.mkdir(parents=True, exist_ok=True)
  pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3))
  Image.fromarray(pixels.astype(np.uint8)).save(path)


def _read(cohort, raw, **settings):
  folders = Folders(str(raw), str(raw.parent / "cache"))
  return COHORTS[cohort](folders, size=16, **settings)


def _of(data, key="label"):
  """id -> the value of each picture of all splits."""
  return {
    name: value
    for split in data.splits.values()
    for name, value in zip(
      split.ids, split.arrays.get(key, split.patients), strict=True
    )
  }


def _counts(data):
  label = np.concatenate([s.arrays["label"] for s in data.splits.values()])
  return dict(zip(data.info.target.names, np.bincount(label), strict=True))


def _changed(data, words):
  (count,) = (c["count"] for c in data.card["changes"] if words in c["what"])
  return count


@pytest.mark.parametrize("cohort", COHORTS)
def test_a_missing_set_is_one_line_that_says_where_to_get_it(cohort, tmp_path):
  with pytest.raises(UserError, match=r"missing: get it from https://.* put"):
    _read(cohort, tmp_path)


# Busi.


@pytest.fixture(scope="module")
def ultrasound(data_dir, tmp_path_factory):
  """Every eighth real image of BUSI, and the four that are near copies."""
  raw = tmp_path_factory.mktemp("busi") / "raw"
  with zipfile.ZipFile(data_dir / "images" / "busi_256.zip") as archive:
    names = sorted(n for n in archive.namelist() if n.endswith(".png"))
    alike = [n for n in names if n.rpartition("/")[2] in ALIKE]
    for name in {*names[::8], *alike}:
      archive.extract(name, raw)
  masks = raw / "Dataset_BUSI_256" / "benign" / "benign (1)_mask.png"
  _picture(masks)
  return raw


ALIKE = [f"normal ({n}).png" for n in (42, 45, 49, 62)]


def test_near_copies_of_one_woman_share_a_split_and_a_group(ultrasound):
  data = _read("busi", ultrasound)
  patients = _of(data, "patients")
  copies = {patients[name.removesuffix(".png")] for name in ALIKE}
  assert len(copies) == 1
  assert len(set(patients.values())) < len(patients)
  assert data.card["grouped_by"] == "copy group"
  found = leakage.leakage(data)["pairs"].values()
  assert sum(pair["exact"]["count"] for pair in found) == 0


def test_masks_are_left_out_and_counted(ultrasound):
  data = _read("busi", ultrasound)
  assert _changed(data, "images of other names") == 1
  assert not any("mask" in name for name in _of(data))


def test_whole_archives_hold_what_their_authors_say(
  shared_folders, monkeypatch
):
  def counted(folders, listed, *settings, **more):
    kinds = collections.Counter(each.label for each in listed.pictures)
    return kinds, listed.changes

  monkeypatch.setattr(pictures, "dataset", counted)
  kinds, _ = busi.busi(shared_folders)
  assert kinds == {"benign": 437, "malignant": 210, "normal": 133}
  kinds, changes = bccd.bccd(shared_folders)
  assert kinds == {"red cell": 4153, "white cell": 372, "platelet": 361}
  assert changes["boxes without an area, dropped"] == 2


# Stained tissue.


def test_one_magnification_trains_and_the_other_tests(shared_folders):
  data = oral.oral(shared_folders, size=16, trained_at="100x")
  levels = {k: set(s.groups["magnification"]) for k, s in data.splits.items()}
  assert levels == {
    "train": {"100x"}, "validation": {"100x"}, "test": {"400x"},
  }  # fmt: skip
  assert len(data.splits["test"]) == 100
  with pytest.raises(UserError, match="trained_at='200x': expected 100x"):
    oral.oral(shared_folders, trained_at="200x")


def test_augmented_copies_are_not_taken(tmp_path):
  raw, names = tmp_path / "raw", ("Normal_100x_{}", "OSCC_400x_{}")
  for number in range(6):
    for name in names:
      folder = raw / "Oral_Cancer_Images" / "train" / name[:4]
      _picture(folder / f"{name.format(number)}.jpg", number)
  _picture(folder / "aug_1_OSCC_400x_1.jpg")
  data = _read("oral", raw)
  assert _counts(data) == {"normal": 6, "carcinoma": 6}
  assert _changed(data, "images of other names") == 1


def test_letters_of_a_slide_are_one_patient(shared_folders):
  data = breakhis.breakhis(shared_folders, size=16)
  patients = _of(data, "patients")
  assert len(patients) == 7
  assert patients["SOB_B_PT-14-21998AB-400-010"] == "14-21998"
  (warning,) = data.card["warnings"]
  assert "3 pictures of 2 patients: too few to conclude" in warning


def test_subtypes_of_one_patient_each_cannot_be_split(shared_folders):
  with pytest.raises(UserError, match="has 1 of the 3 patients that train"):
    breakhis.breakhis(shared_folders, label="subtype")


def test_the_official_folders_of_breakhis_are_read_at_one_magnification(
  tmp_path,
):
  raw = tmp_path / "raw"
  for number in range(8):
    side, kind = ("B", "TA") if number % 2 else ("M", "LC")
    slide = f"SOB_{side}_{kind}_14-{1000 + number}"
    for times in (40, 100):
      name = f"SOB_{side}_{kind}-14-{1000 + number}-{times}-001.png"
      folder = raw / f"BreaKHis_v1/histology_slides/breast/x/SOB/x/{slide}"
      _picture(folder / f"{times}X" / name, number)
  data = _read("breakhis", raw, magnification=40, label="subtype")
  assert _counts(data) == {"tubular adenoma": 4, "lobular carcinoma": 4}
  assert _changed(data, "other magnifications") == 8
  with pytest.raises(UserError, match="no image at 400x"):
    _read("breakhis", raw)


def test_tissues_without_a_tile_are_said(shared_folders):
  data = crc.crc(shared_folders, size=16)
  assert set(_counts(data).values()) == {10}
  assert "no picture here of: background, debris" in data.card["notes"]
  assert "too few to conclude" in data.card["warnings"][0]


# Brain.


def _slices(raw):
  root = raw / "Brain-Tumor-Images"
  for place, kind in enumerate(("glioma", "meningioma", "pituitary", "no")):
    for number in range(5):
      for part in ("Training", "Testing"):
        seed = 100 * place + 10 * number + (part == "Testing")
        _picture(root / part / f"{kind}_tumor" / f"{number}.png", seed)
  return root


def test_files_of_testing_are_dropped_from_training(tmp_path):
  root = _slices(tmp_path / "raw")
  shutil.copy(
    root / "Testing" / "glioma_tumor" / "0.png",
    root / "Training" / "no_tumor" / "copy.png",
  )
  data = _read("brain_mri", tmp_path / "raw")
  assert _changed(data, "dropped from Training: equal copies") == 1
  assert "Training/no_tumor/copy" not in _of(data)
  assert len(data.splits["test"]) == 20
  kept = _read("brain_mri", tmp_path / "raw", copies="none")
  assert "Training/no_tumor/copy" in _of(kept)
  shared = leakage.leakage(kept)["pairs"]
  assert sum(shared[f"{k}/test"]["exact"]["count"] for k in ("train",
             "validation")) == 1  # fmt: skip
  with pytest.raises(UserError, match="copies='all': expected equal, near"):
    _read("brain_mri", tmp_path / "raw", copies="all")


# Skin.


def test_skin_has_its_groups_and_the_official_layout_reads_the_same(
  data_dir, tmp_path, shared_folders
):
  data = ham10000.ham10000(shared_folders, size=16)
  assert _counts(data) == {"benign": 30, "malignant": 30}
  sexes = np.concatenate([s.groups["sex"] for s in data.splits.values()])
  assert (sexes == "male").sum() == 36 and (sexes == "female").sum() == 24
  raw = tmp_path / "raw"
  root = raw / "dataverse_files"
  archive = data_dir / "images" / "ham10000_fairness_subset.zip"
  with zipfile.ZipFile(archive) as file:
    table = file.read("HAM10000_metadata.csv").decode().splitlines()
    names = sorted(n for n in file.namelist() if n.endswith(".jpg"))
    for place, name in enumerate(names):
      part = root / f"HAM10000_images_part_{1 + place % 2}"
      part.mkdir(parents=True, exist_ok=True)
      (part / name.rpartition("/")[2]).write_bytes(file.read(name))
  lines = [f"{line},vidir_molemax".replace(",", "\t") for line in table]
  (root / "HAM10000_metadata.tab").write_text("\n".join(lines) + "\n")
  again = _read("ham10000", raw)
  assert _of(again) == _of(data)
  assert [split.ids.tolist() for split in again.splits.values()] == [
    split.ids.tolist() for split in data.splits.values()
  ]
  seven = _read("ham10000", raw, label="diagnosis")
  assert set(_counts(seven).values()) == {10} and len(_counts(seven)) == 6
  few = _read("ham10000", raw, label="melanoma")
  assert _counts(few) == {"other": 50, "melanoma": 10}
  (root / "HAM10000_metadata.tab").unlink()
  with pytest.raises(
    UserError, match=r"HAM10000_metadata\.csv or .* is missing"
  ):
    _read("ham10000", raw)


def _skin(raw, cells):
  root = raw / "HAM10000"
  _picture(root / "images" / "ISIC_1.jpg")
  head = "lesion_id,image_id,dx,dx_type,age,sex,localization"
  text = f"{head}\nHAM_1,ISIC_1,{cells}\n"
  (root / "HAM10000_metadata.csv").write_text(text)


@pytest.mark.parametrize(
  ("cells", "message"),
  [
    ("melanom,histo,40,male,back", "row 2, column 'dx': 'melanom' is not one"),
    ("mel,histo,old,male,back", "row 2, column 'age': 'old' is not an age"),
  ],
)
def test_odd_cells_of_the_skin_table_are_named(tmp_path, cells, message):
  _skin(tmp_path / "raw", cells)
  with pytest.raises(UserError, match=message):
    _read("ham10000", tmp_path / "raw")


# Chest.


def test_ids_that_share_a_file_are_one_patient(shared_folders):
  data = covid_xray.covid_xray(shared_folders, size=16)
  assert _counts(data) == {"other": 32, "COVID-19": 29}
  patients = _of(data, "patients")
  assert len(patients) == 61
  assert _changed(data, "repeated rows") == 4
  # Rows of these four files name 339 or 340 as well.
  assert not {"339", "340"} & set(patients.values())
  assert _changed(data, "taken for one patient") == 2
  assert "CC BY-NC-SA 4.0 (3" in data.card["licence"]
  assert {k for s in data.splits.values() for k in s.groups} == {
    "age", "sex", "view",
  }  # fmt: skip


COLUMNS = "patientid,offset,sex,age,finding,view,modality,filename,license,"


def _chest(raw, rows):
  root = raw / "covid-chestxray-dataset"
  for row in rows:
    name = row.split(",")[7]
    if "/" not in name:
      _picture(root / "images" / name, len(name))
  (root / "metadata.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
  return root


def test_scans_and_unknown_findings_are_dropped_and_counted(tmp_path):
  kinds = ("COVID-19", "COVID-19, ARDS", "Pneumonia", "todo")
  rows = [
    f'{n},0,F,50,"{kinds[n % 4]}",PA,X-ray,{"x" * (n + 1)}.png,CC0,'
    for n in range(16)
  ]
  rows = [row.replace('"COVID-19, ARDS"', "COVID-19") for row in rows]
  rows.append("99,0,F,50,COVID-19,Axial,CT,ct.png,CC0,")
  _chest(tmp_path / "raw", rows)
  data = _read("covid_xray", tmp_path / "raw")
  assert _counts(data) == {"other": 4, "COVID-19": 8}
  assert _changed(data, "without a finding") == 4
  assert _changed(data, "not of X-rays") == 1


def test_a_file_with_two_findings_is_refused(tmp_path):
  rows = [
    f"1,{day},F,50,{finding},PA,X-ray,a.png,CC0,"
    for day, finding in enumerate(("COVID-19", "Pneumonia"))
  ]
  _chest(tmp_path / "raw", rows)
  with pytest.raises(UserError, match=r"'finding': a\.png has two findings"):
    _read("covid_xray", tmp_path / "raw")


# Blood.


def _blood(raw, boxes, size=(30, 20)):
  """Nine made-up pictures in VOC's layout, three in each split."""
  root = raw / "BCCD"
  for folder in ("Annotations", "ImageSets/Main"):
    (root / folder).mkdir(parents=True, exist_ok=True)
  names = [f"B{number}" for number in range(9)]
  for number, name in enumerate(names):
    _picture(root / "JPEGImages" / f"{name}.jpg", number, 30)
    objects = "".join(
      f"<object><name>{cell}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
      f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
      for cell, a, b, c, d in boxes
    )
    (root / "Annotations" / f"{name}.xml").write_text(
      f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height>"
      f"</size>{objects}</annotation>"
    )
  for place, part in enumerate(("train", "val", "test")):
    text = "\n".join(names[3 * place : 3 * place + 3])
    (root / "ImageSets" / "Main" / f"{part}.txt").write_text(text)
  return root


BOXES = (
  ("RBC", 1, 1, 10, 8),
  ("WBC", 11, 5, 20, 20),
  ("Platelets", 3, 3, 6, 6),
)


def test_cells_are_cut_out_and_odd_boxes_are_counted(tmp_path):
  odd = (
    ("RBC", 1, 1, 10, 8),  # Again.
    ("RBC", 25, 15, 40, 25),  # Over the edge.
    ("RBC", 7, 7, 7, 9),  # No width.
    ("WBC", 3, 3, 6, 6),  # The box of a platelet.
    ("RBC", 50, 50, 60, 60),  # Outside.
  )
  root = _blood(tmp_path / "raw", BOXES + odd)
  data = _read("bccd", tmp_path / "raw")
  assert _counts(data) == {"red cell": 18, "white cell": 9}
  for words, count in (
    ("repeated boxes", 9),
    ("cut at it", 9),
    ("without an area", 9),
    ("two names", 9),
    ("outside the picture", 9),
  ):
    assert _changed(data, words) == count, words
  assert set(_of(data, "patients").values()) == {f"B{n}" for n in range(9)}
  assert {k: len(s) for k, s in data.splits.items()} == dict.fromkeys(
    ("train", "validation", "test"), 9
  )
  whole = np.asarray(Image.open(root / "JPEGImages" / "B0.jpg"))
  train = data.splits["train"]
  image = train.arrays["image"][train.ids.tolist().index("B0 01")]
  # 10 wide and 16 high at 16 pixels: three columns of black at each side.
  np.testing.assert_array_equal(image[:, 3:13], whole[4:20, 10:20])
  assert not image[:, :3].any() and not image[:, 13:].any()


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda p: p.write_text("<annotation><size>"), "B0.xml: is not a VOC"),
    (
      lambda p: p.write_text(p.read_text().replace("RBC", "Cell")),
      "B0.xml: 'Cell' is not one of RBC, WBC, Platelets",
    ),
    (lambda p: p.rename(p.with_name("C.xml")), "C.xml: is in none of train"),
    (
      lambda p: (p.parents[1] / "JPEGImages" / "B0.jpg").unlink(),
      "JPEGImages/B0.jpg is missing: get it from https",
    ),
    (
      lambda p: (p.parents[1] / "ImageSets/Main/val.txt").write_text("B0"),
      "val.txt: B0 is in train as well",
    ),
    (
      lambda p: (p.parents[1] / "ImageSets/Main/val.txt").unlink(),
      "val.txt is missing in ImageSets/Main",
    ),
  ],
)
def test_damage_of_the_blood_set_is_named(tmp_path, change, message):
  change(_blood(tmp_path / "raw", BOXES) / "Annotations" / "B0.xml")
  with pytest.raises(UserError, match=message):
    _read("bccd", tmp_path / "raw")


def test_an_annotation_larger_than_its_picture_is_named(tmp_path):
  boxes = (*BOXES, ("RBC", 40, 1, 60, 10))
  _blood(tmp_path / "raw", boxes, size=(640, 480))
  with pytest.raises(UserError, match=r"B0 03: the box .* picture of 30 x 30"):
    _read("bccd", tmp_path / "raw")


def test_cells_are_read_for_a_trained_model_as_in_training(tmp_path):
  _blood(tmp_path / "raw", BOXES)
  folders = Folders(str(tmp_path / "raw"), str(tmp_path / "cache"))
  trained = bccd.bccd(folders, size=16)
  again = cohorts.read(bccd.bccd, folders, readings.of(trained))
  assert _of(again) == _of(trained)
  assert again.splits["test"].arrays["image"].shape == (27, 16, 16, 3)
