"""A table and images of the same synthetic patients, joined and learnt from."""

import csv
import json

import jax
import numpy as np
import optax
import PIL.Image
import pytest

from medfm import spec, types
from medfm import step as steps
from medfm.data import joined, leakage
from medfm.data.images import own as own_images
from medfm.data.tables import own as own_table
from medfm.models import cnn, fusion, mlp
from medfm.objectives import classify
from medfm.spec import bind, build
from medfm.types import Folders, UserError
from tests import readings

PATIENTS = 30
NO_SCAN = ("p3", "p7", "p14")
NO_ROW = ("p20", "p25")


def split_of(patient):
  return ("train", "train", "val", "test", "train")[patient % 5]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
  """Synthetic patients: the table tells half of the truth, the scan half."""
  root = tmp_path_factory.mktemp("cohort")
  generator = np.random.default_rng(0)
  rows, scans = [], []
  for i in range(PATIENTS):
    high, bright = generator.integers(0, 2, 2)
    sick = ("well", "ill")[int(high | bright)]
    if f"p{i}" not in NO_ROW:
      dose = high + generator.normal(0, 0.1)
      rows.append([f"p{i}", dose, "fm"[i % 2], sick, split_of(i)])
    if f"p{i}" not in NO_SCAN:
      shade = generator.normal(60 + 120 * bright, 10, (12, 12)).clip(0, 255)
      PIL.Image.fromarray(shade.astype(np.uint8)).save(root / f"{i}.png")
      scans.append([f"{i}.png", f"p{i}", split_of(i)])
  write(root / "table.csv", ["pid", "dose", "sex", "outcome", "part"], rows)
  write(root / "scans.csv", ["image", "pid", "part"], scans)
  return root


def write(path, header, rows):
  with path.open("w", newline="") as file:
    csv.writer(file).writerows([header, *rows])


def config(**settings):
  table = bind(
    own_table.own_table,
    path="table.csv",
    label="outcome",
    patient="pid",
    split_column="part",
  )
  scan = bind(
    own_images.own_images,
    path="scans.csv",
    task="none",
    patient="pid",
    split_column="part",
    size=12,
  )
  return bind(joined.joined, parts={"table": table, "scan": scan}, **settings)


def load(place, **settings):
  folders = Folders(str(place), str(place / "cache"))
  factory = build(spec.from_json(spec.to_json(config(**settings))))
  return factory(folders)


@pytest.fixture(scope="module")
def data(place):
  return load(place)


def test_every_patient_of_either_part_is_an_example(data):
  whole = {
    name: np.concatenate([s.arrays[name] for s in data.splits.values()])
    for name in data.splits["train"].arrays
  }
  assert set(whole) == {
    "table/features", "table/categories", "table/present",
    "scan/image", "scan/present", "label",
  }  # fmt: skip
  patients = np.concatenate([s.patients for s in data.splits.values()])
  assert sorted(patients) == sorted(f"p{i}" for i in range(PATIENTS))
  for patient, table, scan, label in zip(
    patients,
    whole["table/present"],
    whole["scan/present"],
    whole["label"],
    strict=True,
  ):
    assert table == (patient not in NO_ROW)
    assert scan == (patient not in NO_SCAN)
    assert (label == -1) == (patient in NO_ROW)
  missing = ~whole["table/present"]
  assert np.isnan(whole["table/features"][missing]).all()
  assert not whole["scan/image"][~whole["scan/present"]].any()


def test_a_trained_model_reads_every_patient_as_training_read_it(place):
  factory = build(spec.from_json(spec.to_json(config())))
  folders = Folders(str(place), str(place / "cache"))
  readings.assert_every_row_is_read_as_training_read_it(factory, folders)


def test_what_is_missing_stands_on_the_card(data):
  counts = {each["what"]: each["count"] for each in data.card["changes"]}
  lost = sum(n for what, n in counts.items() if what.endswith("without scan"))
  assert lost == len(NO_SCAN)
  lost = sum(n for what, n in counts.items() if what.endswith("without table"))
  assert lost == len(NO_ROW)
  assert data.card["parts"]["scan"]["source"]["file"] == "scans.csv"


@pytest.mark.parametrize(
  ("keep", "count"), [("target", 28), ("complete", 25), ("all", 30)]
)
def test_what_is_kept_can_be_chosen(place, keep, count):
  assert sum(map(len, load(place, keep=keep).splits.values())) == count


def test_parts_that_split_differently_are_refused(place, tmp_path):
  factory = config()
  factory.parts.scan.split_column = ""
  folders = Folders(str(place), str(tmp_path))
  with pytest.raises(UserError, match="in different splits of"):
    build(factory)(folders)


def test_one_equal_input_makes_twins_and_missing_ones_do_not(data):
  clean = leakage.leakage(data)
  assert all(p["exact"]["count"] == 0 for p in clean["pairs"].values())
  assert clean["near_rule"].startswith("scan: images")
  train, test = data.splits["train"], data.splits["test"]
  i, j = (
    int(np.flatnonzero(s.arrays["scan/present"])[0]) for s in (train, test)
  )
  copied = test.arrays["scan/image"].copy()
  copied[j] = train.arrays["scan/image"][i]
  changed = test.arrays | {"scan/image": copied}
  other = types.Dataset(
    {"train": train, "test": types.Split(changed, test.ids, test.patients)},
    data.info,
    {},
  )
  exact = leakage.leakage(other)["pairs"]["train/test"]["exact"]
  assert exact == {
    "count": 1, "examples": [[str(train.ids[i]), str(test.ids[j])]],
  }  # fmt: skip


MODEL = bind(
  fusion.Fusion,
  encoders={
    "table": bind(mlp.MLP, widths=(8,)),
    "scan": bind(cnn.CNN, widths=(4,), hidden=8),
  },
  width=8,
)


@pytest.fixture(scope="module")
def trained(data):
  """The objective, its variables and losses after a few real steps."""
  entry = spec.from_json(spec.to_json(bind(classify.multiclass, model=MODEL)))
  objective = build(entry)(data.info)
  optimizer = optax.adam(1e-2)
  split = data.splits["train"]
  count = len(split)
  batch = dict(split.arrays) | {
    "weight": np.ones(count, np.float32),
    "id": np.arange(count, dtype=np.int32),
  }
  state = steps.initial(objective, optimizer, jax.random.key(0), batch)
  step = jax.jit(steps.train_step(objective, optimizer, seed=0))
  losses = []
  for _ in range(60):
    state, scalars = step(state, batch)
    losses.append(float(scalars["loss"]))
  return objective, steps.variables(state), losses, batch


def test_a_table_and_a_scan_are_learnt_from_together(trained):
  _, variables, losses, _ = trained
  assert losses[-1] < 0.6 * losses[0]
  params = variables["params"]["model"]
  assert {"encoder_table", "encoder_scan", "missing_table", "head"} <= set(
    params
  )


@pytest.mark.parametrize("missing", ["table", "scan"])
def test_what_a_missing_input_holds_changes_no_prediction(trained, missing):
  objective, variables, _, batch = trained
  predict = jax.jit(objective.predict)
  without = batch | {
    f"{missing}/present": np.zeros_like(batch[f"{missing}/present"])
  }
  probs = np.asarray(predict(variables, without)["probs"])
  assert np.isfinite(probs).all()
  assert np.abs(probs - predict(variables, batch)["probs"]).max() > 1e-3
  generator = np.random.default_rng(1)
  for name in without:
    if name.startswith(f"{missing}/") and not name.endswith("present"):
      noise = generator.normal(0, 99, without[name].shape)
      changed = without | {name: noise.astype(without[name].dtype)}
      again = np.asarray(predict(variables, changed)["probs"])
      np.testing.assert_array_equal(again, probs)


@pytest.mark.parametrize(
  ("array", "noise"), [("scan/image", 77), ("table/features", np.inf)]
)
def test_what_a_missing_input_holds_changes_no_gradient(trained, array, noise):
  objective, variables, _, batch = trained

  def total(params, batch):
    terms, _ = objective.loss(
      {**variables, "params": params}, batch, jax.random.key(1)
    )
    return terms["loss"].sum()

  gradient = jax.jit(jax.grad(total))
  absent = ~batch[f"{array.partition('/')[0]}/present"]
  assert absent.any()
  content = batch[array].copy()
  content[absent] = noise
  first = gradient(variables["params"], batch)
  second = gradient(variables["params"], batch | {array: content})
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(first))
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_the_learnt_vector_stands_for_what_is_missing_alone(trained):
  objective, variables, _, batch = trained
  model = dict(variables["params"]["model"])
  model["missing_scan"] = model["missing_scan"] + 1
  other = {"params": {"model": model}}
  before = np.asarray(objective.predict(variables, batch)["probs"])
  after = np.asarray(objective.predict(other, batch)["probs"])
  changed = (before != after).any(1)
  np.testing.assert_array_equal(changed, ~batch["scan/present"])


def test_new_examples_are_read_from_a_folder_even_without_an_input(
  data, place, tmp_path, trained
):
  encode = data.encode
  settings = {k: v for k, v in encode.keywords.items() if k != "info"}
  text = spec.to_json(bind(encode.func, **settings))
  read = build(spec.from_json(text))
  info = spec.noun(json.loads(json.dumps(spec.plain(data.info))))
  new = tmp_path / "new"
  new.mkdir()
  (new / "table.csv").write_text("pid,dose,sex\na,0.1,f\nb,1.2,m\n")
  split = read(str(new), info)
  assert split.arrays["table/present"].tolist() == [True, True]
  assert split.arrays["scan/present"].tolist() == [False, False]
  (new / "scan").mkdir()
  for name in ("b", "c"):
    PIL.Image.open(place / "0.png").save(new / "scan" / f"{name}.png")
  split = read(str(new), info)
  there = zip(
    split.arrays["table/present"], split.arrays["scan/present"], strict=True
  )
  assert sorted(there) == [(False, True), (True, False), (True, True)]
  objective, variables, _, _ = trained
  extra = {"id": np.arange(3), "weight": np.ones(3, np.float32)}
  probs = objective.predict(variables, split.arrays | extra)["probs"]
  assert np.isfinite(np.asarray(probs)).all()
  with pytest.raises(UserError, match="folder with a file or folder named"):
    read(str(new / "table.csv"), info)


def test_a_model_of_one_input_is_refused_in_one_line(data):
  with pytest.raises(UserError, match=r"table \(1 numbers and 1 categories\)"):
    classify.multiclass(data.info, model=mlp.MLP)


def test_the_parts_may_spell_a_patient_in_two_ways(place, tmp_path):
  for path in place.iterdir():
    if path.is_file():
      (tmp_path / path.name).write_bytes(path.read_bytes())
  header, rest = (tmp_path / "scans.csv").read_text().split("\n", 1)
  rest = rest.replace(",p", ",P")
  (tmp_path / "scans.csv").write_text(f"{header}\n{rest}")
  assert sum(map(len, load(tmp_path, keep="complete").splits.values())) == 25
