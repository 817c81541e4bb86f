"""Which implementation of an operation is used; chosen only here.

On XLA's CPU backend a convolution with few output places takes far longer than
its arithmetic, and the gradient of a max pool (select-and-scatter) takes much
of a small network's step. Only on that backend, our own forms with the same
values and gradients are used; `python -m benchmarks.run` times each of them.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

_EIGEN = {  # YNNPACK is left products and sums, but no convolutions.
  "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,"
  "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
}
_ORDER = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
_ONEDNN = "xla_cpu_experimental_onednn_custom_call"


def on_cpu() -> bool:
  """Whether programs compile for the CPU by default."""
  return jax.default_backend() == "cpu"


def conv_as_dot(places: int, inputs: int) -> bool:
  """Whether a convolution becomes one dot.

  places: height x width of its result. inputs: how many numbers each place is
    computed from, window x channels.
  """
  return on_cpu() and (places <= 16 or inputs <= 9)


def pool_by_index() -> bool:
  """Whether max pooling remembers its winners instead of searching again."""
  return on_cpu()


def lstm_by_hand() -> bool:
  """Whether an LSTM keeps its gates' slopes for MedFM's own gradient."""
  return on_cpu()


def product_for_input(places: int) -> bool:
  """Whether a convolution's gradient for its input is one product.

  places: height x width of its result.
  """
  return on_cpu() and places <= 144


def planes_by_pairs(planes: int, stride: int, channels: int) -> bool:
  """Whether a 3-D convolution computes two planes of its result together.

  planes, stride: of the kernel along the first axis. channels: of the input;
    with few the sums cost more than the products that are saved.
  """
  return on_cpu() and planes == 3 and stride == 1 and channels >= 8


def compiled(function: Callable, *, onednn: bool = False, **jit) -> Callable:
  """`jax.jit(function, **jit)`, with the libraries that are fastest here.

  On a CPU, XLA's convolutions come from Eigen instead of YNNPACK, which with
  jax 0.10 takes three times as long for 16 channels and more; and operations
  run in the order that holds least memory, instead of one in which more of them
  could run side by side, which on two cores is about as fast.

  onednn: matrix products by oneDNN, on a CPU from jax 0.11 on. Such programs
    are not kept in the compilation cache, since jaxlib 0.12 runs out of memory
    when it tries.
  """
  if not on_cpu():
    return jax.jit(function, **jit)
  options = {
    **(_EIGEN if eigen_convolutions() else {}),
    **(_ORDER if least_memory() else {}),
  }
  if not onednn or jax.__version_info__ < (0, 11):
    return jax.jit(function, **jit, compiler_options=options)
  options = {**options, _ONEDNN: True}
  program = jax.jit(function, **jit, compiler_options=options)
  setting = "jax_persistent_cache_min_compile_time_secs"

  def call(*arguments):
    before = getattr(jax.config, setting)
    jax.config.update(setting, float("inf"))
    try:
      return program(*arguments)
    finally:
      jax.config.update(setting, before)

  call.lower = program.lower  # As in `jax.jit`, for its cost analysis.
  return call


def eigen_convolutions() -> bool:
  """Whether XLA can be told to take convolutions from Eigen, on a CPU."""
  return on_cpu() and _takes(*_EIGEN.items())


def least_memory() -> bool:
  """Whether XLA can be told to order operations by memory, on a CPU."""
  return on_cpu() and _takes(*_ORDER.items())


@functools.cache
def _takes(*options: tuple[str, str]) -> bool:
  """Whether this jaxlib has these options of its compiler."""
  try:
    program = jax.jit(jnp.negative, compiler_options=dict(options))
    program.lower(1.0).compile()
  except jax.errors.JaxRuntimeError:
    return False
  return True


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
