"""Random numbers on the host, by position instead of by turn."""

import zlib

import numpy as np

_WORDS = 3  # The counter's lowest word counts the draws themselves.
_NO_WORDS = np.zeros(4, np.uint64)


def generator(seed: int, *counters: int | str) -> np.random.Generator:
  """The generator of one place in a run: at most three numbers or names.

  Each place has its own stream (Philox, Salmon et al. 2011), whatever was drawn
  elsewhere: threads, resuming and the batch size change no draw.
  """
  return moved(np.random.Generator(np.random.Philox(0)), seed, *counters)


def moved(
  generator: np.random.Generator, seed: int, *counters: int | str
) -> np.random.Generator:
  """The same object at another place; it takes less time than a new one."""
  if len(counters) > _WORDS:
    raise ValueError(f"at most {_WORDS} counters, not {len(counters)}")
  words = [
    zlib.crc32(counter.encode()) if isinstance(counter, str) else int(counter)
    for counter in counters
  ]
  if min((seed, *words)) < 0:
    raise ValueError(f"negative seed or counter: {(seed, *counters)}")
  # The number of counters is in the key: (1,) and (1, 0) are two places.
  key = np.array([seed, len(words)], np.uint64)
  counter = np.array([0] * (1 + _WORDS - len(words)) + words, np.uint64)
  generator.bit_generator.state = {
    "bit_generator": "Philox",
    "state": {"key": key, "counter": counter},
    "buffer": _NO_WORDS,
    "buffer_pos": len(_NO_WORDS),
    "has_uint32": 0,
    "uinteger": 0,
  }
  return generator


def permutation(n: int, seed: int, *counters: int | str) -> np.ndarray:
  """[n] int64, the order for one place: the same in every numpy version.

  Sorts raw Philox words, since numpy keeps those stable but may change how its
  `permutation` uses them.
  """
  words = generator(seed, *counters).bit_generator.random_raw(n)
  return np.argsort(words, kind="stable")
