"""A volume segmented by MONAI's SlidingWindowInferer with a Gaussian.

The network is that of `monai_training`, with fresh weights; its switches are
those of that program.
"""

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer

from benchmarks.peers import arguments, lines, monai_training, torch_setup

PATCH = (40, 56, 40)


def main() -> None:
  given = arguments.parsed("last", "alike")
  torch_setup.begin()
  volume = torch.from_numpy(np.load(f"{given.data}/train.npz")["image"])
  volume = volume[:, None].to(memory_format=monai_training.layout(given))
  model = monai_training.network(given).eval()
  inferer = SlidingWindowInferer(PATCH, overlap=0.5, mode="gaussian")
  with torch.inference_mode():
    for done in range(1, given.steps + 1):
      found = inferer(volume, model).argmax(1).to(torch.uint8)
      assert found.shape == volume.shape[:1] + volume.shape[2:]
      lines.say(done, given.steps, 0.0)


if __name__ == "__main__":
  main()
