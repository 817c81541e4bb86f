"""A folder of JPEG files through torch's DataLoader with two workers."""

import pathlib

import numpy as np
import torch
from PIL import Image

from benchmarks.peers import arguments, lines


class Folder(torch.utils.data.Dataset):
  """Files decoded and resized when asked for, as ImageFolder does."""

  def __init__(self, root: pathlib.Path, size: int):
    self.files = sorted(root.glob("*/*"))
    self.size = size

  def __len__(self) -> int:
    return len(self.files)

  def __getitem__(self, index: int):
    path = self.files[index]
    with Image.open(path) as file:
      image = file.convert("RGB").resize((self.size, self.size), Image.BILINEAR)
    array = np.asarray(image, np.float32) / 255
    return torch.from_numpy(array), int(path.parent.name[5:])


def main() -> None:
  given = arguments.parsed()
  folder = Folder(pathlib.Path(given.data, "files", "train"), 64)
  loader = torch.utils.data.DataLoader(
    folder,
    given.batch,
    shuffle=True,
    num_workers=2,
    persistent_workers=True,
  )
  lines.say(1, given.steps, 0.0)
  for epoch in range(given.steps // len(folder)):
    for image, _ in loader:
      last = image
    lines.say(1 + (epoch + 1) * len(folder), given.steps, float(last.mean()))


if __name__ == "__main__":
  main()
