"""Every metric against a naive reference, scikit-learn and bad input."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from medfm import metrics
from medfm.metrics.undefined import Undefined
from tests.metrics.cases import CASES, data, repeated

NOT_METRICS = (
  "bootstrap",
  "described",
  "followed",
  "intervals",
  "seeds",
  "shares",
  "undefined",
  "components",
  "entities",
  "instances",
  "overlap",
  "perplexity",
  "regions",
  "retrieval",
  "risk_curves",
  "surfaces",
  "survival",
)
"""No metrics of label and prediction; from the eighth on, with tests apart."""
APART = {"pooled_f1"}
"""Of several labels at once: it is tested with the task that shows it."""


def _name(case) -> str:
  return case.metric.__name__


every = pytest.mark.parametrize("case", CASES, ids=_name)


def test_every_public_metric_has_a_case():
  public = set()
  for module in pkgutil.iter_modules(metrics.__path__):
    if module.name in NOT_METRICS:
      continue
    loaded = importlib.import_module(f"medfm.metrics.{module.name}")
    public |= {
      name
      for name, function in inspect.getmembers(loaded, inspect.isfunction)
      if function.__module__ == loaded.__name__ and name[0] != "_"
    }
  assert public - APART == {_name(case) for case in CASES}


@every
def test_metric_equals_its_naive_reference(case):
  label, values, _ = data(case.data)
  np.testing.assert_allclose(
    case.metric(label, values, **case.config),
    case.naive(label, values, **case.config),
    atol=1e-5,
  )


@every
def test_metric_with_weights_equals_scikit_learn(case):
  label, values, weight = data(case.data)
  config = case.config if case.data == "prob" else {}
  np.testing.assert_allclose(
    case.metric(label, values, weight, **case.config),
    case.sklearn(label, values, weight, **config),
    atol=1e-5,
  )


@every
def test_whole_weights_are_repeated_rows(case):
  label, values, weight = data(case.data)
  np.testing.assert_allclose(
    case.metric(label, values, weight, **case.config),
    case.metric(*repeated(label, values, weight), **case.config),
    atol=1e-7,
  )


@every
def test_rows_of_weights_give_one_value_each(case):
  label, values, weight = data(case.data)
  rows = np.random.default_rng(0).permuted(np.tile(weight, (5, 1)), axis=1)
  np.testing.assert_allclose(
    case.metric(label, values, rows, **case.config),
    [case.metric(label, values, row, **case.config) for row in rows],
    atol=1e-7,
  )


@every
def test_order_of_examples_does_not_matter(case):
  label, values, weight = data(case.data)
  order = np.random.default_rng(1).permutation(len(label))
  np.testing.assert_allclose(
    case.metric(label[order], values[order], weight[order], **case.config),
    case.metric(label, values, weight, **case.config),
    atol=1e-7,
  )


@every
def test_missing_labels_are_left_out(case):
  label, values, weight = data(case.data)
  label = label.astype(float)
  label[:5] = np.nan
  np.testing.assert_allclose(
    case.metric(label, values, weight, **case.config),
    case.metric(label[5:], values[5:], weight[5:], **case.config),
    atol=1e-7,
  )


@every
def test_empty_input_is_undefined_with_a_reason(case):
  label, values, _ = data(case.data)
  with pytest.raises(Undefined, match="no labelled example"):
    case.metric(label[:0], values[:0], **case.config)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_prediction_that_is_not_finite_is_undefined(case, bad):
  label, values, _ = data(case.data)
  values = values.astype(float)
  values[3] = bad
  with pytest.raises(Undefined, match="1 predictions are not finite"):
    case.metric(label, values, **case.config)


@every
def test_lengths_that_differ_are_an_error(case):
  label, values, _ = data(case.data)
  with pytest.raises(ValueError, match="39 predictions"):
    case.metric(label, values[1:], **case.config)


@every
def test_negative_weight_is_an_error(case):
  label, values, weight = data(case.data)
  with pytest.raises(ValueError, match="negative"):
    case.metric(label, values, weight - 1, **case.config)


@every
def test_resample_without_any_example_is_nan_among_others(case):
  if _name(case) == "confusion":
    pytest.skip("its counts are zero, which is right")
  label, values, weight = data(case.data)
  value = case.metric(
    label, values, np.stack([weight, 0 * weight]), **case.config
  )
  assert np.isfinite(value[0]) and np.isnan(value[1])
