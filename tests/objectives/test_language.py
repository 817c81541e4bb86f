"""Language objectives: what is hidden, and whose loss it is."""

import collections
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.objectives import language
from medfm.objectives.masking import masked
from medfm.types import UserError
from tests import infos
from tests.objectives import toy

_BERT = functools.partial(Bert, width=8, heads=2, depth=1, dropout=0.0)
_GPT = functools.partial(GPT, width=8, heads=2, depth=1, dropout=0.0)
ROWS, LENGTH = 64, 40


def _long(**more):
  """Rows of 40 ordinary tokens."""
  generator = np.random.default_rng(0)
  tokens = generator.integers(4, toy.VOCABULARY, (ROWS, LENGTH))
  batch = {"tokens": jnp.asarray(tokens, jnp.int32), "id": jnp.arange(ROWS)}
  return {**batch, **more}


Masked = collections.namedtuple("Masked", ["tokens", "places", "known"])


def _masked(batch, step=0, rate=0.15, whole_word=False):
  info, key = toy.text()[0], jax.random.fold_in(jax.random.key(0), step)
  run = functools.partial(masked, rate=rate, whole_word=whole_word)
  found = jax.jit(lambda batch: run(batch, info, key))(batch)
  return Masked(*found)


def _hidden(found, length=LENGTH):
  """[B,L]: the places that count."""
  flags = np.zeros((len(found.places), length), bool)
  rows = np.arange(len(flags))[:, None]
  np.logical_or.at(flags, (rows, found.places), found.known)
  return flags


def test_the_share_asked_for_is_hidden():
  assert set(np.asarray(_masked(_long()).known.sum(1))) == {6}


def test_one_token_is_hidden_even_of_a_short_text():
  _, batch = toy.text()
  found = _masked(batch, rate=0.01)
  assert set(np.asarray(found.known.sum(1))) == {1}


def test_special_tokens_and_padding_are_never_hidden():
  _, batch = toy.text()
  for step in range(5):
    flags = _hidden(_masked(batch, step, rate=0.5), 9)
    assert not flags[batch["tokens"] < 4].any()
    assert not flags[batch["segment"] == 0].any()


def test_what_is_not_hidden_stays():
  batch = _long()
  found = _masked(batch)
  rest = ~_hidden(found)
  np.testing.assert_array_equal(
    np.asarray(found.tokens)[rest], np.asarray(batch["tokens"])[rest]
  )


def test_eight_in_ten_become_the_mask_and_one_stays():
  batch = _long()
  found = _masked(batch, rate=0.9)
  flags = _hidden(found)
  new, old = np.asarray(found.tokens)[flags], np.asarray(batch["tokens"])[flags]
  assert abs((new == toy.SPECIAL["mask"]).mean() - 0.8) < 0.03
  # A twentieth of the random tenth is the old token by chance.
  assert abs((new == old).mean() - 0.105) < 0.03


def test_masks_are_new_at_every_step_and_belong_to_the_example():
  batch = _long()
  first = _hidden(_masked(batch))
  assert (first != _hidden(_masked(batch, step=1))).any()
  turned = {key: array[::-1] for key, array in batch.items()}
  np.testing.assert_array_equal(_hidden(_masked(turned))[::-1], first)


def test_whole_words_are_hidden_as_a_whole():
  start = jnp.asarray(np.tile([1, 0, 0, 1], (ROWS, 10)))
  flags = _hidden(_masked(_long(word_start=start), whole_word=True))
  words = np.cumsum(np.asarray(start), 1)
  for row, word in zip(flags, words, strict=True):
    shares = np.bincount(word, row) / np.maximum(np.bincount(word), 1)
    assert set(shares) <= {0.0, 1.0}
  assert set(flags.sum(1)) == {6}


def _worded(length, rows=512):
  """Rows of so many tokens, in words of one to six pieces, most of one."""
  generator = np.random.default_rng(1)
  start = np.zeros((rows, length), np.int32)
  for row in start:
    pieces = generator.choice(6, length, p=[0.7, 0.15, 0.08, 0.04, 0.02, 0.01])
    places = np.cumsum([0, *(1 + pieces)])
    row[places[places < length]] = 1
  tokens = generator.integers(4, toy.VOCABULARY, (rows, length))
  return {
    "tokens": jnp.asarray(tokens, jnp.int32),
    "id": jnp.arange(rows),
    "word_start": jnp.asarray(start),
  }


@pytest.mark.parametrize("length", [5, 12, 20, 40, 128])
def test_whole_words_keep_to_the_share_of_every_row(length):
  counts = _hidden(_masked(_worded(length), whole_word=True), length).sum(1)
  budget = max(round(0.15 * length), 1)
  assert counts.max() == budget
  # Left is what no word fits into, which is a piece now and then.
  assert budget - 0.35 < counts.mean() <= budget


def test_whole_words_hide_fifteen_in_a_hundred_of_long_rows():
  flags = _hidden(_masked(_worded(400), whole_word=True), 400)
  assert abs(flags.mean() - 0.15) < 0.0005


def test_the_words_that_are_hidden_are_drawn_alike_wherever_they_stand():
  batch = _worded(100, rows=2000)
  flags = _hidden(_masked(batch, whole_word=True), 100)
  shares = flags.mean(0)
  assert abs(shares[:50].mean() - shares[50:].mean()) < 0.005


def test_a_row_without_a_word_that_fits_hides_nothing():
  start = jnp.asarray(np.tile([1, 0, 0, 0, 0, 0, 0, 0], (ROWS, 5)))
  found = _masked(_long(word_start=start), whole_word=True)
  assert not found.known.any()


def test_whole_words_without_their_starts_are_refused():
  with pytest.raises(UserError, match="word_start"):
    _masked(_long(), whole_word=True)


def test_the_loss_at_masked_places_is_that_of_all_logits():
  info, batch = toy.text()
  objective = language.masked_lm(info, model=_BERT)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  key = jax.random.key(1)
  terms, _ = jax.jit(objective.loss)(variables, batch, key)
  mask_key, _ = jax.random.split(key)
  found = masked(batch, info, mask_key, rate=0.15, whole_word=False)
  found = Masked(*found)
  net = _BERT(outputs=0, vocabulary=info.only.vocabulary)
  params = variables["params"]
  states = net.apply(
    {"params": params["model"]}, {**batch, "tokens": found.tokens}
  )["tokens"]
  decoder = language.TiedDecoder(info.only.vocabulary)
  logits, _ = decoder.apply(
    {"params": params["decoder"]},
    states,
    params["model"]["embed_tokens"]["embedding"],
    None,
  )
  log_probs = jax.nn.log_softmax(logits)
  own = np.take_along_axis(log_probs, batch["tokens"][:, :, None], 2)[:, :, 0]
  flags = _hidden(found, 9)
  expected = -(own * flags).sum() / flags.sum()
  loss = (terms["loss"] * terms["weight"]).sum() / terms["weight"].sum()
  np.testing.assert_allclose(loss, expected, atol=1e-5)


def test_the_causal_loss_is_that_of_the_next_token_within_its_text():
  info, batch = toy.text()
  objective = language.causal_lm(info, model=_GPT)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  terms, _ = jax.jit(objective.loss)(variables, batch, jax.random.key(1))
  params = variables["params"]["model"]
  net = _GPT(outputs=0, vocabulary=info.only.vocabulary)
  states = net.apply({"params": params}, batch)["tokens"]
  log_probs = np.asarray(
    jax.nn.log_softmax(states @ params["embed_tokens"]["embedding"].T)
  )
  tokens, segment = batch["tokens"], batch["segment"]
  losses = [
    -log_probs[row, place, tokens[row, place + 1]]
    for row in range(8)
    for place in range(8)
    if segment[row, place] == segment[row, place + 1] > 0
  ]
  loss = (terms["loss"] * terms["weight"]).sum() / terms["weight"].sum()
  np.testing.assert_allclose(loss, np.mean(losses), atol=1e-5)


def test_chunks_of_the_vocabulary_loss_change_nothing():
  info, batch = toy.text()
  whole = language.causal_lm(info, model=_GPT)
  parts = language.causal_lm(info, model=_GPT, chunks=3)
  variables = jax.jit(whole.init)(jax.random.key(0), batch)

  def slope(objective):
    def total(params):
      return objective.loss({"params": params}, batch, jax.random.key(1))[0][
        "loss"
      ].sum()

    return jax.jit(jax.value_and_grad(total))(variables["params"])

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4),
    slope(whole),
    slope(parts),
  )


def test_log_probs_of_an_answer_add_up_to_its_loss():
  info, batch = toy.text()
  objective = language.causal_lm(info, model=_GPT)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  found = jax.jit(objective.predict)(variables, batch)
  total = found["loss"] * found["weight"] * 9
  np.testing.assert_allclose(-found["log_probs"].sum(1), total, rtol=1e-5)
  assert np.all(np.asarray(found["log_probs"])[batch["segment"] == 0] == 0)


def test_unlabelled_tokens_change_no_loss():
  info, batch = toy.token_labels()
  objective = language.token_labels(info, model=_BERT)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  fewer = {**batch, "label": np.where(np.arange(9) < 4, batch["label"], -1)}
  key = jax.random.key(1)
  terms, _ = jax.jit(objective.loss)(variables, fewer, key)
  known = (fewer["label"] >= 0).sum(1) / 9
  np.testing.assert_allclose(terms["weight"], known, rtol=1e-6)


def test_a_tokenizer_without_a_mask_is_refused():
  info = infos.info("toy", vocabulary=9, special={"pad": 0})
  with pytest.raises(UserError, match=r"no \[MASK\]"):
    language.masked_lm(info, model=_BERT)


def test_data_without_tokens_are_refused():
  info, _ = toy.unlabelled()
  with pytest.raises(UserError, match="has no tokens"):
    language.causal_lm(info, model=_GPT)


def test_pairs_add_a_loss_that_is_told_apart():
  info, batch = toy.text_pairs()
  model = functools.partial(_BERT, length=9)
  alone = language.masked_lm(info, model=model)
  both = language.masked_lm(info, model=model, next_sentence=True)
  variables = both.init(jax.random.key(0), batch)
  key = jax.random.key(1)
  terms, _ = both.loss(variables, batch, key)
  tokens, _ = alone.loss(variables, batch, key)
  np.testing.assert_allclose(
    terms["loss"], tokens["loss"] + terms["next_sentence_loss"], rtol=1e-5
  )
  predicted = both.predict(variables, batch)
  assert set(predicted) >= {"loss", "next_sentence_accuracy"}
  np.testing.assert_allclose(
    predicted["loss"], alone.predict(variables, batch)["loss"], rtol=1e-5
  )
  with pytest.raises(UserError, match="needs pairs of texts"):
    both.loss(variables, toy.text()[1], key)


def test_the_first_of_equal_maxima_is_the_likeliest():
  rng = np.random.default_rng(0)
  logits = jnp.asarray(rng.integers(0, 3, (4, 5, 7)), jnp.float32)
  label = jnp.asarray(rng.integers(0, 7, (4, 5)))
  found = language._token_terms(logits, label)[1]
  assert 0 < found.sum() < (logits == logits.max(-1, keepdims=True)).sum()
  np.testing.assert_array_equal(found, logits.argmax(-1) == label)
