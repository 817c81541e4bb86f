"""Texts and words as rows: nothing lost, nothing cut, windows counted."""

import itertools

import numpy as np
import pytest

from medfm.data.text import sequences, tokenizers
from medfm.types import Folders, UserError

SENTENCE = "aspirin helps against pain and fever but not against cough"
WORDS = SENTENCE.split()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
  place = Folders(None, str(tmp_path_factory.mktemp("cache")))
  return tokenizers.wordpiece([" ".join(WORDS)] * 3, place, vocabulary=400)


def texts(tokenizer, text, pair=None, length=16, **settings):
  names = [f"n{i}" for i in range(len(text))]
  return sequences.texts(
    tokenizer, text, pair, names, length=length, **settings
  )


def body(tokenizer, rows, row):
  """The tokens of a row without special ones."""
  tokens = rows.arrays["tokens"][row][rows.arrays["segment"][row] > 0]
  return [t for t in tokens.tolist() if t not in tokenizer.special.values()]


def test_a_text_stands_between_cls_and_sep(tokenizer):
  rows = texts(tokenizer, ["aspirin helps"])
  special = tokenizer.special
  expected = [
    special["cls"],
    *tokenizer.ids(["aspirin helps"])[0],
    special["sep"],
  ]
  n = len(expected)
  assert rows.arrays["tokens"][0].tolist() == expected + [0] * (16 - n)
  assert rows.arrays["segment"][0].tolist() == [1] * n + [0] * (16 - n)
  assert rows.arrays["positions"][0].tolist() == [*range(n)] + [0] * (16 - n)


def test_the_second_text_of_a_pair_has_its_own_type(tokenizer):
  rows = texts(tokenizer, ["aspirin"], ["fever"])
  special = tokenizer.special
  a, b = tokenizer.ids(["aspirin", "fever"])
  expected = [special["cls"], *a, special["sep"], *b, special["sep"]]
  assert rows.arrays["tokens"][0, : len(expected)].tolist() == expected
  types = [0] * (len(a) + 2) + [1] * (len(b) + 1)
  assert rows.arrays["token_type"][0].tolist() == types + [0] * (
    16 - len(types)
  )


def test_a_long_text_is_windowed_without_losing_a_token(tokenizer):
  long = " ".join(WORDS * 5)
  rows = texts(tokenizer, ["pain", long, "fever"])
  assert rows.source.tolist() == sorted(rows.source)
  mine = np.flatnonzero(rows.source == 1)
  tokens = itertools.chain(*(body(tokenizer, rows, row) for row in mine))
  assert list(tokens) == tokenizer.ids([long])[0].tolist()
  assert rows.changes[0]["count"] == 1


def test_every_window_of_a_pair_has_the_whole_first_text(tokenizer):
  rows = texts(tokenizer, ["aspirin helps"], [" ".join(WORDS * 3)])
  first = tokenizer.ids(["aspirin helps"])[0]
  for row in rows.arrays["tokens"]:
    np.testing.assert_array_equal(row[1 : 1 + len(first)], first)
  assert len(rows.source) > 1


def test_a_long_text_is_refused_on_demand(tokenizer):
  with pytest.raises(UserError, match=r"n1: 52 tokens and length=16"):
    texts(tokenizer, ["a", " ".join(WORDS * 5)], too_long="error")


def test_a_first_text_that_fills_the_row_is_refused(tokenizer):
  with pytest.raises(UserError, match=r"n0: .*first text"):
    texts(tokenizer, [" ".join(WORDS * 5)], ["pain"])


@pytest.mark.parametrize("empty", ["", " ", "\u200d"])
def test_an_empty_text_is_refused(tokenizer, empty):
  with pytest.raises(UserError, match=r"n1: .*empty"):
    texts(tokenizer, ["pain", empty])


def test_a_long_relation_keeps_both_entities(tokenizer):
  text = " ".join([*WORDS, "<< aspirin >> helps [[ fever ]]", *WORDS])
  rows = texts(tokenizer, [text], length=20, around_markers=True)
  kept = body(tokenizer, rows, 0)
  assert len(rows.source) == 1 and len(kept) == 18
  for mark in tokenizers.MARKERS:
    assert int(tokenizer.ids([mark])[0][0]) in kept
  assert rows.changes[0]["count"] == 1


def test_entities_too_far_apart_are_refused(tokenizer):
  text = f"<< aspirin >> {' '.join(WORDS * 3)} [[ fever ]]"
  with pytest.raises(UserError, match=r"n0: .*raise length"):
    texts(tokenizer, [text], around_markers=True)


def test_a_long_text_without_marks_is_refused(tokenizer):
  with pytest.raises(UserError, match=r"n0: no entity"):
    texts(tokenizer, [" ".join(WORDS * 5)], around_markers=True)


def test_labels_stand_on_the_first_piece_of_each_word(tokenizer):
  sentence = ["zyx", "aspirin", "pain"]
  rows = sequences.words(tokenizer, [sentence], [[2, 0, 1]], ["n"], length=16)
  label, word = rows.arrays["label"][0], rows.arrays["word"][0]
  assert label[label >= 0].tolist() == [2, 0, 1]
  sizes = [len(ids) for ids in tokenizer.words(sentence)]
  expected = [-1, *np.repeat([0, 1, 2], sizes).tolist(), -1]
  assert word[: len(expected)].tolist() == expected
  firsts = 1 + np.cumsum([0, *sizes[:-1]])
  assert np.flatnonzero(label >= 0).tolist() == firsts.tolist()


def test_windows_of_words_hold_every_word_once(tokenizer):
  sentence = WORDS * 5
  labels = [[i % 3 for i in range(len(sentence))]]
  rows = sequences.words(tokenizer, [sentence], labels, ["n"], length=12)
  label = rows.arrays["label"]
  assert label[label >= 0].tolist() == labels[0]
  word = rows.arrays["word"]
  assert sorted(set(word[word >= 0].tolist())) == list(range(len(sentence)))


def test_a_word_longer_than_a_row_is_refused(tokenizer):
  with pytest.raises(UserError, match=r"n: one word"):
    sequences.words(tokenizer, [["nthgslf" * 3]], None, ["n"], length=8)


def test_windows_are_numbered_from_the_second(tokenizer):
  names = sequences.numbered(np.array(["a", "b"]), np.array([0, 1, 1, 1]))
  assert names.tolist() == ["a", "b", "b#2", "b#3"]


def test_texts_for_gpt_begin_and_end_with_its_token(tmp_path):
  place = Folders(None, str(tmp_path))
  own = tokenizers.byte_bpe([" ".join(WORDS)], place, vocabulary=300)
  rows = texts(own, ["pain"], length=32)
  real = rows.arrays["tokens"][0][rows.arrays["segment"][0] > 0]
  assert real[0] == real[-1] == own.special["eos"]
