"""Models of tables."""

import jax
import jax.numpy as jnp
import numpy as np

from medfm.models.linear import Linear
from medfm.models.tabular_transformer import TabularTransformer

BATCH = {
  "features": np.array([[0.5, -1.0], [np.nan, 2.0]], "float32"),
  "categories": np.array([[1], [-1]], "int32"),
  "weight": np.ones(2, "float32"),
  "id": np.arange(2),
}


def _transformer():
  model = TabularTransformer(2, levels=(2,), width=8, heads=2, depth=1)
  return model, jax.jit(model.init)(jax.random.key(0), BATCH)


def test_a_linear_model_is_wx_plus_b():
  model = Linear(1, levels=(2,))
  params = {
    "head": {"kernel": jnp.array([[1.0], [2], [3], [4]]), "bias": jnp.ones(1)}
  }
  got = model.apply({"params": params}, BATCH)["logits"]
  np.testing.assert_allclose(got, [[0.5 - 2 + 4 + 1], [4 + 1]])


def test_a_linear_model_starts_at_zero():
  model = Linear(2, levels=(2,))
  result, _ = jax.jit(lambda key: model.init_with_output(key, BATCH))(
    jax.random.key(0)
  )
  assert not result["logits"].any()


def test_a_masked_value_cannot_be_seen():
  model, variables = _transformer()
  run = jax.jit(model.apply)
  mask = np.zeros((2, 3), bool)
  mask[0, 1] = mask[0, 2] = True
  changed = {
    **BATCH,
    "features": np.array([[0.5, 9.0], [np.nan, 2.0]], "float32"),
    "categories": np.array([[0], [-1]], "int32"),
  }
  plain = run(variables, {**BATCH, "mask_features": mask})
  other = run(variables, {**changed, "mask_features": mask})
  jax.tree.map(np.testing.assert_array_equal, plain, other)
  assert (plain["logits"] != run(variables, BATCH)["logits"]).any()


def test_a_mask_of_nothing_is_no_mask():
  model, variables = _transformer()
  run = jax.jit(model.apply)
  got = run(variables, {**BATCH, "mask_features": np.zeros((2, 3), bool)})
  np.testing.assert_allclose(
    got["logits"], run(variables, BATCH)["logits"], atol=1e-5
  )


def test_missing_is_not_the_mean():
  model, variables = _transformer()
  filled = {**BATCH, "features": np.nan_to_num(BATCH["features"])}
  run = jax.jit(model.apply)
  missing, mean = run(variables, BATCH), run(variables, filled)
  assert (missing["logits"][1] != mean["logits"][1]).any()
  np.testing.assert_allclose(missing["logits"][0], mean["logits"][0], atol=1e-5)


def test_the_parameters_do_not_depend_on_a_mask():
  model, variables = _transformer()
  masked = {**BATCH, "mask_features": np.ones((2, 3), bool)}
  shapes = jax.eval_shape(
    lambda key: model.init(key, masked), jax.random.key(0)
  )
  assert jax.tree.structure(shapes) == jax.tree.structure(variables)
