"""Nuclei of the Data Science Bowl 2018: single objects in microscopy.

Caicedo et al. 2019, doi 10.1038/s41592-019-0612-7; BBBC038. A folder for each
image, with one mask for each nucleus.
"""

import pathlib

from medfm.data import archives, files
from medfm.data.volumes import cases, plan
from medfm.data.volumes.style import Style
from medfm.spec import forwards
from medfm.tasks.regions import Regions
from medfm.types import Dataset, Folders, UserError

_URL = "https://bbbc.broadinstitute.org/BBBC038"
TEST, VALIDATION = 100, 40


@forwards(plan.planned)
def nuclei(
  folders: Folders,
  *,
  seed: int = 0,
  test: int = TEST,
  validation: int = VALIDATION,
  train: int = 0,
  least: int = 12,
  waist: int = 9,
  **planning,
) -> Dataset:
  """image [H,W,1] uint8 of any size, regions [H,W] numbers of nuclei.

  test, validation: images, the last in the order of sha256("seed:id") and those
    before them; train: how many of the rest, 0 for all. The official test set
    has no masks here.
  least: predicted objects of fewer pixels are dropped. waist: a predicted
    nucleus with two centres more than so many pixels apart is split (chosen on
    validation).
  """
  names = ("stage1_train.zip", "stage1_train", "dsb2018_nuclei_subset.zip")
  path = files.find(
    folders, *names, url=_URL, what="DSB 2018 stage1_train", download=False
  )
  root = path
  if path.is_file():
    cache = pathlib.Path(folders.cache).expanduser()
    root = archives.unpacked(path, cache / "unpacked" / path.stem)
  images = {p.parent.parent.name: p for p in root.rglob("images/*.png")}
  if len(images) <= test + validation:
    raise UserError(
      f"{path}: holds {len(images)} images, expected more than the "
      f"{test + validation} of test and validation"
    )
  rest = len(images) - test - validation
  parts = cases.by_hash(sorted(images), (rest, validation, test), seed)
  kept, raw = [], {}
  learnt = [name for name, part in parts.items() if part == "train"]
  left = set(learnt[train:]) if train else set()
  for name in sorted(images):
    if name in left:
      continue
    masks = sorted((images[name].parent.parent / "masks").glob("*.png"))
    if not masks:
      raise UserError(f"{path}: the image {name[:12]} has no masks/*.png")
    keys = [f"{name}/masks/{mask.name}" for mask in masks]
    raw |= {f"{name}/image": images[name]}
    raw |= dict(zip(keys, masks, strict=True))
    kept.append(
      cases.Case(name, (f"{name}/image",), tuple(keys), part=parts[name])
    )
  style = Style(axes=2, masks="objects", channels=1, dtype="uint8")
  style = cases.as_trained(style, folders.reading, "nuclei")
  prepared = cases.prepared(folders, kept, raw, style)
  return cases.dataset(
    prepared.splits,
    name="nuclei",
    target=Regions(
      ("nucleus",),
      instances=True,
      pixels=True,
      least=least,
      waist=waist,
      axes=2,
    ),
    style=style,
    planning=planning,
    reading=folders.reading,
    card={
      "source": cases.origin(path, _URL),
      "licence": "CC0",
      "citation": "Caicedo et al., Nature Methods 16:1247 (2019)",
      "notes": [
        f"no official split with masks: by sha256 of the id, seed {seed}, the "
        f"last {test} for test and {validation} before them for validation",
        "the plates are not known: one plate may be in two splits",
        "first place of the competition: mean AP 0.631 on its hidden stage 2 "
        "set, which is not comparable",
        *(
          ["all fluorescence: says nothing about stained tissue"]
          if path.name.endswith("subset.zip")
          else []
        ),
      ],
      "changes": prepared.changes,
      "split": f"by sha256 of the id, seed {seed}",
      "fingerprint": prepared.fingerprint,
    },
  )
