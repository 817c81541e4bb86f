"""A user's own CSV: what is made of it."""

import dataclasses
import json

import numpy as np
import pytest

from medfm import spec
from medfm.data import cards, splits
from medfm.data.tables import encoding, labels, own
from medfm.data.tables import table as tables
from medfm.spec import bind, build, from_json, to_json
from medfm.types import Folders
from tests.data.tables.cohort import column, text


def test_columns_become_features_and_categories(table):
  dataset = table(patient="pid", drop=("note",))
  assert dataset.info.only.numeric == ("age", "dose")
  assert list(dataset.info.only.levels) == ["sex"]
  assert column(dataset, "features").shape == (30, 2)
  assert np.isnan(column(dataset, "features")).sum() == 1
  assert column(dataset, "categories").dtype == np.int32


def test_values_stay_with_their_row(table):
  dataset = table(patient="pid")
  for split in dataset.splits.values():
    rows = np.array([int(name.split(":")[1]) for name in split.ids])
    np.testing.assert_array_equal(split.arrays["features"][:, 0], 18 + rows)
    np.testing.assert_array_equal(
      split.arrays["label"], ((rows - 2) % 3 != 0).astype(int)
    )


def test_patients_are_disjoint_and_every_row_is_kept(table):
  parts = table(patient="pid").splits
  sets = [set(split.patients) for split in parts.values()]
  assert sum(map(len, sets)) == len(set.union(*sets)) == 15
  assert sum(map(len, parts.values())) == 30


def test_without_a_patient_column_the_card_says_so(table):
  dataset = table()
  assert dataset.splits["train"].patients is None
  assert "each row was taken for a separate patient" in dataset.card["split"]


def test_statistics_are_those_of_the_training_split(table):
  dataset = table(patient="pid")
  age = dataset.splits["train"].arrays["features"][:, 0]
  np.testing.assert_allclose(dataset.info.only.mean[0], age.mean(), 1e-5)
  np.testing.assert_allclose(dataset.info.only.std[0], age.std(), 1e-5)


def test_text_classes_are_sorted_and_counted_in_training(table):
  info = table(patient="pid").info
  assert info.target.names == ("n", "y")
  label = table(patient="pid").splits["train"].arrays["label"]
  assert info.target.counts == tuple(np.bincount(label))


def test_the_positive_class_comes_last(table):
  assert table(positive="n").info.target.names == ("y", "n")


def test_classes_may_be_given_in_order(table):
  assert table(classes=("y", "n")).info.target.names == ("y", "n")


def test_number_classes_are_ordered_by_value(table):
  content = "x,outcome\n" + "".join(
    f"{i},{(2, 10, '1.0')[i % 3]}\n"
    for i in (3, 1, 2, 5, 9, 7, 11, 13, 12, 4, 6, 8)
  )
  assert table(content).info.target.names == ("1", "2", "10")


def test_several_labels_keep_missing_as_nan(table):
  content = "x,a,b\n" + "".join(
    f"{i % 5},{i % 2},{('yes', 'no', '')[i % 3]}\n" for i in range(30)
  )
  dataset = table(content, label="a,b", task="multilabel")
  label = column(dataset, "label")
  assert dataset.info.target.names == ("a", "b")
  assert np.isnan(label).sum(0).tolist() == [0, 10]
  assert np.nansum(label, 0).tolist() == [15, 10]


def test_regression_targets_stay_in_raw_units(table):
  dataset = table(
    label="dose", task="regression", missing_label="drop", units=("mg",)
  )
  label = column(dataset, "label")
  assert label.shape == (29, 1)
  assert label.max() == 14.5
  assert dataset.info.target.units == ("mg",)
  train = dataset.splits["train"].arrays["label"]
  np.testing.assert_allclose(dataset.info.target.mean, train.mean(0), 1e-5)


def test_rows_without_a_label_are_dropped_and_counted(table):
  dataset = table(text() + "p99,50,f,1,,n\n", missing_label="drop")
  assert dataset.card["changes"][0]["count"] == 1
  assert len(column(dataset, "label")) == 30


def test_groups_are_levels_and_age_bands(table):
  groups = table(groups=("sex", "age")).splits["train"].groups
  assert set(groups["sex"]) == {"f", "m"}
  assert set(groups["age"]) == {"18-39", "40-64"}


def test_a_named_id_column_names_the_examples(table):
  content = "k,x,outcome\n" + "".join(
    f"e{i},{i % 4},{i % 2}\n" for i in range(20)
  )
  dataset = table(content, id="k")
  assert {i for s in dataset.splits.values() for i in s.ids} == {
    f"e{i}" for i in range(20)
  }
  assert dataset.info.only.numeric == ("x",)


def test_a_split_column_decides_every_row(table):
  content = "x,part,outcome\n" + "".join(
    f"{i + 3},{('train', 'val', 'Test')[i % 3]},{i // 3 % 2}\n"
    for i in range(30)
  )
  dataset = table(content, split_column="part")
  assert {name: len(s) for name, s in dataset.splits.items()} == {
    "train": 10, "validation": 10, "test": 10,
  }  # fmt: skip
  assert (dataset.splits["test"].arrays["features"][:, 0] % 3 == 2).all()


def test_validation_is_taken_out_of_train_where_it_is_not_given(table):
  dataset = table(text(40), text(12).replace("\np", "\nq"), patient="pid")
  sizes = {name: len(split) for name, split in dataset.splits.items()}
  assert sizes["test"] == 12
  assert sizes["train"] + sizes["validation"] == 40
  assert sizes["train"] > sizes["validation"] > 0
  assert dataset.splits["test"].ids[0] == "later.csv:2"


def test_another_seed_gives_another_split_of_the_same_records(table):
  one, two = table(seed=0), table(seed=1)
  assert one.card["fingerprint"] == two.card["fingerprint"]
  assert splits.manifest(one) != splits.manifest(two)


def test_a_changed_file_has_another_fingerprint(table):
  one, two = table(), table(text() + "p50,50,f,1,y,n\n")
  assert one.card["fingerprint"] != two.card["fingerprint"]
  assert len(column(two, "label")) == 31


def test_a_new_file_is_encoded_like_training(table, tmp_path):
  dataset = table(patient="pid", groups=("sex",))
  (tmp_path / "new.csv").write_text(text())
  split = dataset.encode(str(tmp_path / "new.csv"))
  assert "label" not in split.arrays
  train = dataset.splits["train"]
  rows = [int(name.split(":")[1]) - 2 for name in train.ids]
  for name in ("features", "categories"):
    np.testing.assert_array_equal(split.arrays[name][rows], train.arrays[name])
  assert split.patients[0] == "p0"
  assert split.groups["sex"][0] == "f"


def test_a_saved_info_encodes_a_file_without_label_and_patient(table, tmp_path):
  info = spec.noun(json.loads(json.dumps(spec.plain(table().info))))
  (tmp_path / "new.csv").write_text("note,sex,dose,age,pid\nn0,f,?,40,p1\n")
  split = encoding.encoded(str(tmp_path / "new.csv"), info)
  assert split.ids.tolist() == ["new.csv:2"]
  np.testing.assert_array_equal(split.arrays["features"], [[40, np.nan]])


def test_a_config_entry_survives_its_json_file(table, tmp_path):
  table()
  entry = bind(own.own_table, path="cohort.csv", label="outcome")
  factory = build(from_json(to_json(entry)))
  folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
  assert len(factory(folders).splits["train"])


def test_free_text_is_dropped_and_stands_on_the_card(table):
  content = "x,report,outcome\n" + "".join(
    f"{i % 7},text {i},{i % 2}\n" for i in range(80)
  )
  dataset = table(content)
  assert dataset.info.only.levels == {}
  assert "'report'" in dataset.card["changes"][0]["what"]


NAMED = "age,patient_name,outcome\n" + "".join(
  f"{i % 7},{('Ada', 'Bo', 'Cy', 'Di')[i % 4]} {i % 24},{i % 2}\n"
  for i in range(96)
)


def test_names_of_patients_are_refused_as_features(fault):
  message = fault(NAMED)
  assert "'patient_name' (a name)" in message
  assert "drop=patient_name" in message
  assert "allow=patient_name" in message
  assert "Ada" not in message


@pytest.mark.parametrize("allowed", ["allow", "categorical"])
def test_names_that_are_allowed_are_features(table, allowed):
  dataset = table(NAMED, **{allowed: ("patient_name",)})
  assert list(dataset.info.only.levels) == ["patient_name"]


def test_names_of_patients_may_be_dropped_or_tell_them_apart(table):
  for role in ({"drop": "patient_name"}, {"patient": "patient_name"}):
    assert table(NAMED, **role).info.only.numeric == ("age",)


def test_texts_of_which_almost_none_is_repeated_are_dropped(table):
  content = "x,word,outcome\n" + "".join(
    f"{i % 7},w{i},{i % 2}\n" for i in range(24)
  )
  dataset = table(content)
  assert dataset.info.only.levels == {}
  assert "'word': 24 different texts" in dataset.card["changes"][0]["what"]


def test_what_is_a_feature_and_what_was_dropped_are_two_lines(table):
  dataset = table(drop=("pid",))
  assert [*cards.lines(dataset.card)] == [
    "features: 2 numbers (age, dose), 2 categories (sex, note)",
    "changed: dropped as asked: the columns pid",
  ]


@dataclasses.dataclass(frozen=True)
class Followed:
  """What is predicted: how long somebody was followed, and what ended it."""

  names: tuple[str, ...]
  longest: float


@dataclasses.dataclass(frozen=True)
class FollowUp:
  """A task's reading of two columns, which no other task has."""

  time: str
  event: str
  stratify = "event"

  @property
  def columns(self):
    return (self.time, self.event)

  def labelled(self, table):
    return labels.labelled(table, self.columns, "error", every=True)

  def read(self, table, training=None):
    event = np.array([cell == "y" for cell in table[self.event]], np.int32)
    return {"time": tables.numbers(table, self.time), "event": event}, ("died",)

  def target(self, names, truth):
    return Followed(tuple(names), float(truth["time"].max()))


def test_a_task_brings_its_own_label_columns(tmp_path):
  (tmp_path / "cohort.csv").write_text(text().replace(",,", ",2,"))
  folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
  dataset = own.of_columns(
    folders, FollowUp("dose", "outcome"), path="cohort.csv", patient="pid"
  )
  assert dataset.info.only.numeric == ("age",)
  assert dataset.info.target.names == ("died",)
  for split in dataset.splits.values():
    assert split.arrays["time"].dtype == np.float32
    assert set(split.arrays["event"]) == {0, 1}
  assert column(dataset, "event").sum() == 20
  longest = dataset.splits["train"].arrays["time"].max()
  assert dataset.info.target.longest == longest


def test_names_of_rows_are_dropped_and_may_be_the_ids(table):
  lines = text().splitlines()
  rows = [f"r{i},{line}" for i, line in enumerate(lines[1:])]
  content = "\n".join([lines[0], *rows])
  dataset = table(content, patient="pid")
  assert dataset.info.only.numeric == ("age", "dose")
  assert "dropped the column 'row.names'" in dataset.card["changes"][0]["what"]
  assert dataset.splits["train"].ids[0].startswith("cohort.csv:")
  named = table(content, patient="pid", id="row.names")
  assert named.splits["train"].ids[0].startswith("r")
  assert named.card["changes"] == []


def test_decimal_commas_are_numbers_in_training_and_in_new_files(
  table, tmp_path
):
  content = "crp;hb;outcome\n" + "".join(
    f"{i % 9},{i % 10};{i};{i % 2}\n" for i in range(5, 45)
  )
  dataset = table(content, delimiter=";", decimal=",")
  assert dataset.info.only.numeric == ("crp", "hb")
  (tmp_path / "new.csv").write_text("crp;hb\n12,5;1\n")
  new = dataset.encode(str(tmp_path / "new.csv"))
  assert new.arrays["features"].tolist() == [[12.5, 1]]


def test_numbers_in_a_column_of_free_text_are_told_with_the_first_other(table):
  content = "x,note,outcome\n" + "".join(
    f"{i % 7},{i if i % 5 < 2 else f't{i}'},{i % 2}\n" for i in range(80)
  )
  (change,) = table(content).card["changes"]
  assert "40% of its cells are numbers" in change["what"]
  assert "first other in" in change["what"]
  assert "cohort.csv, row 4" in change["what"]


def test_numbers_may_be_names_of_classes(table):
  content = "x,outcome\n" + "".join(f"{i % 7},{i % 2}\n" for i in range(40))
  assert table(content, classes=("1", "0")).info.target.names == ("1", "0")


def test_a_class_of_minus_one_is_named(table):
  content = "x,outcome\n" + "".join(f"{i % 7},{i % 3 - 1}\n" for i in range(60))
  dataset = table(content)
  assert dataset.info.target.names == ("-1", "0", "1")
  *_, line = cards.lines(dataset.card)
  assert line.startswith("note: the label -1 is read as a class like any other")
