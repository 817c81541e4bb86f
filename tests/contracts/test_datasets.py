"""What holds for every dataset, on the real files."""

import functools
import pathlib

import numpy as np
import pytest

from medfm import spec
from medfm.data import datasets, leakage, splits
from medfm.data.datasets import (
  brain_mri,
  breakhis,
  busi_captions,
  covid_xray,
  crc,
  diabetes,
  diabetes130,
  ham10000,
  medmnist,
  mednist,
  oral,
  uci_clinical,
  wisconsin,
)
from medfm.tasks.multiclass import Classes
from tests import readings

pytestmark = pytest.mark.once

CASES = {
  "wisconsin": wisconsin.wisconsin,
  "diabetes": diabetes.diabetes,
  "diabetes130": diabetes130.diabetes130,
  "mednist": mednist.mednist,
  "medmnist": medmnist.medmnist,
  "uci_clinical": uci_clinical.uci_clinical,
  "busi_captions": busi_captions.busi_captions,
  # Small pictures, which are prepared faster.
  "brain_mri": functools.partial(brain_mri.brain_mri, size=16),
  "breakhis": functools.partial(breakhis.breakhis, size=16),
  "covid_xray": functools.partial(covid_xray.covid_xray, size=16),
  "crc": functools.partial(crc.crc, size=16),
  "ham10000": functools.partial(ham10000.ham10000, size=16),
  "oral": functools.partial(oral.oral, size=16),
}
# Tested on data of their own (bccd and busi in test_pictures.py), and in
# tests/data/datasets/test_text_sets.py.
OWN = {
  "survival",
  "tfds_named",
  "decathlon",
  "dsb2018",
  "bccd",
  "busi",
  "covid_lungs",
}
TEXTS = {
  "chemprot",
  "corpus",
  "ddi2013",
  "hallmarks_of_cancer",
  "iob",
  "medical_abstracts",
  "prompted",
  "pubmed_rct",
  "pubmedqa",
  "sentence_pairs",
}


# A set is prepared once, so that its tests stay in one process.
@pytest.fixture(
  scope="module",
  params=[
    pytest.param(name, marks=pytest.mark.xdist_group(f"dataset {name}"))
    for name in CASES
  ],
)
def dataset(request, shared_folders):
  return CASES[request.param](shared_folders)


def test_every_dataset_has_a_case():
  folder = pathlib.Path(datasets.__file__).parent
  files = {path.stem for path in folder.glob("*.py")} - {
    "__init__",
    "pictures",
    "survival_files",
    "text_tasks",
  }
  assert files == CASES.keys() | OWN | TEXTS


def test_there_are_three_splits_of_disjoint_examples(dataset):
  assert set(dataset.splits) == {"train", "validation", "test"}
  ids = [set(split.ids) for split in dataset.splits.values()]
  assert sum(map(len, ids)) == len(set.union(*ids))
  assert all(len(split) for split in dataset.splits.values())


def test_no_patient_is_in_two_splits(dataset):
  leakage.refuse(leakage.leakage(dataset))
  patients = [
    set(split.patients)
    for split in dataset.splits.values()
    if split.patients is not None
  ]
  if patients:
    assert sum(map(len, patients)) == len(set.union(*patients))


def test_labels_and_counts_fit_the_description(dataset):
  info, train = dataset.info, dataset.splits["train"]
  label = train.arrays["label"]
  if isinstance(info.target, Classes):
    assert label.dtype == np.int32
    counts = np.bincount(label[label >= 0], minlength=len(info.target.names))
    assert counts.tolist() == list(info.target.counts)
  else:
    assert label.shape == (len(train), len(info.target.names))


def test_every_array_has_a_row_per_example_and_finite_or_missing_values(
  dataset,
):
  for split in dataset.splits.values():
    for name, array in split.arrays.items():
      assert len(array) == len(split), name
      assert not np.isinf(np.asarray(array, np.float64)).any(), name
    for group in split.groups.values():
      assert len(group) == len(split)


def test_the_card_says_where_the_data_come_from(dataset):
  for key in ("source", "licence", "citation", "changes", "split"):
    assert key in dataset.card
  assert len(dataset.card["fingerprint"]) == 64
  manifest = splits.manifest(dataset)
  assert all(len(entry["sha256"]) == 64 for entry in manifest.values())


def test_the_reader_of_new_files_can_be_written_down(dataset):
  reading = dict(spec.settings(dataset.encode))
  assert reading.pop("info") == dataset.info
  reader = spec.bind(spec.function(dataset.encode), **reading)
  again = spec.build(spec.from_json(spec.to_json(reader)))
  assert spec.function(again) is spec.function(dataset.encode)


def test_a_trained_model_reads_every_row_as_training_read_it(
  request, dataset, shared_folders
):
  factory = CASES[request.node.callspec.params["dataset"]]
  readings.assert_every_row_is_read_as_training_read_it(factory, shared_folders)


def test_fitted_numbers_come_from_the_training_split(dataset):
  inputs = list(dataset.info.inputs.values())
  if len(inputs) > 1 or not getattr(inputs[0], "numeric", ()):
    pytest.skip("no numeric features")
  features = dataset.splits["train"].arrays["features"].astype(np.float64)
  with np.errstate(invalid="ignore"):
    mean = np.nanmean(features, 0)
  np.testing.assert_allclose(dataset.info.only.mean, mean, rtol=1e-5)
