"""A run on a table, and other cohorts, whose every row predict reads alike."""

import csv

import numpy as np
import pytest

from medfm import predict
from medfm.types import UserError
from tests.cohorts.checks import MAJORITY, check_run, equal, judged
from tests.running import run

pytestmark = [
  pytest.mark.xdist_group("cohorts of tables"),
  pytest.mark.usefixtures("undrawn"),
]


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


@pytest.fixture(scope="module")
def of_table(here, folders):
  """A network trained on a table, in batches that 101 rows do not fill."""
  place, path = here / "table", table(here / "here.csv", 120, 0)
  settings = (*TABLE, f"data.path={path}", "batch_size=32", MAJORITY)
  run("own_table.py:tiny", place, folders, *settings)
  return place


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


def test_predictions_of_a_file_of_the_same_name_are_replaced_aloud(
  of_table, tmp_path, capsys
):
  for folder, age in (("a", 33), ("a", 33), ("b", 71)):
    path = tmp_path / folder / "same.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"age,crp,fever,smoker,stage\n{age},1,0,no,I\n")
    predict.predict(of_table, None, str(path), None)
    replaced = "held other predictions, which are replaced"
    assert (replaced in capsys.readouterr().out) == (folder == "b")


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
  (cut,) = [
    row
    for block in stage["blocks"]
    if block["title"] == "At the threshold chosen on validation"
    for name, row in block["rows"]
    if name == "Threshold"
  ]
  assert cut["low"] < cut["high"]
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
  with pytest.raises(UserError, match=r"'sick', which .* but lacks 'ill'"):
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
    with pytest.raises(UserError, match="only their layout"):
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
