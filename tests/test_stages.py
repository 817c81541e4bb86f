"""A finished stage, opened again: it predicts as it did, and cannot train."""

import pathlib

import numpy as np
import pytest

from medfm import optim, scoring, setup, stages, step
from medfm.types import UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def place(regression_run):
  return regression_run


def test_an_opened_stage_predicts_what_the_run_predicted(place, shared_folders):
  opened = stages.opened(place)
  assert (opened.name, opened.folder) == ("train", place)
  data = opened.model.run.data(shared_folders)
  assert opened.model.info == data.info
  job = setup.job(opened.model.run, data)
  state = stages.weights(place)
  test = data.splits["test"]
  expected = setup.predictions(job.model, step.variables(state), test)
  found = setup.predictions(opened.model, opened.variables, test)
  np.testing.assert_allclose(found["value"], expected["value"], rtol=1e-5)
  batch = {
    **test.arrays,
    "weight": np.ones(len(test)),
    "id": test.ids.argsort(),
  }
  batch = setup.placed(opened.model, batch)
  one = opened.model.predict(opened.variables, batch)["value"]
  np.testing.assert_allclose(one[: len(test)], found["value"], rtol=1e-5)


def test_an_opened_stage_builds_no_optimizer(
  place, shared_folders, monkeypatch
):
  def refused(*args, **kwargs):
    raise AssertionError("an optimizer")

  monkeypatch.setattr(optim, "learning_rate", refused)
  opened = stages.opened(place)
  data = opened.model.run.data(shared_folders)
  scored = scoring.evaluation(opened.model, opened.variables, data, None)
  assert scored.results["splits"]["test"]["metrics"]["r2"]["value"] is not None
  with pytest.raises(AssertionError):
    setup.job(opened.model.run, data)


def test_a_stage_that_does_not_exist_is_refused_by_name(place):
  with pytest.raises(UserError, match="--stage=trian"):
    stages.opened(place, "trian")
