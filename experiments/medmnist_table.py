"""Do our ResNets reach the published numbers on all of MedMNIST?

Hypothesis: trained by MedMNIST's protocol (Yang et al. 2023, doi
10.1038/s41597-022-01721-8), ResNet-18 and ResNet-50 at 28 pixels reach the
AUROC and accuracy of its Table 3 on each of the twelve 2-D sets, to within
the spread over seeds.

Twelve sets x two depths x three seeds. Sets whose file is not in the data
folder are listed as unavailable; put <set>.npz there and run again. Meant for
GPUs: 100 epochs of the largest set are hours on one.

Run:  python launch.py --grid=experiments/medmnist_table.py
      python launch.py --grid=experiments/medmnist_table.py --executor=slurm
      python launch.py --grid=experiments/medmnist_table.py:breastmnist,r18
      python launch.py --grid=experiments/medmnist_table.py:tiny
"""

import pathlib

from medfm.data.datasets.medmnist import MEMBERS
from medfm.grid.combine import product, seeds
from medfm.variants import subsets

CONFIG = "configs/resnet.py"
METRIC = "auroc"
DEPTHS = ("r18", "r50")


def grid(words: str = ""):
  chosen = subsets(words, set=MEMBERS, depth=DEPTHS, size=("tiny",))
  tiny = bool(chosen["size"])
  sets = chosen["set"] or MEMBERS
  depths = chosen["depth"] or DEPTHS[: 1 if tiny else None]
  end = ",tiny" if tiny else ""
  return product(
    {"config": [f"{CONFIG}:{m},{d}{end}" for m in sets for d in depths]},
    seeds(1 if tiny else 3),
  )


def unavailable(setting, raw):
  """Why a setting cannot run with this folder of raw files, or ""."""
  name = setting["config"].partition(":")[2].partition(",")[0]
  if raw and any(pathlib.Path(raw).rglob(f"{name}.npz")):
    return ""
  return f"no {name}.npz in the data folder"
