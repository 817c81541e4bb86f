"""Toy data sets of every task, eight rows each."""

import dataclasses

import numpy as np

from medfm.tasks.survival import fitted
from tests import infos

ROWS = 8


def table():
  """Raw features with holes, categories with holes, weight and id."""
  generator = np.random.default_rng(0)
  features = generator.standard_normal((ROWS, 3)) * [1, 5, 0.1] + [0, 20, 1]
  features[0, 0] = features[3, 2] = np.nan
  categories = generator.integers(0, 3, (ROWS, 2))
  categories[1, 0] = -1
  return {
    "features": features.astype("float32"),
    "categories": categories.astype("int32"),
    "weight": np.ones(ROWS, "float32"),
    "id": np.arange(ROWS, dtype="int32"),
  }


def info(task, **more):
  settings = {
    "numeric": ("a", "b", "c"),
    "numeric_mean": (0.0, 20.0, 1.0),
    "numeric_std": (1.0, 5.0, 0.1),
    "categorical": {"d": ("x", "y", "z"), "e": ("x", "y", "z")},
  }
  return infos.info("toy", task, **settings, **more)


def multiclass():
  label = np.array([0, 1, 2, 0, 1, 2, 0, -1], "int32")
  return (
    info("multiclass", classes=("p", "q", "r"), counts=(6, 3, 1)),
    {**table(), "label": label},
  )


def ordered():
  _, batch = multiclass()
  return info("ordered", classes=("I", "II", "III")), batch


def multilabel():
  label = np.array([[0, 1], [1, 1], [1, 0], [0, 0]] * 2, "float32")
  label[1, 0] = label[5, 0] = label[5, 1] = np.nan
  return info("multilabel", classes=("p", "q")), {**table(), "label": label}


def regression():
  generator = np.random.default_rng(1)
  label = generator.standard_normal((ROWS, 2)) * [10, 0.5] + [100, -3]
  label[2, 1] = np.nan
  return (
    info(
      "regression",
      classes=("s", "t"),
      target_mean=(100.0, -3.0),
      target_std=(10.0, 0.5),
      units=("mmHg", "log"),
    ),
    {**table(), "label": label.astype("float32")},
  )


def survival(causes=1):
  """One cause or several; two rows fail at one time, one outcome is unknown."""
  time = np.array([4, 1, 2, 2, 5, 3, np.nan, 6], "float32")
  event = np.array([1, 1, causes, 1, 0, 0, -1, causes], "int32")
  names = ("death", "relapse")[:causes]
  target = fitted(names, time, event, horizons=(2,), intervals=4)
  described = dataclasses.replace(info("none"), target=target)
  return described, {**table(), "time": time, "event": event}


def unlabelled():
  return info("none"), table()


SPECIAL = {"pad": 0, "cls": 1, "sep": 2, "mask": 3}
VOCABULARY = 20


def text():
  """Rows of 9 tokens: [CLS] and [SEP] around texts, some padded or packed."""
  generator = np.random.default_rng(2)
  tokens = generator.integers(4, VOCABULARY, (ROWS, 9))
  segment = np.ones((ROWS, 9))
  segment[1, 6:] = segment[4, 3:] = 0
  segment[2, 5:] = segment[6, 4:] = 2
  tokens[:, 0] = SPECIAL["cls"]
  tokens[segment == 0] = SPECIAL["pad"]
  tokens[0, 8] = tokens[3, 8] = SPECIAL["sep"]
  positions = np.broadcast_to(np.arange(9), (ROWS, 9)).copy()
  positions[2, 5:] -= 5
  positions[6, 4:] -= 4
  start = np.ones((ROWS, 9))
  start[:, [2, 3, 6]] = 0
  batch = {
    "tokens": tokens,
    "segment": segment,
    "positions": positions,
    "word_start": start,
    "id": np.arange(ROWS),
  }
  batch = {key: array.astype("int32") for key, array in batch.items()}
  batch["weight"] = np.ones(ROWS, "float32")
  return text_info("none"), batch


def text_info(task, **more):
  return infos.info("toy", task, vocabulary=VOCABULARY, special=SPECIAL, **more)


def text_pairs():
  info, batch = text()
  side = (batch["segment"] > 0) & (np.arange(9) > 3)
  pairs = {
    "token_type": side.astype("int32"),
    "next_sentence": np.array([0, 1] * 4, "int32"),
  }
  return info, {**batch, **pairs}


def text_classes():
  label = np.array([0, 1, 2, 0, 1, 2, 0, -1], "int32")
  info = text_info("multiclass", classes=("p", "q", "r"), counts=(3, 2, 2))
  return info, {**text()[1], "label": label}


def token_labels():
  batch = text()[1]
  label = np.where(batch["segment"] > 0, batch["tokens"] % 3, -1)
  label[:, 0] = -1
  info = text_info("tokens", classes=("O", "B-x", "I-x"))
  return info, {**batch, "label": label.astype("int32")}


PROMPTS = {
  "names": ["draw 1, order 1", "draw 1, order 2"],
  "shots": [[1, 4, 9, 5, 11], [1, 5, 11, 4, 9, 7, 2]],
  "answers": [[9], [10, 12, 4], [11, 6]],
  "content_free": [[5, 13], [13]],
}


def prompted():
  info, batch = text_classes()
  return asked(info, PROMPTS), batch


def asked(info, prompts):
  """The description with these prompts."""
  text = dataclasses.replace(info.only, prompts=prompts)
  return dataclasses.replace(info, inputs={"text": text})
