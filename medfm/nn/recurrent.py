"""Recurrent layers over [B,L,E], unaffected by padding and packing."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from medfm.nn import backend

CELLS = {"lstm": 4, "gru": 3}
"""Gates of each cell."""


class Recurrent(nn.Module):
  """An LSTM or GRU in one direction: [B,L,E] -> states [B,L,width].

  LSTM of Hochreiter and Schmidhuber 1997 with gates i, f, g, o and a forget
  bias of 1 at the start; GRU of Cho et al. 2014 with gates r, z, n as in
  cuDNN and torch: n = tanh(x W + r * (h U + b)). The state begins at zero
  wherever `segment` [B,L] changes, so that no state passes from one text of a
  packed row to the next, or from padding.

  Parameters `in/kernel` [E,gates*width], `in/bias`, `hidden` [width,
  gates*width] and, for a GRU, `hidden_bias` [width].
  """

  width: int
  cell: str = "lstm"
  reverse: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x: jax.Array, segment: jax.Array) -> jax.Array:
    gates = CELLS[self.cell]
    x, segment = x.swapaxes(0, 1), segment.swapaxes(0, 1)  # Places first.
    given = nn.Dense(gates * self.width, dtype=self.dtype, name="in")(x)
    orthogonal = nn.initializers.orthogonal(column_axis=-1)
    hidden = self.param("hidden", orthogonal, (self.width, gates * self.width))
    hidden = hidden.astype(self.dtype)
    edge, equal = segment[:1] != segment[:1], segment[1:] == segment[:-1]
    parts = [equal, edge] if self.reverse else [edge, equal]
    same = jnp.concatenate(parts)[:, :, None]
    inputs = (given, hidden, same, self.reverse)
    if self.cell == "lstm":
      run = _lstm_kept if backend.lstm_by_hand() else _lstm_states
      return run(*inputs).swapaxes(0, 1)
    bias = self.param("hidden_bias", nn.initializers.zeros, (self.width,))
    states = _gru_states(*inputs, bias.astype(self.dtype))
    return states.swapaxes(0, 1)


def _lstm_states(given, hidden, same, reverse, barrier=lambda sums: sums):
  """Input products [L,B,4W], hidden [W,4W], same [L,B,1] -> states [L,B,W]."""

  def step(carry, inputs):
    given, same = inputs
    h, c = (jnp.where(same, value, 0) for value in carry)
    i, f, g, o = jnp.split(barrier(given + h @ hidden), 4, -1)
    c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h

  start = jnp.zeros((given.shape[1], hidden.shape[0]), given.dtype)
  _, states = lax.scan(step, (start, start), (given, same), reverse=reverse)
  return states


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _lstm_kept(given, hidden, same, reverse):
  """`_lstm_states` and its gradients, in less time and memory on a CPU.

  Without a barrier XLA computes the matrix product again in each fusion that
  reads a gate. A gradient of the gradient holds the slopes once per place, L
  times their size.
  """
  return _lstm_states(given, hidden, same, reverse, lax.optimization_barrier)


def _lstm_forward(given, hidden, same, reverse):
  """The states, and the factors of the gradients at every place.

  For each gate the factor is its slope, which overwrites the input product,
  since a loop would allocate a new array and fill it with zeros first.
  """

  def step(carry, inputs):
    h, c, held = carry
    place, same = inputs
    h, c = (jnp.where(same, value, 0) for value in (h, c))
    gates = lax.optimization_barrier(held[place] + h @ hidden)
    i, f, g, o = jnp.split(gates, 4, -1)
    i, f, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f + 1), jax.nn.sigmoid(o)
    g = jnp.tanh(g)
    slopes = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g)]
    c = f * c + i * g
    t = jnp.tanh(c)
    slopes = jnp.concatenate([*slopes, t * o * (1 - o)], -1)
    h = o * t
    return (h, c, held.at[place].set(slopes)), (h, o * (1 - t * t), f)

  start = jnp.zeros((given.shape[1], hidden.shape[0]), given.dtype)
  carry, inputs = (start, start, given), (jnp.arange(len(given)), same)
  (*_, slopes), kept = lax.scan(step, carry, inputs, reverse=reverse)
  return kept[0], (slopes, *kept, hidden, same)


def _lstm_backward(reverse, residuals, d_states):
  """Gradients; that of `hidden` is one product after the loop.

  The gradients of the input products overwrite the slopes.
  """
  slopes, states, out, forget, hidden, same = residuals
  turned = lax.optimization_barrier(hidden.T)

  def step(carry, inputs):
    dh, dc, held = carry
    place, d_state, out, forget, same = inputs
    dh = dh + d_state
    dc = dc + dh * out
    d_gates = jnp.concatenate([dc, dc, dc, dh], -1) * held[place]
    d_gates, dc = lax.optimization_barrier((d_gates, dc * forget))
    dh, dc = jnp.where(same, d_gates @ turned, 0), jnp.where(same, dc, 0)
    return (dh, dc, held.at[place].set(d_gates)), None

  start = jnp.zeros_like(states[0])
  inputs = (jnp.arange(len(states)), d_states, out, forget, same)
  carry = (start, start, slopes)
  (*_, d_gates), _ = lax.scan(step, carry, inputs, reverse=not reverse)
  parts = [states[1:], start[None]] if reverse else [start[None], states[:-1]]
  before = jnp.where(same, jnp.concatenate(parts), 0)
  before = lax.optimization_barrier(before).reshape(-1, start.shape[-1])
  d_hidden = before.T @ d_gates.reshape(len(before), -1)
  return d_gates, d_hidden, None


_lstm_kept.defvjp(_lstm_forward, _lstm_backward)


def _gru_states(given, hidden, same, reverse, bias):
  """As `_lstm_states`, with 3W instead of 4W; bias [W]."""

  def step(carry, inputs):
    given, same = inputs
    h = jnp.where(same, carry[0], 0)
    r, z, n = jnp.split(given, 3, -1)
    hr, hz, hn = jnp.split(h @ hidden, 3, -1)
    r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
    n = jnp.tanh(n + r * (hn + bias[None]))
    h = (1 - z) * n + z * h
    return (h,), h

  start = jnp.zeros((given.shape[1], hidden.shape[0]), given.dtype)
  return lax.scan(step, (start,), (given, same), reverse=reverse)[1]
