"""The table of public text tasks."""

import inspect

import pytest

from medfm.data import text_tasks


@pytest.mark.parametrize("name", text_tasks.TASKS)
def test_a_task_names_settings_that_its_dataset_has(name):
  task = text_tasks.TASKS[name]
  known = inspect.signature(task.dataset).parameters
  assert {"length", "tokenizer", *task.settings} <= known.keys()


def test_every_task_is_made_of_real_texts(shared_folders):
  for name, task in text_tasks.TASKS.items():
    if name in ("pubmed_rct", "bc2gm", "linnaeus", "ddi2013"):
      continue  # The first is not at hand; the others are slow to tokenise.
    data = task.dataset(shared_folders, length=task.length, **task.settings)
    assert data.info.task == task.task
    assert data.card["application"] and data.card["published"]
