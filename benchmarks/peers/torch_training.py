"""The training cases in PyTorch, eager, float32, as its tutorials write them.

Batches are gathered whole and gradients set to None: the quickest plain form.
"""

import os

import numpy as np
import torch
from torch import nn

from benchmarks.peers import arguments, lines, torch_models


def main() -> None:
  given = arguments.parsed()
  torch.manual_seed(0)
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  data = np.load(f"{given.data}/train.npz")
  model, optimizer = torch_models.MODELS[given.model]()
  inputs = torch.from_numpy(torch_models.inputs(data))
  labels = torch.from_numpy(data["label"].astype(np.int64))
  loss_of = nn.CrossEntropyLoss()
  orders = lines.orders(len(labels), given.batch, given.steps)
  for step, order in enumerate(orders, 1):
    rows = torch.from_numpy(order)
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(model(inputs[rows]), labels[rows])
    loss.backward()
    optimizer.step()
    if lines.due(step, given.every):
      lines.say(step, given.steps, loss.item())


if __name__ == "__main__":
  main()
