"""Variables of several modules in one tree."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from medfm.nn import forward
from medfm.nn.norm import BatchNorm


class Toy(nn.Module):
  @nn.compact
  def __call__(self, x, *, train=False):
    return BatchNorm(name="norm")(nn.Dense(2, name="dense")(x), train=train)


def _variables():
  x = jnp.ones((3, 2))
  return jax.jit(
    lambda key: forward.with_decoder(
      forward.init(Toy(), key, x), nn.Dense(1), key, x
    )
  )(jax.random.key(0))


def test_each_collection_holds_each_scope():
  variables = _variables()
  assert set(variables["params"]) == {"model", "decoder"}
  assert set(variables["batch_stats"]) == {"model"}


def test_training_returns_the_new_statistics_in_their_scope():
  variables = _variables()
  _, updates = forward.apply(Toy(), variables, jnp.ones((3, 2)), train=True)
  old, new = variables["batch_stats"], updates["batch_stats"]
  assert jax.tree.structure(new) == jax.tree.structure(old)
  assert (new["model"]["norm"]["mean"] != old["model"]["norm"]["mean"]).any()


def test_evaluation_changes_nothing():
  _, updates = forward.apply(Toy(), _variables(), jnp.ones((3, 2)))
  assert updates == {}


def test_a_scope_runs_on_its_own_variables():
  variables, x = _variables(), jnp.ones((3, 2))
  got, _ = forward.apply(nn.Dense(1), variables, x, scope="decoder")
  kernel = variables["params"]["decoder"]["kernel"]
  np.testing.assert_allclose(got, x @ kernel, rtol=1e-5)
