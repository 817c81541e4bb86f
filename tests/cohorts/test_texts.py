"""A run on texts, and other cohorts, whose every row predict reads alike."""

import csv

import numpy as np
import pytest

from medfm import predict
from medfm.types import UserError
from tests.cohorts.checks import MAJORITY, equal, judged
from tests.running import run

pytestmark = [
  pytest.mark.xdist_group("cohorts of texts"),
  pytest.mark.usefixtures("undrawn"),
]


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
