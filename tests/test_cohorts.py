"""A trained run on another cohort: every row, read exactly as predict does."""

import csv
import pathlib

import numpy as np
import pytest

from medfm import command, evaluate, predict, study
from medfm.types import Folders, UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  return tmp_path_factory.mktemp("cohorts")


@pytest.fixture(scope="module")
def folders(shared_cache):
  return Folders(None, shared_cache)


def config(name, *overrides):
  return command.config(str(ROOT / "configs" / name), overrides)


def judged(place, folders, name, *overrides):
  """The results on another cohort, and what predictions.csv says of it."""
  data = command.data(config(name, *overrides))
  results = evaluate.evaluate(place, None, data, folders)
  path = place / "evaluations" / results["name"] / "predictions.csv"
  return results["stages"]["train"], list(csv.DictReader(path.open()))


def equal(rows, place, source, tmp_path):
  """Every probability of evaluate is, in all its digits, that of predict."""
  written = predict.predict(place, None, str(source), str(tmp_path / "p.csv"))
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


@pytest.fixture(scope="module")
def of_table(here, folders):
  """A network trained on a table, in batches that 101 rows do not fill."""
  place, path = here / "table", table(here / "here.csv", 120, 0)
  given = config(
    "own_table.py:tiny", *TABLE, f"data.path={path}", "batch_size=32"
  )
  study.study(given, place, folders)
  return place


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


def test_unknown_levels_and_columns_are_told_by_predict_too(
  of_table, tmp_path, caplog
):
  path = table(tmp_path / "new.csv", 9, 1, stage=("IV",), site=("north",))
  predict.predict(of_table, None, str(path), str(tmp_path / "p.csv"))
  what = "9 cells of 'stage' hold levels never seen in training ('IV')"
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


def test_all_missing_columns_are_named_by_both(of_table, folders, tmp_path):
  path = tmp_path / "narrow.csv"
  path.write_text("pid,outcome,age,CRP\na,ill,50,1\nb,well,30,2\n")
  lacks = r"no columns 'crp', 'fever', 'smoker', 'stage'"
  with pytest.raises(UserError, match=lacks):
    judged(of_table, folders, "own_table.py", *TABLE, f"data.path={path}")
  with pytest.raises(UserError, match=lacks):
    predict.predict(of_table, None, str(path), None)
