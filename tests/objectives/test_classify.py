"""Classification: losses by hand, missing labels, weights."""

import functools

import jax
import numpy as np
import pytest

from medfm.models.linear import Linear
from medfm.models.resnet import ResNet
from medfm.objectives.classify import multiclass, multilabel
from medfm.types import UserError
from tests import infos
from tests.objectives import toy


def _fitted(factory, data, **settings):
  """Terms and predictions of a linear model with given parameters."""
  info, batch = data()
  objective = factory(info, model=Linear, **settings)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  generator = np.random.default_rng(0)
  variables = jax.tree.map(
    lambda a: generator.standard_normal(a.shape).astype("float32"), variables
  )
  terms, _ = jax.jit(objective.loss)(variables, batch, jax.random.key(0))
  return batch, terms, jax.jit(objective.predict)(variables, batch)


def test_multiclass_loss_is_minus_the_log_of_the_labels_probability():
  batch, terms, predicted = _fitted(multiclass, toy.multiclass)
  known = batch["label"] >= 0
  probs = predicted["probs"][np.arange(8), batch["label"]]
  np.testing.assert_allclose(
    terms["loss"][known], -np.log(probs[known]), rtol=1e-5
  )


def test_probabilities_sum_to_one():
  probs = _fitted(multiclass, toy.multiclass)[2]["probs"]
  np.testing.assert_allclose(probs.sum(-1), np.ones(8), rtol=1e-5)


def test_unlabelled_examples_weigh_nothing():
  batch, terms, _ = _fitted(multiclass, toy.multiclass, label_smoothing=0.1)
  np.testing.assert_array_equal(terms["weight"], batch["label"] >= 0)
  assert terms["loss"][7] == 0


def test_balanced_weights_average_to_one_over_the_training_split():
  _, plain, _ = _fitted(multiclass, toy.multiclass)
  _, balanced, _ = _fitted(multiclass, toy.multiclass, class_weights="balanced")
  ratio = (balanced["loss"] / np.maximum(plain["loss"], 1e-9))[:3]
  np.testing.assert_allclose(ratio, [10 / 18, 10 / 9, 10 / 3], rtol=1e-5)
  np.testing.assert_allclose((ratio * np.array([6, 3, 1])).sum() / 10, 1, 1e-5)


def test_label_smoothing_spreads_its_share_evenly():
  batch, terms, predicted = _fitted(
    multiclass, toy.multiclass, label_smoothing=0.3
  )
  logs = np.log(predicted["probs"])
  expected = -0.7 * logs[0, batch["label"][0]] - 0.1 * logs[0].sum()
  np.testing.assert_allclose(terms["loss"][0], expected, rtol=1e-5)


def test_multilabel_weighted_mean_is_the_mean_over_known_labels():
  batch, terms, predicted = _fitted(multilabel, toy.multilabel)
  label, probs = batch["label"], predicted["probs"]
  losses = -np.where(label == 1, np.log(probs), np.log(1 - probs))
  mean = (terms["loss"] * terms["weight"]).sum() / terms["weight"].sum()
  np.testing.assert_allclose(mean, losses[~np.isnan(label)].mean(), rtol=1e-4)


def test_an_example_without_any_label_weighs_nothing():
  _, terms, _ = _fitted(multilabel, toy.multilabel)
  np.testing.assert_allclose(terms["weight"][np.array([0, 1, 5])], [1, 0.5, 0])
  assert terms["loss"][5] == 0


def test_the_wrong_task_is_refused_with_the_objective_that_fits():
  with pytest.raises(
    UserError, match=r"use medfm\.objectives\.classify\.multilab"
  ):
    multiclass(toy.multilabel()[0], model=Linear)


@pytest.mark.parametrize(
  "settings", [{"class_weights": "even"}, {"label_smoothing": 1.0}]
)
def test_settings_out_of_range_are_refused(settings):
  with pytest.raises(UserError, match=next(iter(settings))):
    multiclass(toy.multiclass()[0], model=Linear, **settings)


def test_balanced_weights_need_counts():
  info = toy.info("multiclass", classes=("p", "q"))
  with pytest.raises(UserError, match="no count"):
    multiclass(info, model=Linear, class_weights="balanced")


def test_levels_go_only_to_models_of_categorical_data():
  info = infos.info("toy", "multiclass", ("p", "q"))
  multiclass(info, model=functools.partial(ResNet, depth=10))
