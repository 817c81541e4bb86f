"""Hippocampus by MONAI's DynUNet, on the split and by the scores of MedFM.

    MEDFM_DATA_DIR=DIR python -m benchmarks.segmentation --minutes=20 \
      --python=PYTHON

PYTHON has MONAI and torch. Its network is trained for as many minutes as
`configs/segment.py:hippocampus` took on the same machine; it is of the same
size and has the same batch, optimizer and kinds of augmentation
(`peers/monai_segmentation.py`), but unlike MedFM's it is not mirrored in
prediction. Its masks of the test volumes are scored here as MedFM's own are.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile

import numpy as np

from medfm import setup
from medfm.data.datasets import decathlon
from medfm.evals import scores
from medfm.tasks import regions
from medfm.tasks.regions import measured
from medfm.types import Dataset

SHOWN = ("dice", "dice[anterior]", "dice[posterior]", "hd95", "surface_dice")


def main() -> None:
  parser = argparse.ArgumentParser(prog="python -m benchmarks.segmentation")
  parser.add_argument(
    "--minutes", type=float, required=True, help="of training"
  )
  parser.add_argument(
    "--python",
    required=True,
    metavar="PATH",
    help="the interpreter of an environment with MONAI and torch",
  )
  given = parser.parse_args()
  folders = setup.folders(None)
  data = decathlon.hippocampus(folders)
  root = pathlib.Path(folders.cache, "unpacked")
  images = {
    path.name.removesuffix(".nii.gz"): path
    for path in [
      *root.rglob("imagesTr/*.nii.gz"),
      *pathlib.Path(folders.raw or "").rglob("imagesTr/*.nii.gz"),
    ]
    if path.name.startswith("hippocampus")
  }
  with tempfile.TemporaryDirectory() as folder:
    for name in ("train", "test"):
      paths = [str(images[row]) for row in data.splits[name].ids]
      pathlib.Path(folder, f"{name}.txt").write_text("\n".join(paths))
    module = "benchmarks.peers.monai_segmentation"
    command = [given.python, "-m", module, "--data", folder, "--out", folder]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run(
      [*command, "--minutes", str(given.minutes)], check=True, env=environment
    )
    found = scored(data, pathlib.Path(folder))
  print(f"MONAI's DynUNet, {given.minutes:g} minutes, {found['n']} volumes")
  for name in SHOWN:
    entry = found["metrics"][name]
    print(
      f"{name}: {entry['value']:.3f} [{entry['low']:.3f}, {entry['high']:.3f}]"
    )


def scored(data: Dataset, folder: pathlib.Path) -> dict:
  """The scores of masks <id>.npy, whose axes are those of their files."""
  test = data.splits["test"]
  rows = []
  for row, name in enumerate(test.ids):
    truth = np.asarray(test.arrays["regions"][row])
    mask = np.load(folder / f"{name}.npy")
    spacing = test.arrays["spacing_mm"][row]
    rows.append(measured.measured(data.info.target, truth, mask, spacing))
  predicted = {key: measured.stacked(rows, key) for key in rows[0]}
  target = {"regions": predicted["share"]}
  return scores.scores(regions, data.info, target, predicted)


if __name__ == "__main__":
  main()
