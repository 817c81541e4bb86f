"""The benchmark's models in PyTorch, layer for layer those of MedFM."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

COLUMNS = 30


def inputs(data) -> np.ndarray:
  """Images scaled to [-1, 1], [N,C,H,W]; features and tokens as they are."""
  if "tokens" in data:
    return data["tokens"].astype(np.int64)
  if "image" not in data:
    return data["features"]
  image = data["image"].astype(np.float32) / 255
  return np.ascontiguousarray((image.transpose(0, 3, 1, 2) - 0.5) / 0.5)


def cnn():
  """Two convolutions with pools and a dense layer, by Adam."""
  model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(1600, 128),
    nn.ReLU(),
    nn.Linear(128, 10),
  )
  return model, torch.optim.Adam(model.parameters(), 1e-3)


def resnet():
  """torchvision's ResNet-18, by SGD with momentum."""
  layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)]
  layers += [nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
  wide = 64
  for width in (64, 128, 256, 512):
    for index in range(2):
      stride = 2 if width > 64 and not index else 1
      layers.append(BasicBlock(wide, width, stride))
      wide = width
  layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
  model = nn.Sequential(*layers)
  return model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)


def mlp():
  """Two hidden layers with dropout, by AdamW."""
  layers, wide = [], COLUMNS
  for width in (128, 128):
    layers += [nn.Linear(wide, width), nn.ReLU(), nn.Dropout(0.1)]
    wide = width
  model = nn.Sequential(*layers, nn.Linear(wide, 2))
  return model, torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)


def transformer():
  """FT-Transformer of three blocks, width 64, by AdamW."""
  model = TabularTransformer(width=64, depth=3, heads=4)
  return model, torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)


def lstm():
  """An embedding, one LSTM, the last state to two classes, by Adam."""
  model = LSTM(vocabulary=8192, width=128)
  return model, torch.optim.Adam(model.parameters(), 1e-3)


class BasicBlock(nn.Module):
  """Two 3x3 convolutions around a shortcut."""

  def __init__(self, wide: int, width: int, stride: int):
    super().__init__()
    self.conv1 = nn.Conv2d(wide, width, 3, stride, 1, bias=False)
    self.norm1 = nn.BatchNorm2d(width)
    self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
    self.norm2 = nn.BatchNorm2d(width)
    self.short = nn.Identity()
    if stride > 1 or wide != width:
      self.short = nn.Sequential(
        nn.Conv2d(wide, width, 1, stride, bias=False), nn.BatchNorm2d(width)
      )

  def forward(self, x):
    y = F.relu(self.norm1(self.conv1(x)), inplace=True)
    y = self.norm2(self.conv2(y))
    return F.relu(y + self.short(x), inplace=True)


class TabularTransformer(nn.Module):
  """Column tokens and [CLS], pre-norm blocks with ReGLU."""

  def __init__(self, width: int, depth: int, heads: int):
    super().__init__()
    bound = width**-0.5
    for name, shape in (
      ("scale", (COLUMNS, width)),
      ("column", (COLUMNS, width)),
      ("cls", (1, 1, width)),
    ):
      value = torch.empty(shape).uniform_(-bound, bound)
      self.register_parameter(name, nn.Parameter(value))
    self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
    self.norm = nn.LayerNorm(width)
    self.head = nn.Linear(width, 2)

  def forward(self, x):
    x = x[:, :, None] * self.scale + self.column
    x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
    for block in self.blocks:
      x = block(x)
    return self.head(F.relu(self.norm(x)[:, 0]))


class LSTM(nn.Module):
  """Dropout after the embedding and after the layer."""

  def __init__(self, vocabulary: int, width: int, dropout: float = 0.1):
    super().__init__()
    self.embed = nn.Embedding(vocabulary, width)
    self.dropout = nn.Dropout(dropout)
    self.lstm = nn.LSTM(width, width, batch_first=True)
    self.head = nn.Linear(width, 2)

  def forward(self, tokens):
    states, _ = self.lstm(self.dropout(self.embed(tokens)))
    return self.head(self.dropout(states)[:, -1])


class Block(nn.Module):
  """Attention, then a gated MLP; dropout on both branches."""

  def __init__(self, width: int, heads: int, dropout: float = 0.1):
    super().__init__()
    hidden = width * 4 // 3
    self.heads, self.dropout = heads, nn.Dropout(dropout)
    self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
    self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
    self.up = nn.Linear(width, 2 * hidden)
    self.down = nn.Linear(hidden, width)

  def forward(self, x):
    batch, length, width = x.shape
    parts = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1)
    q, k, v = parts.permute(2, 0, 3, 1, 4)
    y = F.scaled_dot_product_attention(q, k, v)
    y = y.transpose(1, 2).reshape(batch, length, width)
    x = x + self.dropout(self.out(y))
    gate, y = self.up(self.norm2(x)).chunk(2, -1)
    y = self.down(self.dropout(F.relu(gate) * y))
    return x + self.dropout(y)


MODELS = {
  "cnn": cnn,
  "resnet": resnet,
  "mlp": mlp,
  "transformer": transformer,
  "lstm": lstm,
}
