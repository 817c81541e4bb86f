"""Recurrent layers over [B,L,E] that padding and packing do not disturb."""

import jax
import jax.numpy as jnp
from flax import linen as nn

CELLS = {"lstm": 4, "gru": 3}
"""Gates of each cell."""


class Recurrent(nn.Module):
  """An LSTM or GRU in one direction: [B,L,E] -> states [B,L,width].

  LSTM of Hochreiter and Schmidhuber 1997 with gates i, f, g, o and a forget
  bias of 1 at the start; GRU of Cho et al. 2014 with gates r, z, n as in
  cuDNN and torch: n = tanh(x W + r * (h U + b)). The products with the input
  are one matrix product over all places, ahead of the loop. The state begins
  at zero wherever a new segment does, so neither padding nor the texts
  packed into one row reach each other.

  Parameters `in/kernel` [E,gates*width], `in/bias`, `hidden` [width,
  gates*width] and, for a GRU, `hidden_bias` [width].

  reverse: from right to left.
  """

  width: int
  cell: str = "lstm"
  reverse: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x: jax.Array, segment: jax.Array) -> jax.Array:
    """segment: [B,L] int; the state is reset where it changes."""
    gates = CELLS[self.cell]
    given = nn.Dense(gates * self.width, dtype=self.dtype, name="in")(x)
    orthogonal = nn.initializers.orthogonal(column_axis=-1)
    hidden = self.param("hidden", orthogonal, (self.width, gates * self.width))
    hidden = hidden.astype(self.dtype)
    edge = jnp.zeros_like(segment[:, :1])
    if self.reverse:
      same = jnp.concatenate([segment[:, :-1] == segment[:, 1:], edge > 0], 1)
    else:
      same = jnp.concatenate([edge > 0, segment[:, 1:] == segment[:, :-1]], 1)
    start = jnp.zeros((x.shape[0], self.width), given.dtype)
    if self.cell == "lstm":
      step, carry = _lstm(hidden), (start, start)
    else:
      bias = self.param("hidden_bias", nn.initializers.zeros, (self.width,))
      step, carry = _gru(hidden, bias.astype(self.dtype)), (start,)
    _, states = jax.lax.scan(
      step,
      carry,
      (given.swapaxes(0, 1), same.swapaxes(0, 1)[:, :, None]),
      reverse=self.reverse,
    )
    return states.swapaxes(0, 1)


def _lstm(hidden):
  def step(carry, inputs):
    given, same = inputs
    h, c = (jnp.where(same, value, 0) for value in carry)
    i, f, g, o = jnp.split(given + h @ hidden, 4, -1)
    c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h

  return step


def _gru(hidden, bias):
  def step(carry, inputs):
    given, same = inputs
    h = jnp.where(same, carry[0], 0)
    r, z, n = jnp.split(given, 3, -1)
    hr, hz, hn = jnp.split(h @ hidden, 3, -1)
    r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
    n = jnp.tanh(n + r * (hn + bias[None]))
    h = (1 - z) * n + z * h
    return (h,), h

  return step
