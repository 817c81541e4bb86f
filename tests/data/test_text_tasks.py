"""The table of public text tasks."""

import functools
import inspect

import pytest

from medfm import tasks
from medfm.data.datasets import corpus, text_tasks

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", text_tasks.TASKS)
def test_a_task_names_settings_that_its_dataset_has(name):
  task = text_tasks.TASKS[name]
  known = inspect.signature(task.dataset).parameters
  assert {"length", "tokenizer", *task.settings} <= known.keys()


def test_every_task_is_made_of_real_texts(shared_folders):
  for name, task in text_tasks.TASKS.items():
    if name in ("pubmed_rct", "bc2gm", "linnaeus", "ddi2013"):
      continue  # The first is not at hand; the others are slow: see below.
    data = task.dataset(shared_folders, length=task.length, **task.settings)
    assert tasks.of(data.info.target) is task.task
    assert data.card["application"] and data.card["published"]


@pytest.mark.drill
@pytest.mark.parametrize("name", ["bc2gm", "linnaeus", "ddi2013"])
def test_a_long_task_fits_its_rows_with_the_tokenizer_of_the_configs(
  name, shared_folders
):
  task = text_tasks.TASKS[name]
  data = task.dataset(
    shared_folders,
    length=task.length,
    tokenizer=functools.partial(corpus.tokenizer, sets=corpus.SETS),
    **task.settings,
  )
  assert tasks.of(data.info.target) is task.task
  assert len(data.splits["train"]) > 1000
