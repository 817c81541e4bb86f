"""MONAI's DynUNet with residual blocks, Dice and cross-entropy, by AdamW.

Its size is that of MedFM's plan. Patches are gathered whole. --last keeps them
and the weights with channels last. --alike takes one of the two convolutions
of every decoder stage out, as MedFM's network has one.
"""

import argparse
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import DynUNet

from benchmarks.peers import arguments, lines, torch_setup

CLASSES = 3


def dynunet(**more: Any) -> DynUNet:
  """Four stages of 16 features and up, as MedFM plans it."""
  strides = (1, 2, 2, 2)
  return DynUNet(
    spatial_dims=3,
    in_channels=1,
    out_channels=CLASSES,
    kernel_size=(3,) * 4,
    strides=strides,
    upsample_kernel_size=strides[1:],
    filters=(16, 32, 64, 128),
    res_block=True,
    **more,
  )


def network(given: argparse.Namespace) -> torch.nn.Module:
  """That network; prints how many parameters it has."""
  model = dynunet()
  if given.alike:
    for stage in model.upsamples:
      block = stage.conv_block
      stage.conv_block = torch.nn.Sequential(
        block.conv1, block.norm1, block.lrelu
      )
  count = sum(each.numel() for each in model.parameters())
  print(f"parameters: {count:,}", flush=True)
  return model.to(memory_format=layout(given))


def layout(given: argparse.Namespace) -> torch.memory_format:
  return torch.channels_last_3d if given.last else torch.contiguous_format


def main() -> None:
  given = arguments.parsed("last", "alike")
  torch_setup.begin()
  data = np.load(f"{given.data}/train.npz")
  images = torch.from_numpy(data["image"][:, None])
  labels = torch.from_numpy(data["label"][:, None])
  model = network(given).train()
  loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)
  optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)
  orders = lines.orders(len(labels), given.batch, given.steps)
  for step, order in enumerate(orders, 1):
    rows = torch.from_numpy(order)
    batch = images[rows].to(memory_format=layout(given))
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(model(batch), labels[rows])
    loss.backward()
    optimizer.step()
    if lines.due(step, given.every):
      lines.say(step, given.steps, loss.item())


if __name__ == "__main__":
  main()
