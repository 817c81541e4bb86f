"""Continuations of a user's texts, from a workdir alone."""

import json

import jax
import numpy as np
import pytest

from medfm import generate, stages
from medfm.data.text import packing
from medfm.models.gpt import GPT
from medfm.nn.generation import generation
from medfm.types import UserError
from tests.running import run

pytestmark = pytest.mark.xdist_group("generate")


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_folders):
  folder = tmp_path_factory.mktemp("gpt")
  run("gpt_pretrain.py:tiny", folder / "run", shared_folders)
  (folder / "prompts.txt").write_text("Aspirin may\n\nThe use of warfarin\n")
  return folder / "run"


def made(place, text, output=None):
  source = str(place.parent / "prompts.txt")
  path = generate.generate(place, None, source, output, generate.sampling(text))
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_text_is_continued_and_a_seed_repeats_it(place, tmp_path):
  first = made(place, "new=6,samples=2,seed=3")
  assert [row["id"] for row in first] == ["prompts.txt:1"] * 2 + [
    "prompts.txt:3"
  ] * 2
  assert all(row["tokens"] <= 6 for row in first)
  again = made(place, "new=6,samples=2,seed=3", str(tmp_path / "out.jsonl"))
  assert again == first
  assert made(place, "new=6,samples=2,seed=4") != first


def test_the_size_of_a_batch_changes_no_text(place):
  together = made(place, "new=5,samples=3,batch_size=6")
  assert made(place, "new=5,samples=3,batch_size=4") == together


def test_all_batches_share_one_program(place, monkeypatch):
  found = []

  def watched(*arguments, **settings):
    found.append(generation(*arguments, **settings))
    return found[-1]

  monkeypatch.setattr(generate.generation, "generation", watched)
  made(place, "new=3,samples=5,batch_size=4")
  assert found[0]._cache_size() == 1


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("temprature=1", r"no 'temprature' \(nearest: temperature\)"),
    ("new=many", "expected int"),
    ("new=1.5", "expected int"),
    ("new", "expected int"),
    ("top_p=0", "top_p=0.0: out of range"),
    ("temperature=-1", "out of range"),
    ("temperature=inf", "temperature=inf: out of range"),
  ],
)
def test_a_wrong_setting_is_one_line(text, message):
  with pytest.raises(UserError, match=message):
    generate.sampling(text)


def test_a_run_without_a_causal_model_is_refused(regression_run):
  with pytest.raises(UserError, match=r"its objective is regress.regression"):
    generate.generate(regression_run, None, "x.txt", None, generate.Sampling())


def test_a_text_beyond_the_positions_is_refused_by_name():
  net = GPT(outputs=0, vocabulary=9, length=8)
  tokens = [np.arange(2), np.arange(5)]
  with pytest.raises(UserError, match=r"b: 5 tokens and 4 new ones .* 8 posit"):
    generate._check_lengths(net, tokens, ["a", "b"], 4)


def test_greedy_text_is_that_of_the_trained_weights(place):
  (row, _) = made(place, "new=4,temperature=0")
  net, params = generate._model(stages.opened(place))
  token = generate._tokenizer(place)
  ids = [token.special["bos"], *token.ids([row["prompt"]])[0]]
  variables = {"params": params}
  for _ in range(4):
    piece = packing.padded([packing.Piece(np.array(ids))], len(ids))
    batch = {**piece, "id": np.arange(1)}
    states = jax.jit(net.apply)(variables, batch)["tokens"][0, -1]
    table = variables["params"]["embed_tokens"]["embedding"]
    ids.append(int((states @ table.T).argmax()))
  assert row["text"] == token.decoded(ids[-4:])
