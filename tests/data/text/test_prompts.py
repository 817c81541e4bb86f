"""Prompts: what is written, which shots stand in them, and what is told."""

import numpy as np
import pytest

from medfm.data.text import prompts, tokenizers
from medfm.types import Folders, UserError

TEXTS = ["Does aspirin help with a headache at all?", "A cat sat on a mat."] * 9
TEMPLATE = "Question: {text}\nAnswer:"
LABEL = np.arange(30) % 3


@pytest.fixture(scope="module")
def token(tmp_path_factory):
  folders = Folders(None, str(tmp_path_factory.mktemp("cache")))
  return tokenizers.byte_bpe([*TEXTS, TEMPLATE], folders, vocabulary=300)


def text_of(token, ids):
  return token.decoded(ids)


def drawn(sizes=None, **settings):
  sizes = np.full(30, 10) if sizes is None else sizes
  settings = {
    "shots": 3, "draws": 2, "orders": 4, "budget": 10, "balanced": True,
    "seed": 0,
  } | settings  # fmt: skip
  return prompts.drawn(sizes, LABEL, **settings)[0]


def test_a_text_is_written_by_the_template(token):
  columns = {"text": ["Is it so?", ""], "pair": ["We saw it.", "Not."]}
  found = prompts.written(token, "Abstract: {pair}\nQ: {text}\nA:", columns)
  assert text_of(token, found[0].whole) == (
    "Abstract: We saw it.\nQ: Is it so?\nA:"
  )
  assert text_of(token, found[0].long) == " We saw it."
  assert text_of(token, found[1].whole) == "Abstract: Not.\nQ:\nA:"


def test_pieces_named_like_fields_are_text(token):
  found = prompts.written(token, "text{text}pair", {"text": ["a"]})
  assert text_of(token, found[0].whole) == "textapair"
  assert text_of(token, found[0].long) == "a"


@pytest.mark.parametrize(
  ("template", "message"),
  [
    ("{texd}", r"\{texd\} \(nearest: text\)"),
    ("{pair} {text}", "the data have {text}"),
    ("{text.__class__}", "must have {text}"),
    ("nothing", "must have {text}"),
    ("{text} {text}", "each field once"),
  ],
)
def test_a_template_that_does_not_fit_is_refused(token, template, message):
  with pytest.raises(UserError, match=message):
    prompts.written(token, template, {"text": ["a"]})


def test_long_texts_are_windowed_whole_and_counted(token):
  long = "aspirin helps " * 40
  rows = prompts.rows(
    token, TEMPLATE, {"text": [long, "a b"]}, ["p", "q"], room=64
  )
  around = [
    token.ids([part])[0].tolist() for part in ("Question:", "\nAnswer:")
  ]
  found = []
  for tokens, segment, source in zip(
    rows.arrays["tokens"], rows.arrays["segment"], rows.source, strict=True
  ):
    own = tokens[segment > 0].tolist()
    assert own[: len(around[0])] == around[0]
    assert own[-len(around[1]) :] == around[1]
    if source == 0:
      found += own[len(around[0]) : -len(around[1])]
  assert found == token.ids([f" {long}"])[0].tolist()
  (change,) = rows.changes
  assert change["count"] == 1


def test_long_texts_can_be_refused_by_name(token):
  with pytest.raises(UserError, match=r"p: .* tokens and room=24"):
    prompts.rows(
      token, TEMPLATE, {"text": ["a b " * 99]}, ["p"], room=24, too_long="error"
    )


def test_orders_are_different_permutations_of_one_draw():
  names, shots = [*drawn()], [*drawn().values()]
  assert names[:2] == ["draw 1, order 1", "draw 1, order 2"]
  for start in (0, 4):
    four = shots[start : start + 4]
    assert len({tuple(each) for each in four}) == 4
    assert len({frozenset(each) for each in four}) == 1
  assert set(shots[0]) != set(shots[4])


def test_there_are_no_more_orders_than_permutations():
  assert len(drawn(orders=99)) == 2 * 6
  assert len(drawn(shots=1, orders=5)) == 2
  assert drawn(shots=0) == {"no shots": []}


def test_balanced_shots_are_of_the_classes_in_turn():
  for shots in (3, 4, 7):
    for each in drawn(shots=shots).values():
      counts = np.bincount(LABEL[each], minlength=3)
      assert counts.max() - counts.min() <= 1


def test_shots_depend_on_the_seed_alone():
  assert drawn() == drawn()
  assert drawn() != drawn(seed=1)


def test_texts_that_are_too_long_are_never_shots_and_counted():
  sizes = np.where(np.arange(30) < 20, 11, 10)
  settings = {"shots": 3, "draws": 2, "orders": 4, "balanced": True}
  shots, too_long = prompts.drawn(sizes, LABEL, budget=10, seed=0, **settings)
  assert too_long == 20
  assert min(map(min, shots.values())) >= 20


def test_too_few_short_texts_are_an_error():
  with pytest.raises(UserError, match="only 0 of 30 training texts"):
    drawn(budget=9)


def test_every_prompt_fits_into_the_model():
  answers = [np.arange(3), np.arange(5)]
  budget = prompts.fitting(100, 40, answers, 3)
  assert 1 + 3 * budget + 40 + 2 * 4 <= 100 < 1 + 3 * (budget + 1) + 48
  with pytest.raises(UserError, match="too short for"):
    prompts.fitting(48, 40, answers, 0)


def test_answers_must_differ(token):
  assert len(prompts.answers(token, (" yes", " no"))) == 2
  for wrong in ((" yes", " yes"), ("", " no")):
    with pytest.raises(UserError, match="each class needs an answer"):
      prompts.answers(token, wrong)
