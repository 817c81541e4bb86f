"""The public survival cohorts: counts, splits, what is left out, encoding."""

import builtins
import dataclasses
import json

import numpy as np
import pytest

from medfm import spec
from medfm.data.datasets import survival
from medfm.types import Folders, UserError

HDF5 = ("metabric", "gbsg", "whas")
COUNTS = {
  "metabric": [801, 1103],
  "gbsg": [965, 1267],
  "whas": [948, 690],
  "gbsg2": [387, 299],
  "actg320": [1055, 96],
  "breast_cancer": [147, 51],
  "flchain": [5705, 2169],
  "veteran": [9, 128],
  "whas500": [285, 215],
  "bmt": [11, 9, 15],
  "cgvhd": [4, 86, 5, 5],
}


@pytest.fixture(scope="module")
def load(shared_folders):
  def loaded(name, **settings):
    if name in HDF5:
      pytest.importorskip("h5py")
    return survival.survival(shared_folders, name=name, **settings)

  return loaded


def whole(dataset, name):
  return np.concatenate([s.arrays[name] for s in dataset.splits.values()])


def in_order(dataset):
  """The rows of `whole` as the file has them."""
  ids = np.concatenate([split.ids for split in dataset.splits.values()])
  return np.argsort([int(name.removeprefix("row-")) for name in ids])


@pytest.mark.parametrize("name", COUNTS)
def test_a_cohort_has_its_published_events(load, name):
  dataset = load(name)
  assert np.bincount(whole(dataset, "event")).tolist() == COUNTS[name]
  assert (whole(dataset, "time") >= 0).all()
  assert len(dataset.info.target.names) == len(COUNTS[name]) - 1
  assert dataset.card["file"]["official"]
  assert set(dataset.splits) == {"train", "validation", "test"}


def test_every_cohort_is_counted_above():
  assert survival.COHORTS.keys() == COUNTS.keys()


@pytest.mark.parametrize(
  ("name", "test", "rest"),
  [("metabric", 381, 1523), ("gbsg", 686, 1546), ("whas", 328, 1310)],
)
def test_test_rows_are_deepsurvs(load, name, test, rest):
  splits = load(name).splits
  assert len(splits["test"]) == test
  assert len(splits["train"]) + len(splits["validation"]) == rest


def test_the_columns_of_gbsg_are_those_of_gbsg2(load):
  test, other = load("gbsg").splits["test"].arrays, load("gbsg2")
  features = whole(other, "features")[in_order(other)]
  for name, column in (("age", 3), ("pnodes", 4), ("progrec", 5)):
    np.testing.assert_array_equal(
      test["features"][:, column],
      features[:, other.info.only.numeric.index(name)],
    )


def test_what_ends_cgvhd_is_what_scikit_survival_says(load):
  datasets = pytest.importorskip("sksurv.datasets")
  outcome = datasets.load_cgvhd()[1]
  dataset = load("cgvhd")
  rows = in_order(dataset)
  np.testing.assert_array_equal(
    whole(dataset, "event")[rows], outcome["status"]
  )
  np.testing.assert_allclose(
    whole(dataset, "time")[rows], outcome["ftime"], rtol=1e-6
  )


@pytest.mark.parametrize(
  ("name", "left_out"),
  [
    ("flchain", "chapter"),
    ("whas500", "los"),
    ("cgvhd", "agvh"),
    ("actg320", "censor_d"),
  ],
)
def test_what_is_known_in_hindsight_is_no_feature(load, name, left_out):
  table = load(name).info.only
  columns = {*table.numeric, *table.levels}
  assert left_out not in columns
  assert not columns & {"time", "event", "part"}


def test_unknown_grades_are_missing(load):
  dataset = load("breast_cancer")
  assert "unkown" not in dataset.info.only.levels["grade"]
  assert {"what": "codes for unknown taken for missing", "count": 2} in (
    dataset.card["changes"]
  )


def test_the_description_survives_its_file(load):
  info = load("bmt").info
  assert spec.noun(json.loads(json.dumps(spec.plain(info)))) == info


def test_the_reader_of_new_patients_can_be_written_down(load):
  reader = load("veteran").encode
  reading = {k: v for k, v in reader.keywords.items() if k != "info"}
  assert spec.bind(reader.func, **reading).clean.cohort == "veteran"


def test_horizons_may_be_chosen(load):
  target = load("veteran", horizons=(60, 120)).info.target
  assert target.horizons == (60, 120)
  assert {60, 120} <= set(target.times)


def test_a_new_csv_is_encoded_as_training_was(load, tmp_path):
  dataset = load("whas500")
  table = dataset.info.only
  cells = dict.fromkeys(table.numeric, "50") | dict.fromkeys(table.levels, "1")
  path = tmp_path / "new.csv"
  path.write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
  encoded = dataset.encode(str(path))
  assert set(encoded.arrays) == {"features", "categories"}
  place = list(table.levels).index("gender")
  assert encoded.arrays["categories"][0, place] == (
    table.levels["gender"].index("female")
  )


def test_a_missing_h5py_says_what_to_install(data_dir, tmp_path, monkeypatch):
  real = builtins.__import__

  def without(name, *arguments, **settings):
    if name == "h5py":
      raise ImportError
    return real(name, *arguments, **settings)

  monkeypatch.setattr(builtins, "__import__", without)
  folders = Folders(raw=str(data_dir), cache=str(tmp_path))
  with pytest.raises(UserError, match="pip install h5py"):
    survival.survival(folders, name="metabric")


def test_a_missing_file_is_one_line_with_its_address(tmp_path, monkeypatch):
  monkeypatch.setenv("MEDFM_OFFLINE", "1")
  folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
  with pytest.raises(UserError, match=r"veteran\.arff .*missing: get it from"):
    survival.survival(folders, name="veteran")


def test_an_unknown_name_is_named_with_the_nearest(load):
  with pytest.raises(UserError, match=r"nearest: whas"):
    load("whass")


def test_an_unknown_event_names_its_row(tmp_path, data_dir, monkeypatch):
  cohort = survival.COHORTS["veteran"]
  other = dataclasses.replace(cohort, event=("Status", {"dead": "death"}))
  monkeypatch.setitem(survival.COHORTS, "veteran", other)
  folders = Folders(raw=str(data_dir), cache=str(tmp_path))
  with pytest.raises(UserError, match=r"row \d+, column 'Status': 'censored'"):
    survival.survival(folders, name="veteran")
