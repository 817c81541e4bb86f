"""MONAI's DynUNet trained on volumes for some minutes, as its tutorials do it.

The learning rate falls to 0 by a cosine over the minutes, which begin with the
first step; the last weights are taken. Test volumes are predicted by windows
that overlap by half.
"""

import argparse
import math
import pathlib
import time

import numpy as np
import torch
from monai import transforms
from monai.data import CacheDataset, DataLoader, set_track_meta
from monai.inferers import SlidingWindowInferer
from monai.losses import DeepSupervisionLoss, DiceCELoss
from monai.networks.nets import DynUNet

from benchmarks.peers import torch_setup
from benchmarks.peers.monai_training import dynunet

BOTH = ("image", "label")
PATCH = (40, 56, 40)
BATCH = 2
LR, WARMUP = 1e-2, 0.05


def main() -> None:
  parser = argparse.ArgumentParser()
  parser.add_argument("--data", required=True, help="train.txt and test.txt")
  parser.add_argument("--out", required=True, help="folder for the masks")
  parser.add_argument(
    "--minutes", type=float, required=True, help="of training"
  )
  given = parser.parse_args()
  torch_setup.begin()
  set_track_meta(False)
  model = dynunet(deep_supervision=True, deep_supr_num=2)
  model = model.to(memory_format=torch.channels_last_3d)
  steps = trained(model, files(given.data, "train"), 60 * given.minutes)
  print(f"steps: {steps}", flush=True)
  model.eval()
  window = SlidingWindowInferer(PATCH, 2, overlap=0.5, mode="gaussian")
  read = transforms.Compose(loaded())
  for file in files(given.data, "test"):
    image = read(file)["image"]
    with torch.no_grad():
      logits = window(image[None], model)
    extents = read_shape(file["image"])
    mask = logits[0].argmax(0).numpy().astype(np.uint8)
    name = pathlib.Path(file["image"]).name.removesuffix(".nii.gz")
    np.save(f"{given.out}/{name}.npy", unpadded(mask, extents))


def files(folder: str, split: str) -> list[dict[str, str]]:
  names = pathlib.Path(folder, f"{split}.txt").read_text().splitlines()
  return [
    {"image": name, "label": name.replace("imagesTr", "labelsTr")}
    for name in names
  ]


def loaded() -> list:
  """Read in the axes of the file, standardised, padded to the patch."""
  return [
    transforms.LoadImaged(BOTH),
    transforms.EnsureChannelFirstd(BOTH, channel_dim="no_channel"),
    transforms.NormalizeIntensityd("image"),
    transforms.SpatialPadd(BOTH, PATCH),
    transforms.EnsureTyped(BOTH, track_meta=False),
  ]


def drawn() -> list:
  """A patch, and the changes that MedFM's config draws, by MONAI's names."""
  return [
    transforms.RandCropByPosNegLabeld(
      BOTH, label_key="label", spatial_size=PATCH, pos=1, neg=2
    ),
    transforms.RandFlipd(BOTH, prob=0.5, spatial_axis=0),
    transforms.RandAffined(
      BOTH,
      prob=0.3,
      rotate_range=(math.pi / 12,) * 3,
      scale_range=((-0.2, 0.25),) * 3,
      mode=("bilinear", "nearest"),
      padding_mode="border",
    ),
    transforms.RandScaleIntensityd("image", factors=0.25, prob=1.0),
    transforms.RandAdjustContrastd("image", prob=1.0, gamma=(0.7, 1.5)),
    transforms.RandGaussianNoised("image", prob=0.15, std=0.2),
  ]


def trained(model: DynUNet, rows: list[dict[str, str]], seconds: float) -> int:
  """How many steps there were."""
  data = CacheDataset(
    rows, transforms.Compose([*loaded(), *drawn()]), progress=False
  )
  loader = DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True)
  loss_of = DeepSupervisionLoss(
    DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)
  )
  optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=1e-3)
  model.train()
  step, begin = 0, time.monotonic()
  while True:
    for batch in loader:
      done = (time.monotonic() - begin) / seconds
      if done >= 1:
        return step
      warm = min(1.0, (done + 1e-3) / WARMUP)
      rest = max(done - WARMUP, 0) / (1 - WARMUP)
      for group in optimizer.param_groups:
        group["lr"] = LR * warm * (1 + math.cos(math.pi * rest)) / 2
      image = batch["image"].to(memory_format=torch.channels_last_3d)
      optimizer.zero_grad(set_to_none=True)
      loss = loss_of(list(torch.unbind(model(image), 1)), batch["label"])
      loss.backward()
      torch.nn.utils.clip_grad_norm_(model.parameters(), 12.0)
      optimizer.step()
      step += 1
      if step % 50 == 0:
        print(f"{step}  {done:.0%}  loss {loss.item():.4f}", flush=True)


def read_shape(path: str) -> tuple[int, ...]:
  import nibabel

  return tuple(nibabel.load(path).shape)


def unpadded(mask: np.ndarray, extents: tuple[int, ...]) -> np.ndarray:
  """Without what `SpatialPadd` put on both sides."""
  places = []
  for whole, extent in zip(mask.shape, extents, strict=True):
    start = (whole - extent) // 2
    places.append(slice(start, start + extent))
  return mask[tuple(places)]


if __name__ == "__main__":
  main()
