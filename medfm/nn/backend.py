"""Which implementation of an operation runs here: the only place to choose.

On XLA's CPU backend a convolution with few output places takes far longer than
its arithmetic, and the gradient of a max pool (select-and-scatter) takes much
of a small network's step. There, and only there, our own forms with the same
values and gradients are used; `python -m benchmarks.run` times each of them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def on_cpu() -> bool:
  """Whether programs compile for the CPU by default."""
  return jax.default_backend() == "cpu"


def conv_as_dot(places: int) -> bool:
  """Whether a convolution to height x width places becomes one dot."""
  return on_cpu() and places <= 16


def pool_by_index() -> bool:
  """Whether max pooling remembers its winners instead of searching again."""
  return on_cpu()


def lstm_by_hand() -> bool:
  """Whether an LSTM keeps its gates' slopes for a gradient of our own."""
  return on_cpu()


def onednn(step: Callable, **jit) -> Callable:
  """`jax.jit(step, **jit)`, with oneDNN's matrix products where it helps.

  That is on a CPU from jax 0.11 on. Such programs are not kept in the
  compilation cache: jaxlib 0.12 runs out of memory trying.
  """
  if not on_cpu() or jax.__version_info__ < (0, 11):
    return jax.jit(step, **jit)
  option = {"xla_cpu_experimental_onednn_custom_call": True}
  compiled = jax.jit(step, **jit, compiler_options=option)
  setting = "jax_persistent_cache_min_compile_time_secs"

  def call(*arguments):
    before = getattr(jax.config, setting)
    jax.config.update(setting, float("inf"))
    try:
      return compiled(*arguments)
    finally:
      jax.config.update(setting, before)

  call.lower = compiled.lower  # As `jax.jit` has it, to ask for its costs.
  return call


def attention(query: jax.Array, key: jax.Array) -> str:
  """The implementation of `jax.nn.dot_product_attention` for [B,L,heads,D].

  cuDNN's fused kernels take 16-bit floats, heads of at most 128 in multiples
  of 8, and with a mask even lengths; everything else goes through XLA.
  """
  fits = (
    jax.default_backend() == "gpu"
    and query.dtype in (jnp.bfloat16, jnp.float16)
    and query.shape[-1] <= 128
    and query.shape[-1] % 8 == 0
    and query.shape[1] % 2 == key.shape[1] % 2 == 0
  )
  return "cudnn" if fits else "xla"
