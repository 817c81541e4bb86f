"""From rows of tokens to texts and words, and the scores of these."""

import csv
import io
import json

import numpy as np
import pytest

from medfm import predictions, tasks
from medfm.data.text import input as text_input
from medfm.data.text import sequences, texts, token_rows, tokenizers
from medfm.evals import paired, scores
from medfm.tasks import (
  language,
  multiclass,
  multilabel,
  pretext,
  regression,
  tags,
)
from medfm.types import Folders, Info, Split
from tests import infos

CLASSES = ("O", "B-Drug", "I-Drug")
INFO = infos.info("toy", "tokens", CLASSES, vocabulary=300)
GOOD = [
  ["took", "aspirin", "plus", "today"],
  ["warfarin", "now"],
  ["took", "aspirin", "plus", "warfarin", "again", "and", "again"],
]
LABELS = [[0, 1, 2, 0], [1, 0], [0, 1, 2, 1, 0, 0, 0]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
  place = Folders(None, str(tmp_path_factory.mktemp("cache")))
  return tokenizers.wordpiece(
    [" ".join(s) for s in GOOD], place, vocabulary=300
  )


@pytest.fixture
def split(tokenizer):
  """Sentences in rows so short that the last takes several."""
  names = np.array(["a", "b", "c"])
  rows = sequences.words(tokenizer, GOOD, LABELS, names, length=8)
  assert len(rows.source) > 3
  arrays = {**rows.arrays, "document": rows.source.astype(np.int32)}
  ids = sequences.numbered(names, rows.source)
  return Split(arrays, ids, patients=names[rows.source])


def test_words_of_windows_are_one_sentence_again(split):
  whole = tags.assembled(INFO, split, {})[0]
  assert whole.ids.tolist() == ["a", "b", "c"]
  found = [row[row >= 0].tolist() for row in whole.arrays["label"]]
  assert found == LABELS


def test_predicted_tags_are_those_of_first_pieces(split):
  numbers = np.where(split.arrays["label"] >= 0, split.arrays["label"], 2)
  said = tags.assembled(INFO, split, {"tags": numbers})[1]["tags"]
  label = tags.assembled(INFO, split, {})[0].arrays["label"]
  np.testing.assert_array_equal(said, label)


def test_probabilities_give_the_likeliest_tag(split):
  numbers = np.maximum(split.arrays["label"], 0)
  probs = np.eye(3)[numbers] * 0.5 + 0.1
  condensed = tags.condense(INFO, split.arrays, {"probs": probs})
  one = tags.assembled(INFO, split, condensed)[1]["tags"]
  np.testing.assert_array_equal(
    one, tags.assembled(INFO, split, {"tags": numbers})[1]["tags"]
  )


def test_windows_of_a_text_are_scored_by_their_mean():
  info = infos.info("toy", "multiclass", ("a", "b"))
  split = Split(
    {"document": np.array([0, 1, 1]), "label": np.array([0, 1, 1])},
    np.array(["x", "y", "y#2"]),
  )
  probs = np.array([[1, 0], [0.5, 0.5], [0.1, 0.9]])
  said = multiclass.assembled(info, split, {"probs": probs})[1]["probs"]
  np.testing.assert_allclose(said, [[1, 0], [0.3, 0.7]], atol=1e-12)
  assert multiclass.assembled(info, split, {})[0].ids.tolist() == ["x", "y"]


def test_rows_that_are_no_windows_stay_as_they_are():
  info = infos.info("toy", "regression", ("a",))
  split = Split({"features": np.zeros((2, 1))}, np.array(["x", "y"]))
  value = {"value": np.ones((2, 1))}
  units, said = regression.assembled(info, split, value)
  assert units is split and said["value"] is value["value"]


def scored(split, numbers, **settings):
  whole = tags.assembled(INFO, split, {})[0]
  said = tags.assembled(INFO, split, {"tags": numbers})[1]
  target = {"label": whole.arrays["label"]}
  return scores.scores(
    tags, INFO, target, said, patients=whole.patients, **settings
  )


def test_right_tags_have_an_f1_of_one(split):
  found = scored(split, np.maximum(split.arrays["label"], 0), replicates=50)
  assert found["n"] == 3
  for name in ("f1", "precision", "recall", "f1[Drug]", "token_accuracy"):
    assert found["metrics"][name]["value"] == 1


def test_a_missed_entity_lowers_recall_alone(split):
  numbers = np.maximum(split.arrays["label"], 0)
  numbers[split.ids == "b"] = 0
  found = scored(split, numbers, replicates=0)["metrics"]
  assert found["precision"]["value"] == 1
  assert found["recall"]["value"] == pytest.approx(3 / 4)


def test_types_have_a_mean():
  info = infos.info("toy", "tokens", ("O", "B-A", "I-A", "B-B", "I-B"))
  label = np.array([[1, 3], [1, 0]])
  said = {"tags": np.array([[1, 0], [1, 0]])}
  found = scores.scores(tags, info, {"label": label}, said, replicates=0)
  assert found["metrics"]["macro_f1"]["value"] == pytest.approx(0.5)
  described = scores.described(tags, info, {"label": label}, said)
  assert described["macro_f1"].title == "Macro F1"


def test_predictions_are_written_and_read_back(split):
  whole = tags.assembled(INFO, split, {})[0]
  numbers = np.maximum(split.arrays["label"], 0)
  numbers[0] = 0
  said = tags.assembled(INFO, split, {"tags": numbers})[1]
  rows = predictions.rows("s", "test", whole, tags, INFO, said)
  assert rows[0]["label"] == "O B-Drug I-Drug O"
  assert rows[0]["predicted"] == "O O O O"
  read = list(csv.DictReader(io.StringIO(predictions.text(rows))))
  units, again = predictions.held(read, "s", "test", tags, INFO)
  np.testing.assert_array_equal(units.arrays["label"], whole.arrays["label"])
  np.testing.assert_array_equal(again["tags"], said["tags"])
  difference = paired.difference(
    tags, INFO, units.arrays, again, said, replicates=20
  )
  assert difference["f1"]["value"] == 0


def test_new_sentences_have_predictions_without_labels(split):
  arrays = {k: v for k, v in split.arrays.items() if k != "label"}
  new = Split(arrays, split.ids)
  numbers = np.maximum(split.arrays["label"], 0)
  said = tags.assembled(INFO, new, {"tags": numbers})[1]
  rows = predictions.rows(
    "s", "new", tags.assembled(INFO, new, {})[0], tags, INFO, said
  )
  assert rows[1]["predicted"] == "B-Drug O" and "label" not in rows[1]


def test_perplexity_is_there_for_language_alone():
  outputs = {"loss": np.array([1.0, 3.0]), "weight": np.array([3, 1])}
  for task, names in ((language, {"loss", "perplexity"}), (pretext, {"loss"})):
    found = scores.scores(task, INFO, {}, outputs, replicates=0)
    assert set(found["metrics"]) == names
    assert found["n"] == 2 and "unlabelled" not in found
  both = scores.scores(language, INFO, {}, outputs, replicates=0)["metrics"]
  assert both["perplexity"]["value"] == pytest.approx(np.exp(1.5))


def test_pairs_of_texts_have_an_accuracy_of_their_own():
  outputs = {
    "loss": np.ones(4),
    "weight": np.ones(4),
    "next_sentence_accuracy": np.array([1, 1, 1, 0]),
    "embedding": np.ones((4, 2)),
  }
  condensed = language.condense(INFO, {}, outputs)
  assert "embedding" not in condensed
  found = scores.scores(language, INFO, {}, condensed, replicates=0)["metrics"]
  assert found["next_sentence_accuracy"]["value"] == pytest.approx(0.75)


def test_relations_have_a_micro_f1_of_the_positive_classes():
  info = infos.info("toy", "multiclass", ("none", "x", "y"))
  probs = np.eye(3)[[0, 1, 2, 1, 0]]
  label = np.array([0, 1, 1, 0, 2])
  found = scores.scores(
    multiclass, info, {"label": label}, {"probs": probs}, replicates=20
  )
  assert found["metrics"]["micro_f1"]["value"] == pytest.approx(2 / 6)


def test_a_dictionary_knows_the_words_of_training(split):
  found = tags.RIVALS["dictionary"](split, {"t": split}, INFO, 0)
  assert scored(split, found.predicted["t"]["tags"], replicates=0)["metrics"][
    "f1"
  ]["value"] == pytest.approx(1)


def test_a_dictionary_begins_entities_with_b(split):
  later = {k: v.copy() for k, v in split.arrays.items()}
  only = Split({k: v[:1] for k, v in later.items()}, split.ids[:1])
  label = only.arrays["label"]
  label[label == 1] = 0
  found = tags.RIVALS["dictionary"](only, {"t": only}, INFO, 0)
  numbers = tags.assembled(INFO, only, found.predicted["t"])[1]["tags"]
  assert numbers.tolist() == [[0, 0, 1, 0]]


@pytest.fixture(scope="module")
def topics(tokenizer):
  """Windows of texts about two drugs, two classes."""
  drugs = ("aspirin", "warfarin")
  text = [f"took {drugs[i % 2]} " + "again and " * (i % 5) for i in range(40)]
  names = np.array([f"t{i}" for i in range(40)])
  rows = sequences.texts(tokenizer, text, None, names, length=12)
  arrays = {
    **rows.arrays,
    "document": rows.source.astype(np.int32),
    "label": (rows.source % 2).astype(np.int32),
  }
  ids = sequences.numbered(names, rows.source)
  return Split(arrays, ids, patients=names[rows.source])


def test_counted_words_tell_topics_apart(topics):
  info = infos.info("toy", "multiclass", ("a", "b"), vocabulary=300)
  name = "tfidf_logistic_regression"
  probs = multiclass.RIVALS[name](topics, {"t": topics}, info, 0).predicted["t"]
  said = multiclass.assembled(info, topics, probs)[1]["probs"]
  assert (said.argmax(1) == np.arange(40) % 2).all()
  np.testing.assert_allclose(said.sum(1), 1, atol=1e-9)


def test_counted_words_give_several_labels(topics):
  info = infos.info("toy", "multilabel", ("a", "b"), vocabulary=300)
  label = np.stack([topics.arrays["label"], np.zeros(len(topics))], 1)
  own = Split({**topics.arrays, "label": label}, topics.ids, topics.patients)
  name = "tfidf_logistic_regression"
  probs = multilabel.RIVALS[name](own, {"t": own}, info, 0).predicted["t"][
    "probs"
  ]
  assert ((probs[:, 0] > 0.5) == (label[:, 0] == 1)).all()
  assert (probs[:, 1] == 0).all()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_texts_have_baselines_of_their_own(task):
  info = infos.info("t", task, ("a", "b"), vocabulary=9)
  expected = ("majority", "tfidf_logistic_regression")
  assert tasks.of(info.target).rivals(info) == expected


def test_labelled_words_have_a_baseline_of_their_own():
  assert tags.rivals(INFO) == ("dictionary",)


TFIDF = "tfidf_logistic_regression"


def test_texts_of_unnamed_patients_are_not_one_patients(topics):
  """Whose folds were refused, so that no strength was chosen."""
  info = infos.info("toy", "multiclass", ("a", "b"), vocabulary=300)
  unnamed = np.full(len(topics), "")
  own = Split(topics.arrays, topics.ids, unnamed)
  words = multiclass.RIVALS[TFIDF](own, {}, info, 0).chosen[""]
  assert "the best of 3 in 3 folds" in words


def test_counted_words_give_numbers(topics):
  info = infos.info("toy", "regression", ("n",), vocabulary=300)
  label = np.asarray(topics.arrays["label"], np.float32)[:, None] * 10
  own = Split({**topics.arrays, "label": label}, topics.ids, topics.patients)
  assert regression.rivals(info) == ("mean", "tfidf_ridge")
  rival = regression.RIVALS["tfidf_ridge"](own, {"t": own}, info, 0)
  assert "alpha" in rival.chosen["n"]
  said = regression.assembled(info, own, rival.predicted["t"])[1]["value"]
  assert ((said[:, 0] > 5) == (np.arange(40) % 2 == 1)).all()


def test_counted_words_stand_beside_the_columns_of_other_inputs(topics):
  """The text tells nothing here; the table, where there is one, all."""
  rows = np.unique(topics.arrays["document"], return_index=True)[1]
  text = topics.take(rows).arrays
  label = np.arange(40) // 2 % 2
  present = np.arange(40) % 10 != 0
  arrays = {f"text/{k}": text[k] for k in ("tokens", "segment")} | {
    "text/present": np.ones(40, bool),
    "table/features": np.where(present, label * 3.0, np.nan)[:, None],
    "table/present": present,
    "label": label,
  }
  own = Split(arrays, np.arange(40).astype(str))
  both = infos.info("toy", "multiclass", ("a", "b"), vocabulary=300).inputs
  both = both | infos.info("toy", "none", numeric=("x",)).inputs
  target = infos.info("toy", "multiclass", ("a", "b")).target
  info = Info("toy", both, target)
  assert TFIDF in multiclass.rivals(info)
  probs = multiclass.RIVALS[TFIDF](own, {"t": own}, info, 0).predicted["t"]
  right = probs["probs"].argmax(1) == label
  assert right[present].all()


def test_texts_of_one_word_are_told_apart_by_their_characters():
  """A tokenizer that takes each text for one piece says nothing of it."""
  generator = np.random.default_rng(0)
  molecules = [
    "".join(generator.choice(list("CNO=()"), 12)) + ("ClC", "CCl")[i % 2]
    for i in range(60)
  ]
  numbers = np.array([[2, 4 + i, 3] for i in range(60)], np.int32)
  label = np.arange(60) % 2
  arrays = {"tokens": numbers, "segment": np.ones_like(numbers)}
  own = Split({**arrays, "label": label}, np.array(molecules))
  spelling = ("", "", "", "", *molecules)
  text = text_input.Tokens(64, spelling=spelling)
  target = infos.info("toy", "multiclass", ("a", "b")).target
  rival = multiclass.RIVALS[TFIDF](
    own.take(np.arange(40)),
    {"t": own.take(np.arange(40, 60))},
    Info("toy", {"text": text}, target),
    0,
  )
  assert "terms characters" in rival.chosen[""]
  right = rival.predicted["t"]["probs"].argmax(1) == label[40:]
  assert right.mean() > 0.9


def test_texts_of_one_word_keep_their_spelling(tokenizer):
  assert texts._one_word_each(["CC(=O)O", "c1ccccc1 "])
  assert not texts._one_word_each(["took aspirin", "CC"])
  spelt = token_rows._spelling(tokenizer)
  assert len(spelt) == tokenizer.vocabulary
  assert spelt[tokenizer.special["pad"]] == ""
  assert "aspirin"[0] in spelt


def test_a_predicted_entity_begins_with_b_and_how_many_were_mended_is_told(
  split,
):
  label = np.maximum(split.arrays["label"], 0)
  before = np.concatenate([np.zeros((len(label), 1), int), label[:, :-1]], 1)
  numbers = np.where((label == 1) & (before == 0), 2, label)
  whole, said = tags.assembled(INFO, split, {"tags": numbers})
  _, right = tags.assembled(INFO, split, {"tags": label})
  np.testing.assert_array_equal(said["tags"], right["tags"])
  assert said["mended"].tolist() == [1, 1, 1]
  assert right["mended"].tolist() == [0, 0, 0]
  _, target, kept = tags.known(INFO, whole.arrays, said)
  assert tags.details(INFO, target, kept, {})["mended"] == 3
  assert scored(split, numbers, replicates=0)["metrics"]["f1"]["value"] == 1


def test_an_entity_of_another_type_right_after_one_begins_with_b():
  names = ("O", "B-a", "I-a", "B-b", "I-b", "I-c")
  row = np.array([[4, 4, 2, 1, 4, 0, 5, 5, -1]])
  mended = tags._mended(row, names).tolist()
  assert mended == [[3, 4, 1, 1, 3, 0, 5, 5, -1]]  # There is no B-c.


def test_entities_of_a_new_text_have_words_and_characters():
  text = "  took asp rin,  now"
  spans = [(2, 6), (7, 10), (11, 15), (17, 20)]
  source = {"text": np.array([text], object), "spans": np.empty(1, object)}
  source["spans"][0] = spans
  word = np.array([[-1, 0, 1, 2, 3, -1]])
  new = Split({"word": word, "tokens": word}, np.array(["x"]), source=source)
  numbers = np.array([[0, 0, 2, 2, 0, 0]])
  whole, said = tags.assembled(INFO, new, {"tags": numbers})
  (row,) = predictions.rows("s", "new", whole, tags, INFO, said)
  assert row["predicted"] == "O B-Drug I-Drug O"
  assert row["text"] == text
  assert json.loads(row["entities"]) == [
    {"type": "Drug", "start": 7, "end": 15, "text": "asp rin,"}
  ]
