"""Strict entities equal seqeval's; perplexity equals its definition."""

from functools import partial

import numpy as np
import pytest
from seqeval import metrics as reference
from seqeval.scheme import IOB2, Entities

from medfm.metrics import entities, perplexity
from medfm.metrics.intervals import entries
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.undefined import Undefined

CLASSES = ("O", "B-Chem", "I-Chem", "B-Dis", "I-Dis")


def lawful(generator, words):
  """A gold sentence: no I- without what it continues."""
  tags = []
  for tag in generator.integers(0, 5, words):
    if tag in (2, 4) and (not tags or tags[-1] not in (tag, tag - 1)):
      tag -= 1
    tags.append(int(tag))
  return tags


@pytest.fixture
def drawn():
  """label, tags [N,W] with -1 beyond the last word; predictions unlawful."""
  generator = np.random.default_rng(5)
  label = np.full((60, 12), -1)
  tags = np.full((60, 12), -1)
  for row in range(60):
    n = int(generator.integers(1, 13))
    label[row, :n] = lawful(generator, n)
    said = label[row, :n].copy()
    wrong = generator.random(n) < 0.3
    said[wrong] = generator.integers(0, 5, wrong.sum())
    tags[row, :n] = said
  return label, tags


def names(numbers):
  return [[CLASSES[i] for i in row if i >= 0] for row in numbers]


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_scores_equal_seqeval_strict(drawn, name):
  label, tags = drawn
  table = entities.counts(label, tags, CLASSES)
  library = getattr(reference, {"f1": "f1_score"}.get(name, f"{name}_score"))
  strict = {"mode": "strict", "scheme": IOB2}
  ours = getattr(entities, name)
  expected = library(names(label), names(tags), **strict)
  np.testing.assert_allclose(ours(table), expected, atol=1e-12)
  each = library(names(label), names(tags), average=None, **strict)
  for t in range(2):
    np.testing.assert_allclose(ours(table[:, t : t + 1]), each[t], atol=1e-12)


def test_entities_equal_seqeval_on_any_tags():
  generator = np.random.default_rng(0)
  for _ in range(300):
    tags = [CLASSES[i] for i in generator.integers(0, 5, 8)]
    theirs = Entities([tags], IOB2).entities[0]
    expected = sorted((e.start, e.end, e.tag) for e in theirs)
    ours = sorted((e.start, e.stop, e.kind) for e in entities.entities(tags))
    assert ours == expected, tags


def test_entities_of_a_sentence():
  tags = ["B-Chem", "I-Chem", "O", "B-Dis", "B-Dis", "I-Chem"]
  assert entities.entities(tags) == [
    ("Chem", 0, 2), ("Dis", 3, 4), ("Dis", 4, 5),
  ]  # fmt: skip


@pytest.mark.parametrize("tag", ["X-Chem", "B", "I-", "Chem", ""])
def test_what_is_no_tag_is_refused(tag):
  with pytest.raises(ValueError, match="not an IOB2 tag"):
    entities.entities(["O", tag])


def test_a_boundary_off_by_one_word_is_wrong():
  table = entities.counts(np.array([[1, 2, 0]]), np.array([[1, 0, 0]]), CLASSES)
  assert entities.f1(table) == 0


def test_weights_repeat_sentences(drawn):
  label, tags = drawn
  table = entities.counts(label, tags, CLASSES)
  weight = np.random.default_rng(1).integers(0, 4, len(table)).astype(float)
  again = np.repeat(table, weight.astype(int), axis=0)
  rows = entities.f1(table, np.stack([weight, np.ones(len(table))]))
  np.testing.assert_allclose(
    rows, [entities.f1(again), entities.f1(table)], atol=1e-12
  )


def test_nothing_predicted_has_no_precision_and_an_f1_of_zero():
  table = entities.counts(np.array([[1]]), np.array([[0]]), CLASSES)
  assert entities.f1(table) == 0
  with pytest.raises(Undefined, match="no entity is predicted"):
    entities.precision(table)


def test_no_entity_at_all_has_no_f1():
  table = entities.counts(np.array([[0]]), np.array([[1]]), CLASSES)
  for score in (entities.f1, entities.recall):
    with pytest.raises(Undefined, match="there is no entity"):
      score(table)


def test_perplexity_is_of_tokens_not_of_rows():
  losses, tokens = np.array([1.0, 3.0]), np.array([30, 10])
  assert perplexity.loss(losses, tokens) == pytest.approx(1.5)
  assert perplexity.perplexity(losses, tokens) == pytest.approx(np.exp(1.5))


def test_a_uniform_model_is_as_perplexed_as_it_has_tokens():
  losses = np.full(7, np.log(64))
  assert perplexity.perplexity(losses, np.arange(7)) == pytest.approx(64)


def test_a_row_without_tokens_does_not_count():
  losses, tokens = np.array([1.0, np.nan]), np.array([5, 0])
  assert perplexity.loss(losses, tokens) == 1


@pytest.mark.parametrize(
  "losses, tokens, why",
  [([np.nan, 1], [1, 1], "not finite"), ([1, 1], [0, 0], "no token")],
)
def test_perplexity_without_a_value_says_why(losses, tokens, why):
  with pytest.raises(Undefined, match=why):
    perplexity.perplexity(np.array(losses, float), np.array(tokens))


def test_perplexity_has_an_interval_around_it():
  generator = np.random.default_rng(0)
  losses, tokens = generator.normal(2, 0.3, 80), generator.integers(1, 9, 80)
  entry = entries.entries(
    {"it": partial(perplexity.perplexity, losses, tokens)},
    Sample(np.arange(80)),
  )["it"]
  assert entry["low"] < entry["value"] < entry["high"]


def test_confusion_and_errors_tell_what_became_of_entities():
  #               exact   type  words    both     missed  invented
  label = np.array([[1, 2, 1, 3, 4, 0, 1, 2, 0, 3, 0, 0]])
  tags = np.array([[1, 2, 3, 3, 0, 0, 3, 0, 0, 0, 0, 3]])
  table = entities.confusion(label, tags, CLASSES)
  assert table.tolist() == [[1, 1, 1], [0, 0, 2], [0, 3, 0]]
  found = entities.errors(label, tags, CLASSES)
  assert found.tolist() == [[1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 1]]


def test_confusion_and_errors_agree_with_the_counts(drawn):
  label, tags = drawn
  totals = entities.counts(label, tags, CLASSES).sum(0)
  table = entities.confusion(label, tags, CLASSES)
  np.testing.assert_array_equal(np.diag(table)[:2], totals[:, 0])
  np.testing.assert_array_equal(table.sum(0)[:2], totals[:, 1])
  np.testing.assert_array_equal(table.sum(1)[:2], totals[:, 2])
  found = entities.errors(label, tags, CLASSES)
  np.testing.assert_array_equal(found[:, 0], totals[:, 0])
  np.testing.assert_array_equal(found[:, :5].sum(1), totals[:, 2])
