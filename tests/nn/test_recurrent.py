"""The LSTM with gradients of our own equals the plain scan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.nn import recurrent


def _arrays(length=6, rows=3, width=4):
  rng = np.random.default_rng(0)
  shapes = [
    (length, rows, 4 * width),
    (width, 4 * width),
    (length, rows, width),
  ]
  arrays = [rng.standard_normal(s).astype("float32") for s in shapes]
  same = rng.random((length, rows, 1)) < 0.7
  return *arrays, jnp.asarray(same)


@pytest.mark.parametrize("reverse", [False, True])
def test_states_and_gradients_are_those_of_the_plain_scan(reverse):
  given, hidden, pull, same = _arrays()
  # The first place read has nothing before it.
  same = same.at[-1 if reverse else 0].set(False)

  def both(run):
    states, back = jax.vjp(lambda g, h: run(g, h, same, reverse), given, hidden)
    return states, *back(pull)

  expected = jax.jit(lambda: both(recurrent._lstm_states))()
  found = jax.jit(lambda: both(recurrent._lstm_kept))()
  for one, other in zip(found, expected, strict=True):
    assert abs(other).max() > 0.1
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
  alone = recurrent._lstm_kept(given, hidden, same, reverse)
  np.testing.assert_allclose(alone, expected[0], rtol=1e-5, atol=1e-5)


def test_a_gradient_of_the_gradient_exists():
  given, hidden, pull, same = _arrays()

  def slope(run):
    def loss(hidden):
      return (run(given, hidden, same, False) * pull).sum()

    return jax.grad(lambda h: jnp.sum(jax.grad(loss)(h) ** 2))

  expected = jax.jit(slope(recurrent._lstm_states))(hidden)
  found = jax.jit(slope(recurrent._lstm_kept))(hidden)
  scale = abs(expected).max()
  np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)
