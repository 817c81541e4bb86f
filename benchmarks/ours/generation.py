"""Greedy generation by the product's function, on fresh weights."""

import functools

import jax
import numpy as np

from benchmarks.peers import arguments, lines
from medfm import host, setup
from medfm.models import gpt
from medfm.nn import generation

NEW, VOCABULARY = 96, 8192


def main() -> None:
  given = arguments.parsed()
  host.keep_freed_memory()  # As launch.py does.
  setup.jax_settings(setup.folders(None))
  tokens = np.load(f"{given.data}/prompts.npz")["tokens"][: given.batch]
  model = gpt.GPT(
    outputs=0,
    vocabulary=VOCABULARY,
    width=256,
    depth=4,
    heads=4,
    length=tokens.shape[1] + NEW,
  )
  batch = {"tokens": tokens, "id": np.arange(given.batch)}
  variables = jax.jit(model.init)(jax.random.key(0), batch)
  generate = functools.partial(
    generation.generation(model, new=NEW, end=-1),
    variables,
    tokens,
    key=jax.random.key(0),
    ids=np.arange(given.batch),
    temperature=0.0,
    top_k=0,
    top_p=1.0,
  )
  done = 1 - given.batch * NEW  # The first one warms up.
  while done < given.steps:
    found = generate(np.ones_like(tokens))
    assert np.asarray(found.tokens).shape == (given.batch, NEW)
    done += given.batch * NEW
    lines.say(done, given.steps, 0.0)


if __name__ == "__main__":
  main()
