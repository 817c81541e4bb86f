"""Dropout: rate, expectation, and whose draws they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.nn.dropout import Dropout, cut_of


def _drop(x, ids, rate=0.5, key=0):
  return jax.jit(
    lambda x, ids, key: Dropout(rate).apply(
      {}, x, ids, train=True, rngs={"dropout": key}
    )
  )(x, ids, jax.random.key(key))


def test_rate_zero_is_the_identity_and_needs_no_key():
  x = jnp.ones((2, 3))
  y = Dropout(0.0).apply({}, x, jnp.arange(2), train=True)
  np.testing.assert_array_equal(y, x)


def test_evaluation_is_the_identity():
  x = jnp.ones((2, 3))
  np.testing.assert_array_equal(Dropout(0.5).apply({}, x, jnp.arange(2)), x)


def test_the_rate_is_rounded_to_a_256th_and_the_scale_is_exact():
  y = np.asarray(_drop(jnp.ones((64, 4096)), jnp.arange(64), rate=0.1))
  assert set(np.unique(y)) == {0, np.float32(256 / 230)}
  assert abs((y == 0).mean() - 26 / 256) < 0.002
  assert abs(y.mean() - 1) < 0.002


def test_an_example_keeps_its_draws_wherever_it_stands():
  x = jnp.ones((4, 33))
  y = _drop(x, jnp.array([7, 3, 9, 1]))
  moved = _drop(x[:2], jnp.array([9, 3]))
  np.testing.assert_array_equal(moved, y[jnp.array([2, 1])])


def test_examples_and_keys_draw_apart():
  x = jnp.ones((2, 64))
  y = _drop(x, jnp.arange(2))
  assert (y[0] != y[1]).any()
  assert (y != _drop(x, jnp.arange(2), key=1)).any()


def test_elements_of_an_example_are_drawn_apart():
  y = np.asarray(_drop(jnp.ones((200, 8)), jnp.arange(200)))
  agreement = (y[:, :, None] == y[:, None, :]).mean(0)[~np.eye(8, dtype=bool)]
  assert abs(agreement - 0.5).max() < 0.15


@pytest.mark.parametrize("rate", [-0.1, 1.0, 0.999])
def test_a_rate_outside_zero_to_one_is_refused(rate):
  with pytest.raises(ValueError, match="outside"):
    cut_of(rate)
