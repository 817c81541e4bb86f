"""Which texts are shown, what of them, and that none are where none may be."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from medfm import optim, predictions, settings, study
from medfm.data.text import own as own_text
from medfm.data.text import sequences, tokenizers
from medfm.evals.context import Findings
from medfm.explain import examples
from medfm.models.rnn import RNN
from medfm.objectives import classify, language
from medfm.spec import bind, spec
from medfm.tasks import multilabel, tags
from medfm.tasks.answers import Answers
from medfm.types import Folders, Split
from tests import infos
from tests.evals import contexts

PLANTED = "the secret of Mrs. Quillfeather <script>alert(1)</script>"
_RNN = functools.partial(RNN, width=8, pooling="mean", dropout=0.0)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
  place = Folders(None, str(tmp_path_factory.mktemp("cache")))
  text = ["took aspirin plus warfarin", "again and again and again"]
  return tokenizers.wordpiece(text, place, vocabulary=300)


def shown(info, split, objective, tokenizer, thresholds=None):
  batch = {
    **split.arrays,
    "weight": np.ones(len(split), np.float32),
    "id": np.arange(len(split), dtype=np.int32),
  }
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  said = jax.device_get(jax.jit(objective.predict)(variables, batch))
  task = objective.task
  outputs = task.condense(info, batch, said)
  whole, outputs = task.assembled(info, split, outputs)
  answers = task.answers(info, {"label": whole.arrays["label"]}, outputs)
  found = examples.described(
    objective,
    variables,
    info,
    split,
    whole,
    answers,
    tokenizer,
    thresholds or {},
  )
  return found, outputs


def test_the_surest_and_the_least_sure_are_chosen_and_no_text_twice():
  found = Answers(
    example=np.array([0, 0, 1, 2, 3]),
    answer=np.array([1, 1, 0, 0, 1]),
    true=np.array([1, 1, 0, 1, 0]),
    certainty=np.array([0.7, 0.9, 0.8, 0.6, 0.95]),
    right=np.array([True, True, True, False, False]),
    place=np.full(5, -1),
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
  info = infos.info(
    "toy", "multiclass", ("x", "y"), counts=(1, 1),
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
  info = infos.info(
    "toy", "tokens", ("O", "B-x", "I-x"),
    vocabulary=tokenizer.vocabulary, special=tokenizer.special,
  )  # fmt: skip
  objective = language.token_labels(info, model=_RNN)
  whole, _ = tags.assembled(info, split, {})
  outputs = {
    "tags": np.array([[0, 0, 0, 0, 2, 0]]),
    "certainty": np.full((1, 6), 0.5, np.float32),
  }
  target = {"label": whole.arrays["label"]}
  found = tags.answers(info, target, outputs)
  assert found.place.tolist() == [4]
  batch = {**arrays, "id": np.arange(len(split), dtype=np.int32)}
  variables = objective.init(jax.random.key(0), batch)
  (one,) = examples.described(
    objective, variables, info, split, whole, found, tokenizer
  )
  assert (one["kind"], one["said"], one["true"]) == ("wrong", "I-x", "B-x")
  start, stop = one["word"]
  assert "".join(text for text, _ in one["pieces"][start:stop]) == "again"


def test_a_set_of_labels_is_right_as_a_whole():
  info = infos.info("toy", "multilabel", ("p", "q", "r"), vocabulary=9)
  label = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [np.nan, 0, 1], [0, 0, 0]]
  probs = [
    [0.9, 0.2, 0.1],  # Right.
    [0.8, 0.4, 0.7],  # q is missed, r is wrong and the surer mistake.
    [0.1, 0.1, 0.1],  # Right, but there is nothing to see.
    [0.9, 0.1, 0.8],  # Right in what is known.
    [0.2, 0.6, 0.1],  # q is wrong.
  ]
  target = {"label": np.array(label)}
  found = multilabel.answers(info, target, {"probs": np.array(probs)})
  assert found.example.tolist() == [0, 1, 3, 4]
  assert found.right.tolist() == [True, False, True, False]
  np.testing.assert_allclose(found.certainty, [0.8, 0.7, 0.8, 0.6])
  assert examples.choice(found, most=1) == [
    ("right", 0),
    ("wrong", 1),
    ("unsure", 3),
  ]
  asked = [examples._classes(found, index) for index in range(4)]
  assert asked == [[0], [2, 1, 0], [0, 2], [1]]


def test_a_text_of_several_labels_is_shown_with_its_mistakes(tokenizer):
  text = ["took aspirin plus warfarin", "again and again", "took " * 150]
  names = np.array(["a", "b", "c"])
  rows = sequences.texts(tokenizer, text, None, names, length=160)
  classes = ("x", "y", "z", "v")
  info = infos.info(
    "toy", "multilabel", classes, counts=(1,) * 4,
    vocabulary=tokenizer.vocabulary, special=tokenizer.special,
  )  # fmt: skip
  label = np.array([[1, 0, 0, 1], [1, 1, 1, 1], [np.nan, 0, 0, 1]], np.float32)
  split = Split({**rows.arrays, "label": label}, names)
  objective = classify.multilabel(info, model=_RNN)
  thresholds = {"specificity_90[y]": 0.25}
  found, outputs = shown(info, split, objective, tokenizer, thresholds)
  assert {one["id"] for one in found} == {"a", "b", "c"}
  for one in found:
    row = "abc".index(one["id"])
    probs = outputs["probs"][row]
    assert one["said"] == [
      c for c, p in zip(classes, probs, strict=True) if p > 0.5
    ]
    assert one["true"] == [
      c for c, y in zip(classes, label[row], strict=True) if y == 1
    ]
    wrong = [
      one_label["said"] != one_label["true"]
      for one_label in one["labels"]
      if one_label["true"] is not None
    ]
    assert wrong == sorted(wrong, reverse=True)
    assert {one_label["class"] for one_label in one["labels"]} == {
      *one["said"],
      *one["true"],
    }
    for one_label in one["labels"]:
      k = classes.index(one_label["class"])
      assert one_label["prob"] == pytest.approx(probs[k], abs=1e-5)
      assert one_label["cut"] == 0.5
      expected = 0.25 if one_label["class"] == "y" else None
      assert one_label["threshold"] == expected
    views = [view["class"] for view in one["views"]]
    assert (
      views == [label["class"] for label in one["labels"]][: examples.VIEWS]
    )
    assert all(abs(view["gap"]) < 1e-3 for view in one["views"])
    assert len(one["pieces"]) <= examples.SHOWN


def test_inputs_without_a_text_among_them_have_no_examples():
  info = infos.info("toy", "multiclass", ("x", "y"), numeric=("a",))
  two = {"lab": info.only, "vital": info.only}
  info = dataclasses.replace(info, inputs=two)
  assert examples.examples(contexts.of(info, {}), show=True) == Findings()


TASKS = {"multiclass": ("a",), "multilabel": ("a", "b")}


@pytest.mark.parametrize(
  ("show", "task"),
  [
    *((show, "multiclass") for show in (None, False, True)),
    *((show, "multilabel") for show in (None, True)),
  ],
)
def test_no_text_is_in_the_workdir_unless_asked_for(show, task, tmp_path):
  lines = ["text,a,b,id"]
  lines += [
    f"note {i} {PLANTED} {('cough', 'fever')[i % 2]},{i % 2},{i % 3 % 2},n{i}"
    for i in range(40)
  ]
  (tmp_path / "notes.csv").write_text("\n".join(lines) + "\n")
  config = spec(
    settings.Run,
    name="notes",
    data=bind(
      own_text.own_text,
      path=str(tmp_path / "notes.csv"),
      label=TASKS[task],
      task=task,
      id="id",
      length=32,
      tokenizer=bind(tokenizers.wordpiece, vocabulary=300),
    ),
    objective=bind(getattr(classify, task), model=bind(RNN, width=8)),
    optimizer=bind(optim.optimizer, lr=1e-2),
    batch_size=8,
    steps=2,
    evaluation=spec(settings.Evaluation, replicates=10),
    evaluators={"examples": bind(examples.examples, show=show)},
  )
  place = tmp_path / "run"
  folders = Folders(None, str(tmp_path / "cache"))
  study.study(config, place, folders)
  page = (place / "report.html").read_text()
  assert (place / "examples.json").exists() == (show is True)
  assert ("Surest" in page) == (show is True)
  assert "<script" not in page
  texts = [
    path.read_text(errors="ignore").lower()
    for path in place.rglob("*")
    if path.is_file()
  ]
  if show:
    assert "&lt;" in page
    if task == "multilabel":
      assert "threshold by validation" in page
      assert page.index("(cut 50.0 %") > page.index("Surest")
    config.unlock()
    config.evaluators.examples.show = False
    study.study(config, place, folders)  # The flag takes them away again.
    assert not (place / "examples.json").exists()
    assert "Surest" not in (place / "report.html").read_text()
  else:
    assert not any("of mrs." in text for text in texts)
    assert not any("quillfeather <" in text for text in texts)
    assert predictions.read(place / "predictions.csv")[0]["id"].startswith("n")
