"""SimCLR in PyTorch: two views of a batch, ResNet-18 of width 32, by AdamW.

Views are drawn on whole batches, by the formulas of MedFM's changes, which is
several times quicker than image by image.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.peers import arguments, lines, torch_models, torch_setup

WIDTH, HIDDEN, PROJECTED, TEMPERATURE = 32, 512, 128, 0.1
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def network() -> nn.Module:
  """A 3x3 stem and eight blocks, then a projection of two layers."""
  layers = [nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTH)]
  layers += [nn.ReLU(inplace=True)]
  wide = WIDTH
  for stage in range(4):
    for index in range(2):
      stride = 2 if stage and not index else 1
      width = WIDTH * 2**stage
      layers.append(torch_models.BasicBlock(wide, width, stride))
      wide = width
  layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
  layers += [nn.Linear(wide, HIDDEN), nn.ReLU(inplace=True)]
  return nn.Sequential(*layers, nn.Linear(HIDDEN, PROJECTED, bias=False))


def view_of(x: torch.Tensor) -> torch.Tensor:
  """A view of each image [B,3,H,W] from 0 to 1: crop, flip, jitter."""
  count = len(x)
  area = torch.empty(count, 1).uniform_(0.2, 1)
  ratios = torch.empty(count, 2).uniform_(-1, 1)
  ratios = (ratios - ratios.mean(1, keepdim=True)) * math.log(4 / 3) / 2
  sides = (area.sqrt() * ratios.exp()).clamp(max=1)
  start = torch.rand(count, 2) * (1 - sides)
  place = torch.cat([torch.diag_embed(sides), torch.zeros(count, 2, 1)], 2)
  place[:, :, 2] = 2 * start + sides - 1
  grid = F.affine_grid(place, list(x.shape), align_corners=False)
  x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
  return jittered(torch.where(chance(count, 0.5), x.flip(-1), x))


def jittered(x: torch.Tensor) -> torch.Tensor:
  """Brightness, contrast, saturation and hue, with a probability of 0.8."""
  count = len(x)

  def factor(most: float) -> torch.Tensor:
    return torch.empty(count, 1, 1, 1).uniform_(1 - most, 1 + most)

  y = (x * factor(0.4)).clamp(0, 1)
  mean = (y * LUMA).sum(1, keepdim=True).mean((2, 3), keepdim=True)
  y = ((y - mean) * factor(0.4) + mean).clamp(0, 1)
  grey = (y * LUMA).sum(1, keepdim=True)
  y = ((y - grey) * factor(0.4) + grey).clamp(0, 1)
  y = turned(y, torch.empty(count, 1, 1).uniform_(-0.1, 0.1))
  return torch.where(chance(count, 0.8), y, x)


def turned(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
  """The hue turned by a share of the circle [B,1,1], as in HSV."""
  value = x.amax(1)
  chroma = value - x.amin(1)
  safe = torch.where(chroma > 0, chroma, 1)
  red, green, blue = x.unbind(1)
  later = torch.where(
    value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe
  )
  sector = torch.where(value == red, (green - blue) / safe, later)
  hue = sector / 6 + turn
  channels = []
  for offset in (5, 3, 1):
    k = (offset + 6 * hue) % 6
    channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
  return torch.stack(channels, 1)


def chance(count: int, probability: float) -> torch.Tensor:
  """[B,1,1,1] bool."""
  return torch.rand(count, 1, 1, 1) < probability


def contrasted(z: torch.Tensor) -> torch.Tensor:
  """The normalised-temperature cross-entropy of views [2B,E]."""
  z = F.normalize(z)
  likeness = z @ z.T / TEMPERATURE
  likeness.fill_diagonal_(-torch.inf)
  other = torch.arange(len(z)).roll(len(z) // 2)
  return F.cross_entropy(likeness, other)


def main() -> None:
  given = arguments.parsed()
  torch_setup.begin()
  data = np.load(f"{given.data}/train.npz")
  images = torch.from_numpy(data["image"].transpose(0, 3, 1, 2).copy())
  model = network().train()
  optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)
  orders = lines.orders(len(images), given.batch, given.steps)
  for step, order in enumerate(orders, 1):
    optimizer.zero_grad(set_to_none=True)
    x = images[torch.from_numpy(order)].float() / 255
    both = torch.cat([view_of(x), view_of(x)])
    loss = contrasted(model((both - 0.5) / 0.5))
    loss.backward()
    optimizer.step()
    if lines.due(step, given.every):
      lines.say(step, given.steps, loss.item())


if __name__ == "__main__":
  main()
