"""Public sets as other cohorts: each row is made what training was given."""

import dataclasses
import functools

import pytest

from medfm.data.datasets import corpus, medmnist, pubmedqa, survival
from medfm.data.text import tokenizers
from medfm.evals import cohorts
from tests import readings

SMALL = functools.partial(tokenizers.wordpiece, vocabulary=400)


@pytest.mark.parametrize(
  "factory",
  [
    functools.partial(survival.survival, name="veteran"),
    functools.partial(pubmedqa.pubmedqa, length=160, tokenizer=SMALL),
  ],
  ids=["veteran", "pubmedqa"],
)
def test_every_row_of_a_public_set_is_read_as_training_read_it(
  factory, shared_folders
):
  readings.assert_every_row_is_read_as_training_read_it(factory, shared_folders)


def test_a_corpus_is_read_whole_with_the_tokenizer_of_training(shared_folders):
  factory = functools.partial(
    corpus.corpus, sets=("chemprot",), length=64, tokenizer=SMALL
  )
  data = factory(shared_folders)
  again = cohorts.read(factory, shared_folders, readings.of(data))
  (whole,) = again.splits.values()
  counts = [
    sum(int((split.arrays["segment"] > 0).sum()) for split in each)
    for each in (data.splits.values(), [whole])
  ]
  assert counts[0] == counts[1]


def test_public_images_are_made_those_of_training(shared_folders):
  small = functools.partial(medmnist.medmnist, name="breastmnist")
  data = small(shared_folders)
  described = dataclasses.replace(data.info.only, size=(20, 20), channels=3)
  reading = readings.of(data)._replace(
    inputs={"image": described}, settings={"resize": "stretch"}
  )
  read = cohorts.read(small, shared_folders, reading)
  assert read.splits["test"].arrays["image"].shape == (780, 20, 20, 3)
  changes = {c["what"]: c["count"] for c in read.card["changes"]}
  assert changes["images of 28 x 28 made 20 x 20 (stretch)"] == 780
  assert changes["grey copied to three channels"] == 780
