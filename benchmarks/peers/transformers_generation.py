"""Greedy generation by `generate` of transformers, with its cache."""

import os

import numpy as np
import torch

from benchmarks.peers import arguments, lines
from benchmarks.peers import transformers_training as training

NEW = 96


def main() -> None:
  given = arguments.parsed()
  torch.manual_seed(0)
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  model = training.gpt().eval()
  tokens = np.load(f"{given.data}/prompts.npz")["tokens"][: given.batch]
  tokens = torch.from_numpy(tokens).long()
  seen = torch.ones_like(tokens)
  done = 1 - given.batch * NEW  # The first one warms up.
  while done < given.steps:
    found = model.generate(
      tokens,
      attention_mask=seen,
      max_new_tokens=NEW,
      min_new_tokens=NEW,
      do_sample=False,
      pad_token_id=0,
    )
    assert found.shape[1] == tokens.shape[1] + NEW
    done += given.batch * NEW
    lines.say(done, given.steps, 0.0)


if __name__ == "__main__":
  main()
