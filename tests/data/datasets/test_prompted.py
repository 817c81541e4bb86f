"""A labelled set as prompts: the shots are training texts, and whole."""

import csv
import functools

import numpy as np
import pytest

from medfm import spec, tasks
from medfm.data import files
from medfm.data.datasets import prompted
from medfm.data.text import own as own_text
from medfm.data.text import texts, tokenizers
from medfm.data.text.tokenizers import Tokenizer
from medfm.spec import bind, build, from_json, to_json
from medfm.types import Folders, UserError
from tests import readings

WORDS = ["pain", "fever", "rash", "cough", "ache"]
SETTINGS = {
  "template": "Note: {text}\nState:",
  "length": 128,
  "room": 32,
  "tokenizer": functools.partial(tokenizers.byte_bpe, vocabulary=300),
}


def notes(folders, *, path):
  """The recorded texts of a file, as the shipped sets have them."""
  settings = {
    "text": "text", "pair": "", "document": "", "id": "", "groups": (),
    "split_column": "", "delimiter": "",
  }  # fmt: skip
  own = texts.raw(
    own_text.OwnText,
    folders,
    raw={"train": files.of_user(folders, path)},
    labels=tasks.columns_of("multiclass", label=("label",)),
    settings=settings,
  )
  return own, {"source": "synthetic notes"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  return Folders(None, str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  """60 synthetic notes; every tenth is too long for a shot."""
  path = tmp_path_factory.mktemp("raw") / "notes.csv"
  generator = np.random.default_rng(0)
  with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["text", "label"])
    for i in range(60):
      words = generator.choice(WORDS, 40 if i % 10 == 0 else 3)
      writer.writerow([f"note {i} " + " ".join(words), ["ill", "well"][i % 2]])
  return functools.partial(notes, path=str(path))


def made(source, folders, **settings):
  return prompted.prompted(folders, source=source, **(SETTINGS | settings))


def test_shots_are_whole_training_texts_with_their_answers(source, folders):
  data = made(source, folders, shots=3, draws=2, orders=2)
  raw, _ = source(folders)
  token = Tokenizer(data.encode.keywords["tokenizer"])
  train = raw.splits["train"]
  held = {
    text
    for name in ("validation", "test")
    for text in raw.splits[name].arrays["text"]
  }
  allowed = {
    f"Note: {text}\nState: {raw.names[label]}"
    for text, label in zip(
      train.arrays["text"], train.arrays["label"], strict=True
    )
  }
  prompts = [token.decoded(ids) for ids in data.info.only.prompts["shots"]]
  assert len(prompts) == 4
  for prompt in prompts:
    shots = prompt.split("\n\n")
    assert shots.pop() == ""
    assert len(shots) == 3
    assert set(shots) <= allowed
    assert not any(text in prompt for text in held)


def test_the_card_names_the_shots_and_counts_what_was_too_long(source, folders):
  data = made(source, folders, shots=2, orders=2)
  card = data.card["prompts"]
  train = set(source(folders)[0].splits["train"].ids)
  for shots in card["shots"].values():
    assert {each.rpartition(" (")[0] for each in shots} <= train
  assert card["training_texts_too_long_for_a_shot"] > 0
  assert any("windows" in change["what"] for change in data.card["changes"])


def test_the_reader_of_new_texts_can_be_written_down(source, folders):
  reader = made(source, folders).encode
  reading = {k: v for k, v in reader.keywords.items() if k != "info"}
  assert spec.bind(reader.func, **reading).room == 32


def test_rows_hold_the_text_and_neither_shots_nor_answer(source, folders):
  none, some = (made(source, folders, shots=shots) for shots in (0, 2))
  for name, split in none.splits.items():
    other = some.splits[name]
    for key, array in split.arrays.items():
      np.testing.assert_array_equal(array, other.arrays[key])
    assert split.arrays["tokens"].shape[1] == 32
  token = Tokenizer(none.encode.keywords["tokenizer"])
  row = none.splits["test"][0]
  text = token.decoded(row["tokens"][row["segment"] > 0])
  assert text.startswith("Note: note ")
  assert text.endswith("\nState:")


def test_new_texts_are_written_as_the_old_ones(source, folders, tmp_path):
  data = made(source, folders)
  new = tmp_path / "new.txt"
  new.write_text("note 99 pain\n")
  saved = {k: v for k, v in data.encode.keywords.items() if k != "info"}
  encode = build(from_json(to_json(bind(data.encode.func, **saved))))
  split = encode(str(new), data.info)
  assert split.arrays["tokens"].shape == (1, 32)
  token = Tokenizer(data.encode.keywords["tokenizer"])
  own = split.arrays["tokens"][split.arrays["segment"] > 0]
  assert token.decoded(own) == "Note: note 99 pain\nState:"


def test_another_number_of_answers_is_refused(source, folders):
  with pytest.raises(UserError, match="1 words; expected one for each class"):
    made(source, folders, answers=(" x",))


def test_another_cohort_is_asked_as_the_trained_model_was(source, folders):
  factory = functools.partial(
    prompted.prompted, source=source, **(SETTINGS | {"shots": 2})
  )
  readings.assert_every_row_is_read_as_training_read_it(factory, folders)
