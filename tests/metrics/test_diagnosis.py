"""Calls against published tables, and what has no value."""

import numpy as np
import pytest

from medfm.metrics import calibration, classification, diagnosis
from medfm.metrics.undefined import Undefined

LABEL, CALLED = np.repeat(
  [[1, 1], [1, 0], [0, 1], [0, 0]], (231, 27, 32, 54), 0
).T
"""Liver scans: Altman & Bland 1994, BMJ 308:1552 and 309:102."""


def test_a_published_table_has_its_published_values():
  given = LABEL, CALLED
  value = diagnosis.negative_predictive_value(*given)
  assert classification.recall(*given) == pytest.approx(0.895, abs=5e-4)
  assert classification.precision(*given) == pytest.approx(0.88, abs=5e-3)
  assert value == pytest.approx(54 / 81)
  assert diagnosis.positive_likelihood_ratio(*given) == pytest.approx(
    2.4, abs=0.05
  )
  assert diagnosis.negative_likelihood_ratio(*given) == pytest.approx(
    (27 / 258) / (54 / 86)
  )


def test_at_a_quarter_diseased_the_published_predictive_values_come_out():
  given = {"prevalence": 0.25}
  positive = diagnosis.positive_value_at(LABEL, CALLED, **given)
  negative = diagnosis.negative_value_at(LABEL, CALLED, **given)
  assert positive == pytest.approx(0.45, abs=5e-3)
  assert negative == pytest.approx(0.95, abs=5e-3)


def test_at_its_own_prevalence_a_value_is_that_of_the_counts():
  own = {"prevalence": 258 / 344}
  assert diagnosis.positive_value_at(LABEL, CALLED, **own) == pytest.approx(
    classification.precision(LABEL, CALLED)
  )
  assert diagnosis.negative_value_at(LABEL, CALLED, **own) == pytest.approx(
    diagnosis.negative_predictive_value(LABEL, CALLED)
  )


@pytest.mark.parametrize(
  ("metric", "label", "called", "reason"),
  [
    ("positive_likelihood_ratio", [0, 1], [0, 1], "infinite: no negative"),
    ("negative_likelihood_ratio", [0, 1], [1, 1], "infinite: no negative"),
    ("positive_likelihood_ratio", [0, 0], [0, 1], "no positive"),
    ("negative_likelihood_ratio", [1, 1], [0, 1], "no negative"),
    ("negative_predictive_value", [0, 1], [1, 1], "predicted negative"),
  ],
)
def test_what_cannot_be_divided_has_a_reason(metric, label, called, reason):
  with pytest.raises(Undefined, match=reason):
    getattr(diagnosis, metric)(label, called)


def test_without_a_positive_observed_over_expected_has_no_value():
  with pytest.raises(Undefined, match="no positive"):
    calibration.observed_expected([0, 0], [0.2, 0.1])
