"""Patients, levels and classes in several spellings."""

import pytest

from tests.data.tables.cohort import text

OTHER = {"{:03d}": "{}", "{}.0": "{}", "P{}": "p{}", "{} ": "{}\u200b"}
"""A patient's number in two spellings."""


def visits(*forms, header="pid,sex,dose,outcome", sex="{}", n=60):
  """Two visits of each patient, whose ids have these forms in turn."""
  lines = [header]
  for i in range(n):
    for form in forms:
      who = form.format(i)
      lines.append(f"{who},{sex.format(i % 2)},{i / 2},{'yn'[i % 3 == 0]}")
  return "\n".join(lines) + "\n"


@pytest.mark.parametrize("forms", OTHER.items())
def test_a_patient_in_two_spellings_is_in_one_split(table, forms):
  dataset = table(visits(*forms), patient="pid")
  rows = [
    {int(name.split(":")[1]) // 2 for name in split.ids}
    for split in dataset.splits.values()
  ]
  assert sum(map(len, rows)) == 60
  (change,) = (c for c in dataset.card["changes"] if "patient" in c["what"])
  assert change["count"] == 60
  assert "row 2" in change["what"]
  assert "row 3" in change["what"]


@pytest.mark.parametrize("forms", OTHER.items())
def test_a_patient_in_two_files_is_refused_in_any_spelling(fault, forms):
  first, second = forms
  message = fault(visits(first), visits(second, n=20), patient="pid")
  assert "cohort.csv, row 2 (train)" in message
  assert "later.csv, row 2 (test)" in message
  assert "leading zeros" in message


def test_levels_and_groups_in_another_spelling_are_the_trained_ones(table):
  later = visits("t{}", sex="{}.0", n=20)
  dataset = table(
    visits("p{}"), later, patient="pid", categorical=("sex",), groups=("sex",)
  )
  codes = dataset.splits["test"].arrays["categories"][:, 0]
  assert codes.tolist() == [i % 2 for i in range(20)]
  assert set(dataset.splits["test"].groups["sex"]) == {"0", "1"}
  assert any("spellings in 'sex'" in c["what"] for c in dataset.card["changes"])


def test_levels_in_another_case_are_the_trained_ones_and_counted(table):
  later = visits("t{}", sex="M", n=20).replace(",M,", ",Male,", 7)
  dataset = table(visits("p{}", sex="m"), later, patient="pid", drop=("dose",))
  codes = dataset.splits["test"].arrays["categories"][:, 0]
  assert codes.tolist() == [-1] * 7 + [0] * 13
  counts = {c["what"]: c["count"] for c in dataset.card["changes"]}
  assert counts["levels never seen in training taken for missing"] == 7
  assert (
    counts["levels that differ from one in training by case, taken for it"]
    == 13
  )


def test_a_new_file_is_read_in_any_spelling(table, tmp_path, caplog):
  dataset = table(visits("P{}", sex="\u00e9{}"), patient="pid")
  (tmp_path / "new.csv").write_text(
    "pid,sex,dose\np1,e\u03010,1\nP1,\u00c91,2\nq,other,3\n"
  )
  split = dataset.encode(str(tmp_path / "new.csv"))
  assert split.arrays["categories"][:, 0].tolist() == [0, 1, -1]
  assert split.patients.tolist() == ["p1", "p1", "q"]
  assert "spellings of a patient taken" in caplog.text


def test_classes_that_look_equal_are_one_and_those_of_two_cases_refused(
  table, fault
):
  odd = text().replace(",y,", ",y\u200b,", 3)
  dataset = table(odd)
  assert dataset.info.target.names == ("n", "y")
  assert any("'outcome'" in c["what"] for c in dataset.card["changes"])
  cased = text().replace(",y,", ",Y,", 3)
  assert "differ in case alone: spell them alike" in fault(cased)
  assert table(cased, classes=("n", "y", "Y")).info.target.names == (
    "n",
    "y",
    "Y",
  )


def test_levels_that_differ_in_case_alone_are_told(table):
  content = text().replace(",f,", ",F,", 3)
  changes = table(content, drop=("note", "pid")).card["changes"]
  levels = [c for c in changes if "'sex' kept apart" in c["what"]]
  assert [change["count"] for change in levels] == [2]
  assert "'F' and 'f'" in levels[0]["what"]
