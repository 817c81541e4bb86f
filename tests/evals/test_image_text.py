"""Zero shot and retrieval on made-up vectors whose answers are known."""

import functools

import numpy as np
import pytest

from medfm.data.captions import pairs
from medfm.data.images.input import Image
from medfm.data.text import tokenizers
from medfm.data.text.input import Tokens
from medfm.evals import retrieval, zero_shot
from medfm.metrics import retrieval as metrics
from medfm.tasks import multiclass, pretext
from medfm.tasks.multiclass import Classes
from medfm.types import Dataset, Folders, Info, Split, UserError
from tests.evals import contexts

CLASSES = ("benign", "malignant", "normal")
TEMPLATES = ("a scan of {} tissue", "{}")
LENGTH = 8


def encoded(path, info, *, tokenizer, length):
  raise NotImplementedError


@pytest.fixture(scope="module")
def told(tmp_path_factory):
  """A tokenizer, and the info and splits of labelled pairs."""
  cache = tmp_path_factory.mktemp("cache")
  texts = [f"a scan of {name} tissue {i}" for name in CLASSES for i in range(4)]
  token = tokenizers.wordpiece(texts, Folders(None, str(cache)), vocabulary=400)
  target = Classes(CLASSES, (10, 10, 10))
  image = Image((2, 2), 1)
  info = Info("toy", {"image": image, "text": Tokens(token.vocabulary)}, target)
  splits = {}
  for name, count in (("train", 30), ("test", 24)):
    label = np.arange(count, dtype="int32") % 3
    said = [texts[4 * k + i % 4] for i, k in enumerate(label)]
    ids = np.array([f"{name}{i}" for i in range(count)])
    rows, _ = pairs.rows(token, said, ids, length=LENGTH)
    splits[name] = Split(
      {
        "image/image": np.zeros((count, 2, 2, 1), "uint8"),
        **{f"text/{key}": array for key, array in rows.items()},
        "label": label,
      },
      ids,
      patients=np.array([f"p{i // 2}" for i in range(count)]),
    )
  return token, info, splits


def pictures(label, noise=0.1):
  """Vectors that point to their class, with noise."""
  generator = np.random.default_rng(0)
  vectors = np.eye(4)[label] + noise * generator.normal(size=(len(label), 4))
  return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def context(told, noise=0.1, **given):
  """Of a model whose text vectors are those of the class that is named."""
  token, info, splits = told

  def outputs(split):
    said = [token.decoded(ids) for ids in split.arrays["text/tokens"]]
    named = [next(k for k in range(3) if CLASSES[k] in one) for one in said]
    label = split.arrays.get("label", np.zeros(len(split), int))
    vectors = pictures(label, noise)
    return {
      "image_embedding": vectors,
      "embedding": vectors,
      "text_embedding": np.eye(4)[named],
      "scale": np.full(len(split), 20.0),
    }

  data = Dataset(
    splits,
    info,
    {},
    functools.partial(encoded, info=info, tokenizer=token.text, length=LENGTH),
  )
  held = {"test": outputs(splits["test"])}
  made = {"data": data, "task": pretext, "asked": multiclass}
  return contexts.of(info, splits, held, predict=outputs, **made | given)


def cells(block, title):
  (row,) = [cells for name, *cells in block["rows"] if name == title]
  return row


def test_sentences_find_planted_classes_and_stand_beside_learnt_models(told):
  findings = zero_shot.zero_shot(context(told), templates=TEMPLATES)
  predicted = findings.rivals[zero_shot.RIVAL]["test"]["probs"]
  label = told[2]["test"].arrays["label"]
  np.testing.assert_array_equal(predicted.argmax(1), label)
  np.testing.assert_allclose(predicted.sum(1), 1, atol=1e-5)
  (block,) = findings.blocks["test"]
  assert cells(block, "sentences, mean of all templates")[0]["value"] == 1
  assert cells(block, zero_shot.MAJORITY)[1]["value"] == pytest.approx(1 / 3)
  gap = cells(block, f"sentences − {zero_shot.MAJORITY}, paired")[1]
  assert gap["value"] == pytest.approx(2 / 3) and gap["low"] > 0
  assert cells(block, TEMPLATES[0])[0]["value"] == 1
  assert cells(block, "from template to template")[0] == "1.000 to 1.000"
  assert "benign: “a scan of benign tissue”" in block["note"]


def test_probabilities_are_the_softmax_of_scaled_cosines():
  vectors = np.array([[[1.0, 0], [0, 1]], [[0.8, 0.6], [0, 2]]])
  image = np.array([[3.0, 4.0]])
  centre = np.array([[1.8, 0.6], [0, 2.0]])
  centre /= np.linalg.norm(centre, axis=1, keepdims=True)
  odds = np.exp(5.0 * (centre @ [0.6, 0.8]))
  asked = zero_shot.Asked(vectors, 5.0)
  found = zero_shot.probabilities({"image_embedding": image}, asked)
  np.testing.assert_allclose(found, [odds / odds.sum()], atol=1e-5)


def test_words_may_stand_for_a_class():
  told = zero_shot.written(TEMPLATES, ("normal=a healthy breast",), CLASSES)
  assert told[1] == ["benign", "malignant", "a healthy breast"]
  assert told[0][2] == "a scan of a healthy breast tissue"


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"classes": ("benin=x",)}, r"'benin=x': expected .*benign"),
    ({"classes": ("benign",)}, "expected class=words"),
    ({"templates": ("a scan",)}, "expected a sentence with one {}"),
    ({"templates": ("{0.__class__}",)}, "expected a sentence with one {}"),
    ({"templates": ("{",)}, "expected a sentence with one {}"),
    ({"templates": ()}, "needs templates"),
    ({"templates": ("a b c d e f g h {}",)}, "tokens and length=8"),
  ],
)
def test_sentences_that_cannot_be_asked_are_refused(told, settings, message):
  with pytest.raises(UserError, match=message):
    zero_shot.zero_shot(context(told), **settings)


def test_data_without_classes_cannot_be_asked(told):
  with pytest.raises(UserError, match="no classes to ask for"):
    zero_shot.zero_shot(context(told, asked=pretext))


def sorted_rank(scores, right):
  """The first right candidate's rank; a wrong one that ties comes first."""
  order = sorted(range(len(scores)), key=lambda j: (-scores[j], right[j]))
  return next(n for n, j in enumerate(order, 1) if right[j])


def test_retrieval_is_that_of_sorting_with_equal_texts_as_one(told):
  given = context(told, noise=1.0)
  (block,) = retrieval.retrieval(given, at=(1, 5)).blocks["test"]
  outputs, split = given.predicted["test"], told[2]["test"]
  images, texts = outputs["image_embedding"], outputs["text_embedding"]
  said = [tuple(row) for row in split.arrays["text/tokens"]]
  once = [said.index(each) for each in dict.fromkeys(said)]
  ranks = {
    "image → text": [
      sorted_rank(texts[once] @ picture, [said[j] == mine for j in once])
      for picture, mine in zip(images, said, strict=True)
    ],
    "text → image": [
      sorted_rank(images @ text, [other == mine for other in said])
      for text, mine in zip(texts, said, strict=True)
    ],
  }
  for title, rank in ranks.items():
    found = cells(block, title)
    hits = [np.mean(np.array(rank) <= k) for k in (1, 5)]
    assert [each["value"] for each in found[:2]] == pytest.approx(hits)
    assert all(c["low"] <= c["value"] <= c["high"] for c in found)
  chance = [row for name, *row in block["rows"] if name.strip() == "by chance"]
  assert chance[0][:2] == pytest.approx([1 / 12, 5 / 12])
  many = metrics.chance_recall(np.full(24, 2), 24, k=5)
  assert chance[1][1] == pytest.approx(many)
  assert "12 different texts, a text among 24 pictures" in block["note"]
  assert "24 of 24 texts occur more than once" in block["note"]


def test_examples_without_a_text_are_no_candidates(told):
  given = context(told)
  split = given.splits["test"]
  split.arrays["text/present"] = np.arange(24) >= 4
  (block,) = retrieval.retrieval(given).blocks["test"]
  del split.arrays["text/present"]
  assert "20 pairs" in block["title"]


def test_a_model_without_both_towers_is_refused(told):
  given = context(told)
  given.predicted["test"].pop("text_embedding")
  with pytest.raises(UserError, match="embeds pictures and texts"):
    retrieval.retrieval(given)
  with pytest.raises(UserError, match="expected numbers from 1 on"):
    retrieval.retrieval(given, at=(0,))
