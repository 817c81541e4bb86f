"""Which texts are shown, what of them, and that none are where none may be."""

import functools

import jax
import numpy as np
import pytest

from medfm import optim, predictions, setup, study
from medfm.data import sequences, tokenizers
from medfm.data.datasets import own_text
from medfm.evals import words
from medfm.explain import examples
from medfm.models.rnn import RNN
from medfm.objectives import classify, language
from medfm.spec import bind, spec
from medfm.types import Folders, Info, Split

PLANTED = "the secret of Mrs. Quillfeather <script>alert(1)</script>"
_RNN = functools.partial(RNN, width=8, pooling="mean", dropout=0.0)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
  place = Folders(None, str(tmp_path_factory.mktemp("cache")))
  text = ["took aspirin plus warfarin", "again and again and again"]
  return tokenizers.wordpiece(text, place, vocabulary=300)


def shown(info, split, objective, tokenizer):
  batch = {
    **split.arrays,
    "weight": np.ones(len(split), np.float32),
    "id": np.arange(len(split), dtype=np.int32),
  }
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  said = jax.device_get(jax.jit(objective.predict)(variables, batch))
  outputs = words.outputs(info, split, said)
  found = examples.examples(
    objective, variables, info, split, outputs, tokenizer
  )
  return found, outputs


def test_the_surest_and_the_least_sure_are_chosen_and_no_text_twice():
  found = examples.Answers(
    text=np.array([0, 0, 1, 2, 3]),
    said=np.array([1, 1, 0, 0, 1]),
    true=np.array([1, 1, 0, 1, 0]),
    certainty=np.array([0.7, 0.9, 0.8, 0.6, 0.95]),
    right=np.array([True, True, True, False, False]),
    word=np.full(5, -1),
  )
  assert examples.choice(found, most=1) == [
    ("right", 1),
    ("wrong", 4),
    ("unsure", 3),
  ]


def test_a_text_is_shown_with_its_tokens_and_both_classes(tokenizer):
  text = ["took aspirin plus warfarin", "again and again", "took " * 150]
  names = np.array(["a", "b", "c"])
  rows = sequences.texts(tokenizer, text, None, names, length=160)
  info = Info(
    "toy", "multiclass", ("x", "y"), (1, 1),
    vocabulary=tokenizer.vocabulary, special=tokenizer.special,
  )  # fmt: skip
  label = np.array([0, 1, 0], np.int32)
  split = Split({**rows.arrays, "label": label}, names)
  objective = classify.multiclass(info, model=_RNN)
  found, outputs = shown(info, split, objective, tokenizer)
  assert {one["id"] for one in found} == {"a", "b", "c"}
  for one in found:
    row = "abc".index(one["id"])
    probs = outputs["probs"][row]
    assert one["said"] == "xy"[probs.argmax()]
    assert one["true"] == "xy"[label[row]]
    assert one["certainty"] == pytest.approx(probs.max(), abs=1e-5)
    classes = [view["class"] for view in one["views"]]
    assert classes == list(dict.fromkeys((one["said"], one["true"])))
    for view in one["views"]:
      assert len(view["values"]) == len(one["pieces"]) <= examples.SHOWN
      assert abs(view["gap"]) < 1e-3
    spelled = "".join(" " * spaced + text for text, spaced in one["pieces"])
    if row < 2:
      assert spelled.strip() == f"[CLS] {text[row]} [SEP]"
    else:
      assert one["left_out"] == 152 - examples.SHOWN


def test_a_word_of_a_later_window_is_found_and_marked(tokenizer):
  sentences = [["took", "aspirin", "plus", "warfarin", "again", "and"]]
  names = np.array(["a"])
  labels = [[0, 0, 0, 0, 1, 0]]
  rows = sequences.words(tokenizer, sentences, labels, names, length=6)
  assert len(rows.source) > 1
  arrays = {**rows.arrays, "document": rows.source.astype(np.int32)}
  split = Split(arrays, sequences.numbered(names, rows.source))
  info = Info(
    "toy", "tokens", ("O", "B-x", "I-x"),
    vocabulary=tokenizer.vocabulary, special=tokenizer.special,
  )  # fmt: skip
  objective = language.token_labels(info, model=_RNN)
  whole = words.whole(info, split)
  outputs = {
    "tags": np.array([[0, 0, 0, 0, 2, 0]]),
    "certainty": np.full((1, 6), 0.5, np.float32),
  }
  found = examples.answers(info, whole, outputs)
  assert found.word.tolist() == [4]
  batch = {**arrays, "id": np.arange(len(split), dtype=np.int32)}
  variables = objective.init(jax.random.key(0), batch)
  (one,) = examples.examples(
    objective, variables, info, split, outputs, tokenizer
  )
  assert (one["kind"], one["said"], one["true"]) == ("wrong", "I-x", "B-x")
  start, stop = one["word"]
  assert "".join(text for text, _ in one["pieces"][start:stop]) == "again"


@pytest.mark.parametrize("show", [None, False, True])
def test_no_text_is_in_the_workdir_unless_asked_for(show, tmp_path):
  lines = ["text,label,id"]
  lines += [
    f"note {i} {PLANTED} {'fever' if i % 2 else 'cough'},{i % 2},n{i}"
    for i in range(40)
  ]
  (tmp_path / "notes.csv").write_text("\n".join(lines) + "\n")
  config = spec(
    setup.Run,
    name="notes",
    data=bind(
      own_text.own_text,
      path=str(tmp_path / "notes.csv"),
      label="label",
      id="id",
      length=32,
      tokenizer=bind(tokenizers.wordpiece, vocabulary=300),
    ),
    objective=bind(classify.multiclass, model=bind(RNN, width=8)),
    optimizer=bind(optim.optimizer, lr=1e-2),
    batch_size=8,
    steps=2,
    replicates=10,
    show_examples=show,
  )
  place = tmp_path / "run"
  folders = Folders(None, str(tmp_path / "cache"))
  study.study(config, place, folders)
  page = (place / "report.html").read_text()
  assert (place / "examples.json").exists() == (show is True)
  assert ("Surest right answers" in page) == (show is True)
  assert "<script" not in page
  texts = [
    path.read_text(errors="ignore").lower()
    for path in place.rglob("*")
    if path.is_file()
  ]
  if show:
    assert "&lt;" in page
    config.unlock()
    config.show_examples = False
    study.study(config, place, folders)  # The flag takes them away again.
    assert not (place / "examples.json").exists()
    assert "Surest" not in (place / "report.html").read_text()
  else:
    assert not any("of mrs." in text for text in texts)
    assert not any("quillfeather <" in text for text in texts)
    assert predictions.read(place / "predictions.csv")[0]["id"].startswith("n")
