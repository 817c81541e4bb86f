"""CRC-VAL-HE-7K: tiles of colorectal tissue, nine kinds of it.

7,180 tiles of 50 patients, made to test models that were trained on
NCT-CRC-HE-100K.
"""

import re
from typing import Any

from medfm.data.datasets import pictures
from medfm.spec import forwards
from medfm.types import Dataset, Folders

TISSUES = {
  "ADI": "adipose",
  "BACK": "background",
  "DEB": "debris",
  "LYM": "lymphocytes",
  "MUC": "mucus",
  "MUS": "smooth muscle",
  "NORM": "normal mucosa",
  "STR": "stroma",
  "TUM": "tumour epithelium",
}
OFFICIAL = 7_180
_NAME = re.compile(rf"(?:.*/)?(({'|'.join(TISSUES)})-TCGA-[A-Z]+)\.(?:jpg|tif)")
_URL = "https://zenodo.org/record/1214456"
CARD = {
  "source": _URL,
  "licence": "CC BY 4.0; the JPEG copies come with CC BY-NC-SA 4.0",
  "citation": "Kather et al.: Predicting survival from colorectal cancer "
  "histology slides using deep learning. PLoS Medicine 16 (2019) e1002730",
  "published": "VGG19 trained on NCT-CRC-HE-100K, all 7,180 tiles of nine "
  "classes: accuracy .943 (not checked here); another protocol",
  "notes": [
    "The TCGA code in a tile's name is the tile's own, not that of a patient: "
    "tiles of one patient can be in two splits.",
  ],
}


@forwards(pictures.dataset)
def crc(folders: Folders, **settings: Any) -> Dataset:
  """The kind of tissue: image [N,128,128,3], label [N]."""
  root = pictures.source(
    folders,
    "CRC-VAL-HE-7K",
    "CRC-VAL-HE-7K.zip",
    "crc_val_he_7k_jpg70.zip",
    url=_URL,
    what="CRC-VAL-HE-7K",
    holds=("ADI", "TUM"),
  )
  changes: dict[str, int] = {}
  listed = [
    pictures.Picture(match[1], file, TISSUES[match[2]])
    for match, file in pictures.matching(root, _NAME, changes)
  ]
  few = f"{len(listed):,} of the {OFFICIAL:,} tiles"
  notes = [] if len(listed) == OFFICIAL else [few]
  return pictures.dataset(
    folders,
    pictures.Listed(listed, tuple(TISSUES.values()), changes=changes),
    "crc",
    {**CARD, "notes": [*CARD["notes"], *notes]},
    **settings,
  )
