"""Who was analysed: flow, table 1, events per variable."""

import json

import numpy as np
import pytest

from medfm.data import cards
from medfm.evals import participants as evaluated
from medfm.evals import table_one
from medfm.evals.table_one import Characteristic
from medfm.types import Split
from tests import infos
from tests.evals import contexts

INFO = infos.info(
  "toy",
  "multiclass",
  ("benign", "malignant"),
  numeric=("age", "marker"),
  numeric_mean=(50.0, 1.0),
  numeric_std=(10.0, 1.0),
  categorical={"stage": ("i", "ii", "iii")},
)
CARD = {
  "changes": [
    {"what": "dropped rows without a label (status)", "count": 7},
    {"what": "dropped the column 'note': free text", "count": 1},
    {"what": "dropped as asked: the columns date", "count": 1},
    {"what": "images that cannot be read, skipped", "count": 2},
    {"what": "kept columns that are constant in training: x", "count": 1},
  ]
}


def _split(count, seed, age=50.0):
  generator = np.random.default_rng(seed)
  features = np.stack(
    [generator.normal(age, 10, count), np.exp(generator.normal(0, 1, count))], 1
  ).astype(np.float32)
  features[::5, 0] = np.nan
  label = (np.arange(count) % 4 == 0).astype(np.int32)
  arrays = {
    "features": features,
    "categories": generator.integers(-1, 3, (count, 1)).astype(np.int32),
    "label": label,
  }
  return Split(
    arrays,
    np.array([f"{seed}-{i}" for i in range(count)]),
    patients=np.array([f"{seed}p{i // 2}" for i in range(count)]),
    groups={"sex": generator.choice(["f", "m", ""], count)},
  )


def _blocks(data, train, info=INFO, card=CARD, variables=None):
  given = contexts.of(info, data, card=card, train=train, variables=variables)
  blocks = evaluated.participants(given).blocks[""]
  assert json.loads(json.dumps(blocks)) == blocks
  return {block["title"]: block for block in blocks}


@pytest.fixture(scope="module")
def made():
  data = {"train": _split(80, 0), "test": _split(60, 1, age=80.0)}
  data["test"].arrays["label"][:3] = -1
  used = data["train"].take(np.arange(40))
  params = {"params": {"a": np.zeros((3, 4)), "b": {"c": np.zeros(5)}}}
  return data, used, _blocks(data, used, variables=params)


def test_the_flow_goes_from_the_source_to_the_rows_analysed(made):
  _, _, blocks = made
  block = blocks["Participant flow"]
  rows = {name: cells for name, *cells in block["rows"]}
  assert rows["In the source"] == [80 + 60 + 7 + 2, ""]
  assert rows["− dropped rows without a label (status)"] == [7, ""]
  assert rows["− images that cannot be read, skipped"] == [2, ""]
  assert not [name for name in rows if "column" in name]
  assert rows["Read"] == [140, 70]
  assert rows["train: in the split"] == [80, 40]
  assert rows["train: analysed"] == [40, 20]
  assert rows["test: without a label, not scored"] == [3, ""]
  assert rows["test: analysed"] == [57, 29]
  assert "train 40, test 57 examples; 9 were excluded" in block["headline"]


def test_windows_of_one_text_are_one_participant():
  data = {"test": _split(60, 1)}
  data["test"].arrays["document"] = np.arange(60) // 3
  train = _split(30, 0)
  train.arrays["document"] = np.arange(30) // 3
  units = data["test"].take(np.arange(0, 60, 3))
  blocks = _blocks({"train": train, "test": units}, train)
  rows = {n: cells for n, *cells in blocks["Participant flow"]["rows"]}
  assert rows["train: in the split"][0] == 10
  assert rows["test: in the split"][0] == 20


def test_table_one_has_outcome_groups_and_features_by_split(made):
  _, used, blocks = made
  block = blocks["Characteristics by split (table 1)"]
  assert block["columns"] == ["", "train", "test", "SMD test"]
  rows = {name: cells for name, *cells in block["rows"]}
  assert rows["n"] == ["40", "60", ""]
  assert rows["class: malignant"][:2] == ["10 (25.0 %)", "14 (24.6 %)"]
  assert rows["class: missing"][:2] == ["0 (0.0 %)", "3 (5.0 %)"]
  sex = used.groups["sex"]
  count, known = (sex == "m").sum(), (sex != "").sum()
  assert rows["sex: m"][0] == f"{count} ({100 * count / known:.1f} %)"
  age = used.arrays["features"][:, 0]
  mean, spread = np.nanmean(age), np.nanstd(age, ddof=1)
  assert rows["age"][0] == f"{mean:.1f} ({spread:.1f}); 20.0 % missing"
  marker = used.arrays["features"][:, 1].astype(float)
  low, middle, high = np.quantile(marker, [0.25, 0.5, 0.75])
  assert rows["marker"][0] == f"{middle:.1f} [{low:.1f}, {high:.1f}]"


def test_what_differs_between_splits_is_told_above(made):
  data, used, blocks = made
  block = blocks["Characteristics by split (table 1)"]
  rows = {name: cells for name, *cells in block["rows"]}
  a, b = used.arrays["features"][:, 0], data["test"].arrays["features"][:, 0]
  spread = np.sqrt((np.nanvar(a, ddof=1) + np.nanvar(b, ddof=1)) / 2)
  apart = (np.nanmean(b) - np.nanmean(a)) / spread
  assert rows["age"][2] == f"{apart:.2f}"
  assert "age" in block["headline"]


def test_the_difference_of_two_shares_is_austins():
  a, b = np.repeat([0, 1], (30, 10)), np.repeat([0, 1], (20, 20))
  each = Characteristic("x", {"train": a, "test": b}, ("no", "yes"))
  expected = (0.5 - 0.25) / np.sqrt((0.25 * 0.75 + 0.5 * 0.5) / 2)
  assert table_one.difference(each, "train", "test") == pytest.approx(expected)


def test_the_difference_of_several_shares_is_mahalanobis_distance():
  generator = np.random.default_rng(0)
  a = generator.choice(3, 90, p=[0.5, 0.3, 0.2])
  b = generator.choice(3, 60, p=[0.2, 0.3, 0.5])
  each = Characteristic("x", {"train": a, "test": b}, ("p", "q", "r"))
  shares = [np.eye(3)[x].mean(0)[:2] for x in (a, b)]
  spread = np.mean(
    [np.cov(np.eye(3)[x][:, :2].T, bias=True) for x in (a, b)], axis=0
  )
  apart = shares[0] - shares[1]
  expected = np.sqrt(apart @ np.linalg.inv(spread) @ apart)
  assert table_one.difference(each, "train", "test") == pytest.approx(expected)


def test_alike_splits_do_not_differ_and_constants_have_no_measure():
  same = np.arange(20.0)
  each = Characteristic("x", {"train": same, "test": same})
  assert table_one.difference(each, "train", "test") == 0
  each = Characteristic("x", {"train": np.ones(9), "test": np.zeros(9)})
  assert table_one.difference(each, "train", "test") is None


def test_events_per_variable_count_the_rarer_answer_and_every_level(made):
  _, _, blocks = made
  rows = dict(blocks["Events per variable"]["rows"])
  assert rows["Events (the rarest answer, malignant)"] == 10
  assert rows["Candidate predictors"] == 3
  assert rows["Candidate predictor parameters"] == 2 + 2
  assert rows["Events per predictor parameter"] == "2.5"
  assert rows["Weights of the model"] == 17


def test_another_cohort_has_its_flow_and_no_difference_from_training():
  blocks = _blocks({"test": _split(60, 1)}, None)
  assert set(blocks) == {
    "Participant flow",
    "Characteristics by split (table 1)",
  }
  block = blocks["Characteristics by split (table 1)"]
  assert block["columns"] == ["", "cohort"] and block["headline"] == ""
  flow = blocks["Participant flow"]
  assert flow["headline"].startswith("Analysed: cohort 60 examples")
  assert flow["rows"][-1][0] == "Read"


def test_images_and_times_have_a_table_too():
  info = infos.info("toy", "survival", ("death",))
  generator = np.random.default_rng(0)

  def split(count):
    return Split(
      {
        "image": generator.integers(0, 255, (count, 4, 4, 1)).astype(np.uint8),
        "time": generator.exponential(3, count),
        "event": generator.integers(0, 2, count),
      },
      np.arange(count).astype(str),
    )

  data = {"train": split(40), "test": split(20)}
  blocks = _blocks(data, data["train"], info=info, card={})
  rows = {n: c for n, *c in blocks["Participant flow"]["rows"]}
  assert rows["Read"] == [60, "unknown"]
  names = [n for n, *_ in blocks["Characteristics by split (table 1)"]["rows"]]
  assert {"follow-up", "event: death", "mean intensity"} <= set(names)
  rows = dict(blocks["Events per variable"]["rows"])
  events = data["train"].arrays["event"].sum()
  assert rows == {"Events": events}


@pytest.mark.parametrize(
  ("what", "excluded"),
  [
    ("dropped rows without a label (column)", True),
    ("train: dropped rows without a label (x)", True),
    ("dropped encounters that end in death or a hospice", True),
    ("dropped interactions without a type", True),
    ("repeated rows, dropped", True),
    ("images that cannot be read, skipped", True),
    ("dropped the column 'x': a row counter", False),
    ("dropped as asked: the columns x", False),
    ("other files, ignored", False),
    ("columns dropped here and read by the model (x)", False),
    ("abstracts that repeat another, kept in its split", False),
  ],
)
def test_an_exclusion_is_told_from_other_changes(what, excluded):
  assert cards.excludes({"what": what, "count": 1}) == excluded
