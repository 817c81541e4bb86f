"""Batches of patches through MONAI's CacheDataset, as its tutorials do it.

Volumes are decoded, standardised and filled up to the patch once, and kept in
memory with the indices of marked places. --plain leaves metadata out, --workers
reads with two processes.
"""

import pathlib

from monai import transforms
from monai.data import CacheDataset, DataLoader, set_track_meta

from benchmarks.peers import arguments, lines, torch_setup

PATCH = (40, 56, 40)
BOTH = ["image", "label"]


def main() -> None:
  given = arguments.parsed("plain", "workers")
  torch_setup.begin()
  lines.say(1, given.steps, 0.0)
  names = pathlib.Path(given.data, "train.txt").read_text().splitlines()
  files = [
    {"image": name, "label": name.replace("imagesTr", "labelsTr")}
    for name in names
  ]
  data = CacheDataset(files, steps(given.plain), progress=False)
  set_track_meta(not given.plain)
  loader = DataLoader(
    data,
    batch_size=given.batch,
    shuffle=True,
    num_workers=2 if given.workers else 0,
    persistent_workers=given.workers,
  )
  done = 0
  while True:
    for batch in loader:
      done += len(batch["image"])
      if done % given.every == 0:
        mean = float(batch["image"].mean())
        lines.say(1 + done, given.steps, mean)
      if done + 1 >= given.steps:
        return


def steps(plain: bool) -> transforms.Compose:
  """From files to patches; a third of these around a marked place."""
  return transforms.Compose(
    [
      transforms.LoadImaged(BOTH),
      transforms.EnsureChannelFirstd(BOTH),
      transforms.NormalizeIntensityd("image"),
      transforms.SpatialPadd(BOTH, PATCH),
      transforms.FgBgToIndicesd("label"),
      transforms.EnsureTyped(BOTH, track_meta=not plain),
      transforms.RandCropByPosNegLabeld(
        BOTH,
        label_key="label",
        spatial_size=PATCH,
        pos=1,
        neg=2,
        fg_indices_key="label_fg_indices",
        bg_indices_key="label_bg_indices",
      ),
      transforms.SelectItemsd(BOTH),
    ]
  )


if __name__ == "__main__":
  main()
