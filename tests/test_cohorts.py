"""A trained run on another cohort: every row, read exactly as predict does."""

import csv
import dataclasses
import functools
import json

import numpy as np
import PIL.Image
import pytest

from medfm import command, evaluate, predict
from medfm.data.datasets import corpus, medmnist, pubmedqa, survival
from medfm.data.text import tokenizers
from medfm.evals import cohorts
from medfm.types import Folders, UserError
from tests import readings
from tests.running import ROOT, check_evaluation, check_workdir, run

pytestmark = [
  pytest.mark.xdist_group("cohorts"),
  pytest.mark.usefixtures("undrawn"),
]
SMALL = functools.partial(tokenizers.wordpiece, vocabulary=400)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  return tmp_path_factory.mktemp("cohorts")


@pytest.fixture(scope="module")
def folders(shared_cache):
  return Folders(None, shared_cache)


def judged(place, folders, name, *overrides):
  """The results on another cohort, and what predictions.csv says of it."""
  path = str(ROOT / "configs" / name)
  data = command.data(command.config(path, overrides))
  results = evaluate.evaluate(place, None, data, folders)
  folder = place / "evaluations" / results["evaluation"]["folder"]
  rows = csv.DictReader((folder / "predictions.csv").open())
  return results["stages"]["train"], [r for r in rows if r["stage"] == "train"]


def equal(rows, place, source, tmp_path, *given):
  """Every probability of evaluate is, in all its digits, that of predict."""
  out = str(tmp_path / "p.csv")
  written = predict.predict(place, None, str(source), out, given)
  new = {row["id"]: row for row in csv.DictReader(written.open())}
  assert len(rows) == len(new)
  for row in rows:
    shown = {k: v for k, v in row.items() if k.startswith(("prob", "value"))}
    assert shown and shown == {k: new[row["id"]][k] for k in shown}


def table(path, n, seed, order=(), **levels):
  """Synthetic patients; the outcome follows the age."""
  draw = np.random.default_rng(seed)
  kinds = {"smoker": ("yes", "no", ""), "stage": ("I", "II"), **levels}
  columns = {
    "pid": [f"p{i // 2}" for i in range(n)],
    "age": [str(draw.integers(20, 90)) for _ in range(n)],
    "crp": ["" if i % 9 == 4 else f"{draw.gamma(2):.3f}" for i in range(n)],
    "fever": [str(draw.integers(2)) for _ in range(n)],
    **{k: [v[i % len(v)] for i in range(n)] for k, v in kinds.items()},
  }
  ages = np.array(columns["age"], int)
  sick = ages + draw.normal(0, 20, n) > 55
  columns["outcome"] = np.where(sick, "ill", "well").tolist()
  columns = {name: columns[name] for name in (*order, *columns)}
  with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
  return path


TABLE = ("data.label=outcome", "data.patient=pid")
MAJORITY = "evaluators.baselines.names=majority,"


@pytest.fixture(scope="module")
def of_table(here, folders):
  """A network trained on a table, in batches that 101 rows do not fill."""
  place, path = here / "table", table(here / "here.csv", 120, 0)
  settings = (*TABLE, f"data.path={path}", "batch_size=32", MAJORITY)
  run("own_table.py:tiny", place, folders, *settings)
  return place


def check_run(place, folders):
  results = json.loads((place / "results.json").read_text())
  check_workdir(place, results)
  check_evaluation(place, results, folders)


def test_a_run_on_an_own_table_is_whole(of_table, folders):
  check_run(of_table, folders)


def test_new_rows_need_neither_a_label_nor_a_patient(of_table, tmp_path):
  path = tmp_path / "new.csv"
  path.write_text("age,crp,fever,smoker,stage\n33,1,0,no,I\n80,,1,,II\n")
  written = predict.predict(of_table, None, str(path), None)
  rows = list(csv.DictReader(written.open()))
  assert [row["id"] for row in rows] == ["new.csv:2", "new.csv:3"]
  for row in rows:
    total = float(row["prob_ill"]) + float(row["prob_well"])
    assert total == pytest.approx(1, abs=1e-5)


def test_a_table_is_read_and_scored_as_predict_reads_it(
  of_table, folders, tmp_path, capsys
):
  path = table(
    tmp_path / "there.csv",
    101,
    7,
    order=("stage", "outcome", "crp"),
    stage=("II", "IV", "I"),
    fever=("1.0", "0.0"),
    site=("north", "south"),
  )
  capsys.readouterr()
  stage, rows = judged(
    of_table, folders, "own_table.py", *TABLE, f"data.path={path}"
  )
  assert [entry["n"] for entry in stage["splits"].values()] == [101]
  equal(rows, of_table, path, tmp_path)
  said, changes = capsys.readouterr().out, stage["data"]["card"]["changes"]
  for what, count in {
    "'stage' hold levels never seen in training ('IV')": 34,
    "columns that training did not have, ignored: site": 1,
  }.items():
    (change,) = [change for change in changes if what in change["what"]]
    assert change["count"] == count
    assert change["what"] in said
  assert "there: all 101 rows (51 patients)" in said


def test_what_is_said_of_a_row_depends_on_no_other(here, folders, tmp_path):
  place, path = here / "rows", here / "rows.csv"
  table(path, 60, 2)
  settings = (*TABLE, "data.id=name", f"data.path={path}")
  lines = path.read_text().splitlines()
  lines = ["name," + lines[0], *(f"n{i},{x}" for i, x in enumerate(lines[1:]))]
  path.write_text("\n".join(lines) + "\n")
  batch = "batch_size=0"
  run("own_table.py:tiny", place, folders, *settings, batch, MAJORITY)
  _, rows = judged(place, folders, "own_table.py", *settings)
  few = tmp_path / "few.csv"
  few.write_text("\n".join([lines[0], *lines[:30:-3]]) + "\n")
  kept = [line.partition(",")[0] for line in lines[:30:-3]]
  equal([row for row in rows if row["id"] in kept], place, few, tmp_path)


def test_unknown_levels_and_columns_are_told_by_predict_too(
  of_table, tmp_path, caplog
):
  path = table(tmp_path / "new.csv", 9, 1, stage=("IV",), site=("north",))
  predict.predict(of_table, None, str(path), str(tmp_path / "p.csv"))
  what = "cells of 'stage' hold levels never seen in training ('IV')"
  assert what in caplog.text
  assert "ignored: site, outcome" in caplog.text


def test_a_cohort_needs_no_training_part_nor_every_class_nor_every_label(
  of_table, folders, tmp_path
):
  lines = ["outcome,pid,stage,smoker,fever,crp,age,part"]
  lines += ["ill,a,I,no,1,0.3,50,test", ",b,I,yes,0,,70,test"]
  path = tmp_path / "few.csv"
  path.write_text("\n".join([*lines, "ill,c,II,,0,2,33,val"]) + "\n")
  settings = (*TABLE, f"data.path={path}", "data.split_column=part")
  stage, rows = judged(of_table, folders, "own_table.py", *settings)
  (entry,) = stage["splits"].values()
  assert [row["label"] for row in rows] == ["ill", "", "ill"]
  assert entry["metrics"]["accuracy"]["value"] is not None
  changes = {c["what"]: c["count"] for c in stage["data"]["card"]["changes"]}
  assert (
    changes["rows without a label (outcome), predicted and not scored"] == 1
  )


@pytest.mark.parametrize(
  ("labels", "lost"), [(("ill", "well", "dead"), 20), (("well", "ill"), 0)]
)
def test_a_class_that_training_did_not_know_is_predicted_and_not_scored(
  of_table, folders, tmp_path, labels, lost
):
  path = table(tmp_path / f"{lost}.csv", 60, 3, outcome=labels)
  text = path.read_text().splitlines()
  body = [f"{row.rpartition(',')[0]}" for row in text]
  rows = [body[0] + ",outcome"]
  rows += [f"{row},{labels[i % len(labels)]}" for i, row in enumerate(body[1:])]
  path.write_text("\n".join(rows) + "\n")
  stage, rows = judged(
    of_table, folders, "own_table.py", *TABLE, f"data.path={path}"
  )
  assert len(rows) == 60 and [r["label"] for r in rows].count("") == lost
  changes = {c["what"]: c["count"] for c in stage["data"]["card"]["changes"]}
  what = "rows with a label unknown to training (outcome: 'dead'), predicted"
  assert changes.get(f"{what} and not scored", 0) == lost


def test_a_label_spelled_otherwise_is_told_and_a_wrong_one_refused(
  of_table, folders, tmp_path
):
  path = table(tmp_path / "case.csv", 30, 3)
  settings = (*TABLE, f"data.path={path}")
  path.write_text(path.read_text().replace(",ill", ",Ill"))
  stage, rows = judged(of_table, folders, "own_table.py", *settings)
  assert {row["label"] for row in rows} == {"ill", "well"}
  changes = [change["what"] for change in stage["data"]["card"]["changes"]]
  what = "labels of 'outcome' spelled otherwise than in training, taken for one"
  assert what in changes
  path.write_text(path.read_text().replace(",Ill", ",sick"))
  with pytest.raises(UserError, match=r"'sick', which .* and not 'ill'"):
    judged(of_table, folders, "own_table.py", *settings)


def test_a_file_laid_out_otherwise_is_told_to_both_alike(
  of_table, folders, tmp_path
):
  path = table(tmp_path / "laid.csv", 33, 5)
  text = path.read_text().replace(",,", ",-9.00,").replace(",", ";")
  path.write_text(text.replace(".", ","))
  given = "data.delimiter=;", "data.decimal=,", "data.missing=-9.00"
  paths = *TABLE, f"data.path={path}"
  stage, rows = judged(of_table, folders, "own_table.py", *paths, *given)
  changes = [each["what"] for each in stage["data"]["card"]["changes"]]
  assert any("taken for missing that training did not" in c for c in changes)
  equal(rows, of_table, path, tmp_path, *given)
  for wrong in ("data.classes=a,b", "batch_size=3"):
    with pytest.raises(UserError, match="read as training read its own; of"):
      predict.predict(of_table, None, str(path), None, [wrong])


def test_a_cohort_without_any_label_is_sent_to_predict(
  of_table, folders, tmp_path
):
  path = table(tmp_path / "unlabelled.csv", 9, 1, outcome=("",))
  settings = (*TABLE, f"data.path={path}")
  for text in (path.read_text(), path.read_text().replace("outcome", "outcom")):
    rows = [line.rpartition(",")[0] + "," for line in text.splitlines()[1:]]
    path.write_text("\n".join([text.splitlines()[0], *rows]) + "\n")
    with pytest.raises(UserError, match=r"outcom.*--mode=predict"):
      judged(of_table, folders, "own_table.py", *settings)


def test_a_column_of_some_role_that_the_cohort_lacks_is_told_with_the_fix(
  of_table, folders, tmp_path
):
  path = table(tmp_path / "plain.csv", 9, 1)
  paths = "data.label=outcome", f"data.path={path}"
  for given, fix in {
    "data.patient=who": "--config.data.patient= for none",
    "data.id=number": "--config.data.id= for none",
    "data.groups=site,": r"--config.data.groups=\(\) for none",
  }.items():
    with pytest.raises(UserError, match=fix):
      judged(of_table, folders, "own_table.py", *paths, given)


def test_all_missing_columns_are_named_by_both(of_table, folders, tmp_path):
  path = tmp_path / "narrow.csv"
  path.write_text("pid,outcome,age,CRP\na,ill,50,1\nb,well,30,2\n")
  lacks = r"no columns 'crp', 'fever', 'smoker', 'stage'"
  with pytest.raises(UserError, match=lacks):
    judged(of_table, folders, "own_table.py", *TABLE, f"data.path={path}")
  with pytest.raises(UserError, match=lacks):
    predict.predict(of_table, None, str(path), None)


WORDS = ("no", "acute", "chest", "pain", "fever", "cough", "since", "two")


def notes(path, n, seed, words=WORDS, suffix=1):
  """Synthetic texts; every third is longer than a row of 16 tokens."""
  draw = np.random.default_rng(seed)
  lines = ["text,diagnosis,who"]
  for i in range(n):
    text = " ".join(draw.choice(words, 40 if i % 3 == 0 else 6))
    lines.append(
      f"{text} {i % suffix},{'ill' if 'pain' in text else 'well'},{i}"
    )
  path.write_text("\n".join(lines) + "\n")
  return path


def test_texts_are_read_with_the_tokenizer_and_length_of_training(
  here, folders, tmp_path, capsys
):
  place, settings = here / "text", ("data.label=diagnosis",)
  run(
    "own_text.py:rnn,tiny",
    place,
    folders,
    *settings,
    f"data.path={notes(here / 'notes.csv', 90, 0, suffix=90)}",
    "data.length=16",
    "batch_size=16",
    MAJORITY,
  )
  path = notes(tmp_path / "others.csv", 41, 5, [*WORDS, "dyspnoea"], suffix=41)
  capsys.readouterr()
  stage, rows = judged(
    place, folders, "own_text.py", *settings, f"data.path={path}"
  )
  assert [entry["n"] for entry in stage["splits"].values()] == [41]
  assert "length=16" in capsys.readouterr().out
  equal(rows, place, path, tmp_path)
  with pytest.raises(UserError, match="trained on single texts"):
    judged(
      place, folders, "own_text.py", *settings, f"data.path={path}",
      "data.pair=who",
    )  # fmt: skip


def tagged(path, n, seed, kinds):
  """Synthetic sentences in which a word of each kind is an entity."""
  draw = np.random.default_rng(seed)
  lines = []
  for _ in range(n):
    for word in (*draw.choice(WORDS, 5), *kinds):
      lines.append(f"{word}\t{f'B-{kinds[word]}' if word in kinds else 'O'}")
    lines.append("")
  path.write_text("\n".join(lines) + "\n")
  return path


def test_tags_are_matched_by_name_and_other_entities_are_none(
  here, folders, tmp_path
):
  place = here / "tags"
  kinds = {"aspirin": "Drug", "asthma": "Disease"}
  path = tagged(here / "here.iob", 40, 0, kinds)
  none = "evaluators.baselines.names=()"
  run("own_iob.py:tiny", place, folders, f"data.path={path}", none)
  other = {"asthma": "Disease", "femur": "Anatomy", "aspirin": "Drug"}
  path = tagged(tmp_path / "there.iob", 11, 4, other)
  stage, rows = judged(place, folders, "own_iob.py", f"data.path={path}")
  assert [entry["n"] for entry in stage["splits"].values()] == [11]
  assert all(r["label"].count("O") == 6 for r in rows)
  written = predict.predict(place, None, str(path), str(tmp_path / "p.csv"))
  new = {r["id"]: r["predicted"] for r in csv.DictReader(written.open())}
  assert new == {row["id"]: row["predicted"] for row in rows}
  what = "labels that training did not have, not scored (B-Anatomy, I-Anatomy)"
  changes = [change["what"] for change in stage["data"]["card"]["changes"]]
  assert what in changes


@pytest.mark.parametrize(
  "factory",
  [
    functools.partial(survival.survival, name="veteran"),
    functools.partial(pubmedqa.pubmedqa, length=160, tokenizer=SMALL),
  ],
  ids=["veteran", "pubmedqa"],
)
def test_every_row_of_a_public_set_is_read_as_training_read_it(
  factory, shared_folders
):
  readings.assert_every_row_is_read_as_training_read_it(factory, shared_folders)


def test_a_corpus_is_read_whole_with_the_tokenizer_of_training(shared_folders):
  factory = functools.partial(
    corpus.corpus, sets=("chemprot",), length=64, tokenizer=SMALL
  )
  data = factory(shared_folders)
  again = cohorts.read(factory, shared_folders, readings.of(data))
  (whole,) = again.splits.values()
  counts = [
    sum(int((split.arrays["segment"] > 0).sum()) for split in each)
    for each in (data.splits.values(), [whole])
  ]
  assert counts[0] == counts[1]


def test_public_images_are_made_those_of_training(shared_folders):
  small = functools.partial(medmnist.medmnist, name="breastmnist")
  data = small(shared_folders)
  described = dataclasses.replace(data.info.only, size=(20, 20), channels=3)
  reading = readings.of(data)._replace(
    inputs={"image": described}, settings={"resize": "stretch"}
  )
  read = cohorts.read(small, shared_folders, reading)
  assert read.splits["test"].arrays["image"].shape == (780, 20, 20, 3)
  changes = {c["what"]: c["count"] for c in read.card["changes"]}
  assert changes["images of 28 x 28 made 20 x 20 (stretch)"] == 780
  assert changes["grey copied to three channels"] == 780


def pictures(root, n, seed, draw):
  """Synthetic images of two classes, and files of other kinds."""
  generator = np.random.default_rng(seed)
  for label, shade in (("dark", 60), ("light", 180)):
    (root / label).mkdir(parents=True)
    for i in range(n):
      draw(root / label / f"{i}", i, shade, generator)
  return root


def small_and_grey(path, i, shade, generator):
  pixels = generator.normal(shade, 20, (20, 24)).clip(0, 255)
  PIL.Image.fromarray(pixels.astype(np.uint8)).save(f"{path}.png")


def of_many_kinds(path, i, shade, generator):
  """In colour, of 16 bits, and grey, all larger."""
  if i % 3 == 0:
    pixels = generator.normal(shade, 40, (64, 64, 3)).clip(0, 255)
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(f"{path}.png")
  elif i % 3 == 1:
    pixels = generator.normal(shade * 257, 5000, (50, 64)).clip(0, 65535)
    PIL.Image.fromarray(pixels.astype(np.uint16)).save(f"{path}.tif")
  else:
    small_and_grey(path, i, shade, generator)


@pytest.fixture(scope="module")
def of_images(here, folders):
  place, root = here / "images", pictures(here / "scans", 20, 0, small_and_grey)
  run(
    "own_images.py:tiny",
    place,
    folders,
    f"data.path={root}",
    "data.resize=crop",
    "batch_size=16",
    MAJORITY,
  )
  return place


def test_a_run_on_own_images_is_whole(of_images, folders):
  check_run(of_images, folders)


def test_images_of_any_kind_are_made_those_of_training(
  of_images, folders, tmp_path, capsys
):
  root = pictures(tmp_path / "elsewhere", 11, 3, of_many_kinds)
  capsys.readouterr()
  settings = (f"data.path={root}", "data.size=64", "data.name=elsewhere")
  stage, rows = judged(of_images, folders, "own_images.py", *settings)
  assert [entry["n"] for entry in stage["splits"].values()] == [22]
  said = capsys.readouterr().out
  equal(rows, of_images, root, tmp_path)
  (line,) = [line for line in said.splitlines() if "read as" in line]
  assert "8 colour made grey" in line and "8 of 16 bits made 8" in line
  assert "(as in training)" in line and "resize='crop' of training" in said


@pytest.mark.parametrize("part", ["", "test"])
def test_a_folder_of_few_images_of_one_class_is_scored(
  of_images, folders, tmp_path, part
):
  root = pictures(tmp_path / "few", 2, 3, small_and_grey)
  for path in (root / "light").iterdir():
    path.unlink()
  (root / "light").rmdir()
  if part:
    (root / part).mkdir()
    (root / "dark").rename(root / part / "dark")
  settings = (f"data.path={root}", f"data.name=few{part}")
  _, rows = judged(of_images, folders, "own_images.py", *settings)
  assert [row["label"] for row in rows] == ["dark", "dark"]
