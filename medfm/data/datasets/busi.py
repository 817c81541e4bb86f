"""BUSI: breast ultrasound, benign, malignant or normal; 780 images.

Collected in 2018 from about 600 women at one hospital. No image names its
patient, and some women are shown several times: near copies stay in one split.
"""

import re
from typing import Any

from medfm.data.datasets import pictures
from medfm.spec import forwards
from medfm.types import Dataset, Folders

CLASSES = ("benign", "malignant", "normal")
_NAME = re.compile(r"(?:.*/)?((benign|malignant|normal) ?\(\d+\))\.png")
_URL = "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset"
CARD = {
  "source": _URL,
  "licence": "public release; copies are tagged CC0",
  "citation": "Al-Dhabyani, Gomaa, Khaled, Fahmy: Dataset of breast ultrasound "
  "images. Data in Brief 28 (2020) 104863",
  "published": "none that compares: there is no official split, and most "
  "published splits divide the images of one woman",
  "notes": [
    "No patient ids: near copies are kept in one split, but two views of one "
    "woman that do not look alike can still be in two splits.",
    "Known to hold near copies, wrong labels and burnt-in marks (Pawlowska et "
    "al. 2023); BreastMNIST shows the same women.",
  ],
}


@forwards(pictures.dataset)
def busi(folders: Folders, *, channels: int = 1, **settings: Any) -> Dataset:
  """Benign, malignant or normal: image [N,128,128,1], label [N]."""
  root = pictures.source(
    folders,
    "Dataset_BUSI_with_GT",
    "Dataset_BUSI.zip",
    "Dataset_BUSI_256",
    "busi_256.zip",
    url=_URL,
    what="BUSI",
    holds=CLASSES,
  )
  changes: dict[str, int] = {}  # Masks have names of their own.
  listed = [
    pictures.Picture(match[1], file, match[2])
    for match, file in pictures.matching(root, _NAME, changes)
  ]
  return pictures.dataset(
    folders,
    pictures.Listed(listed, CLASSES, changes=changes),
    "busi",
    CARD,
    channels=channels,
    **settings,
  )
