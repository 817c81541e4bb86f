"""A user's own texts, and each mistake's message."""

import json

import numpy as np
import pytest

from medfm.data import leakage, splits
from medfm.data.text import own as own_text
from medfm.spec import bind, build, from_json, to_json
from medfm.tasks.multiclass import Classes
from medfm.types import Folders, UserError
from tests.data.text.small import settings


def lines(n=30, **change):
  """JSON lines of texts about two drugs."""
  rows = []
  for i in range(n):
    drug = ("aspirin", "warfarin")[i % 2]
    rows.append(
      {"text": f"case {i} took {drug}", "label": drug, "who": f"p{i // 3}"}
    )
  for row, entry in change.items():
    rows[int(row.removeprefix("row"))] |= entry
  return "\n".join(map(json.dumps, rows)) + "\n"


@pytest.fixture
def texts(tmp_path):
  """Makes the dataset of a file's content with these settings."""

  def make(content=None, name="notes.jsonl", other=None, **given):
    (tmp_path / name).write_text(lines() if content is None else content)
    if other is not None:
      (tmp_path / "later.jsonl").write_text(other)
      given["test_path"] = "later.jsonl"
    folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
    given = settings(**{"path": name, "label": "label", **given})
    return own_text.own_text(folders, **given)

  return make


@pytest.fixture
def fault(texts):
  def message(*args, **given):
    with pytest.raises(UserError) as caught:
      texts(*args, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)

  return message


def test_new_texts_are_separated_as_those_of_training(texts, tmp_path):
  rows = ["text;label"] + [f"note {i}, ok;{'ab'[i % 2]}" for i in range(30)]
  data = texts("\n".join(rows), name="notes.csv", delimiter=";")
  assert len(data.encode(str(tmp_path / "notes.csv")).ids) == 30


def test_texts_become_tokens_with_their_labels(texts):
  data = texts(document="who")
  assert isinstance(data.info.target, Classes)
  assert data.info.target.names == ("aspirin", "warfarin")
  assert sum(map(len, data.splits.values())) == 30
  for split in data.splits.values():
    rows = np.array([int(name.split(":")[1]) - 1 for name in split.ids])
    np.testing.assert_array_equal(split.arrays["label"], rows % 2)
    assert split.arrays["tokens"].shape == (len(split), 32)


def test_documents_stay_in_one_split(texts):
  parts = texts(document="who").splits
  sets = [set(split.patients) for split in parts.values()]
  assert sum(map(len, sets)) == len(set.union(*sets)) == 10


def test_equal_texts_stay_in_one_split(texts):
  same = {"text": "Case 0, took ASPIRIN."}
  content = lines(row7=same, row9=same, row20=same)
  parts = texts(content).splits
  homes = [
    name
    for name, split in parts.items()
    for row in ("1", "8", "10", "21")
    if f"notes.jsonl:{row}" in split.ids
  ]
  assert len(homes) == 4 and len(set(homes)) == 1


def test_the_vocabulary_is_on_info_and_the_card(texts):
  data = texts()
  assert data.info.only.vocabulary == data.card["tokenizer"]["vocabulary"] > 0
  assert data.info.only.tokenizer == data.card["tokenizer"]["sha256"]
  assert data.info.only.special["mask"] == 4
  assert 0 < data.card["text"]["train"]["padding"]["fixed"] < 1


def test_another_length_is_another_fingerprint(texts):
  one, two = texts(), texts(length=24)
  assert one.card["fingerprint"] != two.card["fingerprint"]


def test_several_labels_are_read_from_a_list(texts):
  content = "\n".join(
    json.dumps({"text": f"t {i}", "label": [["a"], ["a", "b"], []][i % 3]})
    for i in range(30)
  )
  data = texts(content, task="multilabel", missing_label="drop")
  assert data.info.target.names == ("a", "b")
  values = np.concatenate([s.arrays["label"] for s in data.splits.values()])
  assert values.sum(0).tolist() == [20, 10]


def test_pairs_have_types(texts):
  content = "\n".join(
    json.dumps({"q": f"is it {i}", "a": "yes it is", "label": "ny"[i % 2]})
    for i in range(20)
  )
  data = texts(content, text="q", pair="a")
  assert set(np.unique(data.splits["train"].arrays["token_type"])) == {0, 1}


def test_a_csv_gives_the_same_as_json_lines(texts):
  rows = [json.loads(line) for line in lines().splitlines()]
  table = "text,label,who\n" + "\n".join(
    f"{r['text']},{r['label']},{r['who']}" for r in rows
  )
  one, two = texts(), texts(table, name="notes.csv")
  np.testing.assert_array_equal(
    np.sort(one.splits["train"].arrays["tokens"], axis=0)[:3].shape,
    np.sort(two.splits["train"].arrays["tokens"], axis=0)[:3].shape,
  )
  assert (
    one.info.only.tokenizer == two.info.only.tokenizer or len(one.splits) == 3
  )


def test_a_new_file_is_encoded_as_training_was(texts, tmp_path):
  data = texts()
  saved = {k: v for k, v in data.encode.keywords.items() if k != "info"}
  encode = build(from_json(to_json(bind(data.encode.func, **saved))))
  split = encode(str(tmp_path / "notes.jsonl"), data.info)
  train = data.splits["train"]
  row = list(split.ids).index(train.ids[0])
  np.testing.assert_array_equal(
    split.arrays["tokens"][row], train.arrays["tokens"][0]
  )
  assert "label" not in split.arrays and len(split) == 30


def test_new_relations_are_reduced_as_training_was(texts, tmp_path):
  def content(long):
    text = "<< aspirin >> helps [[ fever ]]" + " and so on" * (30 * long)
    rows = [{"text": f"{text} {i}", "label": "ny"[i % 2]} for i in range(20)]
    return "\n".join(map(json.dumps, rows))

  data = texts(content(False), around_markers=True)
  (tmp_path / "new.jsonl").write_text(content(True))
  split = data.encode(str(tmp_path / "new.jsonl"))
  assert len(split) == 20 and "document" not in split.arrays


def test_windows_of_a_text_share_its_label_and_patient(texts):
  long = {"text": "case 4 took aspirin " + "and then some more " * 20}
  data = texts(lines(row4=long), document="who")
  found = [s for s in data.splits.values() if "notes.jsonl:5#2" in s.ids]
  (split,) = found
  rows = [
    i
    for i, name in enumerate(split.ids)
    if name.startswith("notes.jsonl:5#") or name == "notes.jsonl:5"
  ]
  assert len(rows) > 2
  assert set(split.arrays["label"][rows]) == {0}
  assert set(split.patients[rows]) == {"p1"}
  assert len(set(split.arrays["document"][rows])) == 1
  assert any("windows" in change["what"] for change in data.card["changes"])


@pytest.mark.parametrize(
  "change, said",
  [
    ({"row6": {"text": " "}}, "row 7, column 'text': the text is empty"),
    ({"row6": {"label": None}}, "row 7, column 'label': the label is missing"),
    ({"row6": {"other": 1}}, "row 7: the key 'other'"),
  ],
)
def test_a_bad_row_is_named(fault, change, said):
  assert said in fault(lines(**change))


def test_a_broken_line_is_named(fault):
  assert "notes.jsonl, row 31: is not JSON" in fault(lines() + '{"text": "a')


def test_a_label_unseen_in_training_is_named(fault):
  said = fault(other=lines(6, row2={"label": "heparin"}))
  assert "later.jsonl, row 3, column 'label'" in said and "heparin" in said


def test_a_list_label_unseen_in_training_is_named(fault):
  def content(*extra):
    kinds = [["a"], ["b"], ["a", "b"], *extra]
    return "\n".join(
      json.dumps({"text": f"t {i}", "label": kinds[i % len(kinds)]})
      for i in range(16)
    )

  said = fault(content(), other=content(["c"]), task="multilabel")
  assert "later.jsonl, row 4, column 'label'" in said


def test_a_document_in_two_splits_is_refused(fault):
  said = fault(document="who", other=lines(3))
  assert "the same document" in said


def test_a_text_over_the_length_is_refused_on_demand(fault):
  long = {"text": "case 4 took aspirin " + "and then some more " * 20}
  said = fault(lines(row4=long), too_long="error")
  assert "notes.jsonl:5" in said and "32" in said


def test_an_unknown_column_has_its_nearest(fault):
  assert "nearest: text" in fault(text="txt")


def test_a_document_in_two_spellings_is_in_one_split(texts):
  forms = ("D{}", "d{}\u200b", "D{} ")
  change = {f"row{i}": {"who": forms[i % 3].format(i // 3)} for i in range(30)}
  dataset = texts(lines(**change), document="who")
  documents = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, documents)) == len(set.union(*documents)) == 10
  assert any("document" in c["what"] for c in dataset.card["changes"])


def test_equal_texts_stay_together_whether_accents_are_composed_or_not(texts):
  forms = ("caf\u00e9 {}", "cafe\u0301 {}")
  change = {f"row{i}": {"text": forms[i % 2].format(i // 2)} for i in range(30)}
  dataset = texts(lines(**change))
  documents = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, documents)) == len(set.union(*documents)) == 15


@pytest.mark.parametrize("length", [16, 64])
def test_the_meter_says_unknown_where_no_document_is_named(texts, length):
  """Windows of a text, and equal texts, are kept together: no names for it."""
  change = {f"row{i}": {"text": "pain " * (9 + i)} for i in range(30)}
  line = leakage.line(leakage.leakage(texts(lines(**change), length=length)))
  assert "documents unknown" in line and "shared" not in line
  named = texts(lines(), document="who", length=length)
  line = leakage.line(leakage.leakage(named))
  assert "train/test 0 of shared documents" in line


SMILES = ("CCN", "ccn", "C(C)N", "CC(N)", "ClC", "CLC")


def molecules(n=60):
  """JSON lines of synthetic SMILES, some of which differ in case alone."""
  rows = [
    {"text": f"{SMILES[i % 6]}{'C' * (i // 6)}", "label": "ab"[i % 2]}
    for i in range(n)
  ]
  return "\n".join(map(json.dumps, rows)) + "\n"


def test_molecules_that_differ_in_case_or_brackets_are_several(texts):
  dataset = texts(molecules(), unit="molecule")
  owners = {p for split in dataset.splits.values() for p in split.patients}
  assert len(owners) == 60
  assert dataset.card["read"].startswith(
    "texts: 60 of 60 molecules, read with their case as WordPiece tokens"
  )
  assert dataset.card["grouped_by"] == "molecule"
  assert "by molecule" in dataset.card["split"]


def test_prose_that_differs_in_case_or_stops_is_one_document(texts):
  rows = [
    {"text": ("No pain.", "no pain", "Some pain")[i % 3], "label": "ab"[i % 2]}
    for i in range(30)
  ]
  rows += [{"text": f"case {i} is well", "label": "a"} for i in range(9)]
  content = "\n".join(map(json.dumps, rows)) + "\n"
  dataset = texts(content)
  owners = {p for split in dataset.splits.values() for p in split.patients}
  assert len(owners) == 11
  assert "read in lower case" in dataset.card["read"]


def test_the_case_of_codes_reaches_the_tokens(texts):
  dataset = texts(molecules())
  rows = {
    tuple(row)
    for split in dataset.splits.values()
    for row in np.asarray(split.arrays["tokens"])
  }
  assert len(rows) == 60


def test_splits_count_texts_and_not_their_windows(texts):
  rows = [
    {"text": " ".join(f"word{j}" for j in range(40)), "label": "ab"[i % 2]}
    for i in range(20)
  ]
  for i, row in enumerate(rows):
    row["text"] += f" case {i}"
  dataset = texts("\n".join(map(json.dumps, rows)) + "\n", length=24)
  assert sum(map(len, dataset.splits.values())) > 20
  counts = splits.manifest(dataset).values()
  assert sum(entry["n"] for entry in counts) == 20
  assert " windows" in dataset.card["read"]
