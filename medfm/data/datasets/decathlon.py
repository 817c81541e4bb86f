"""The Medical Segmentation Decathlon's hippocampus: head and body, in MRI.

Antonelli et al. 2022, doi 10.1038/s41467-022-30695-9, task 04: 260 labelled
volumes of one hippocampus each, cut to about 36 x 50 x 35 mm.
"""

import pathlib

from medfm.data import archives, files, splits
from medfm.data.volumes import cases, plan
from medfm.data.volumes.style import Style
from medfm.spec import forwards
from medfm.tasks.regions import Regions
from medfm.types import Dataset, Folders, UserError

_URL = "http://medicaldecathlon.com"
STRUCTURES = ("anterior", "posterior")
COUNTS = (180, 30, 50)


@forwards(plan.planned)
def hippocampus(
  folders: Folders,
  *,
  seed: int = 0,
  counts: tuple[int, ...] = COUNTS,
  tolerance_mm: float = 1.0,
  **planning,
) -> Dataset:
  """image [X,Y,Z,1] float32 of any size, regions [X,Y,Z] in {0, 1, 2}.

  counts: volumes for training, validation and test, in the order of
    sha256("seed:name"). There is no official split with labels, and whether
    two volumes are of one person is not known.
  tolerance_mm: of the surface Dice.
  """
  names = (
    "Task04_Hippocampus.tar",
    "Task04_Hippocampus",
    "task04_hippocampus.zip",
  )
  path = files.find(
    folders, *names, url=_URL, what="Task04_Hippocampus", download=False
  )
  root = path
  if path.is_file():
    cache = pathlib.Path(folders.cache).expanduser()
    root = archives.unpacked(path, cache / "unpacked" / path.stem)
  images = {
    p.name.removesuffix(".nii.gz"): p
    for p in sorted(root.rglob("imagesTr/*.nii.gz"))
    if not p.name.startswith(".")
  }
  if not images:
    raise UserError(f"{path}: holds no imagesTr/*.nii.gz")
  listed, raw = [], {}
  parts = cases.by_hash([*images], counts, seed)
  for name, image in images.items():
    mask = image.parent.parent / "labelsTr" / image.name
    if not mask.is_file():
      raise UserError(f"{path}: labelsTr lacks {image.name}")
    if name not in parts:
      continue
    raw |= {f"{name}/image": image, f"{name}/mask": mask}
    listed.append(
      cases.Case(name, (f"{name}/image",), (f"{name}/mask",), part=parts[name])
    )
  style = Style(masks="labels", structures=len(STRUCTURES))
  style = cases.as_trained(style, folders.reading, "hippocampus")
  prepared = cases.prepared(folders, listed, raw, style)
  missing = [name for name in splits.NAMES if name not in prepared.splits]
  if missing:
    raise UserError(
      f"{path}: {len(images)} volumes leave none for {', '.join(missing)}"
    )
  return cases.dataset(
    prepared.splits,
    name="hippocampus",
    target=Regions(STRUCTURES, tolerance=tolerance_mm),
    style=style,
    planning=planning,
    reading=folders.reading,
    card={
      "source": cases.origin(path, _URL),
      "licence": "CC BY-SA 4.0",
      "citation": "Antonelli et al., Nature Communications 13:4128 (2022)",
      "notes": [
        "no official split with labels: by sha256 of the name, "
        f"{', '.join(map(str, counts))}, seed {seed}",
        "whether two volumes are of one person is not known",
        "nnU-Net reports a Dice of about 0.90 (anterior) and 0.89 (posterior) "
        "on the hidden test set",
      ],
      "changes": prepared.changes,
      "split": f"by sha256 of the name, {counts}, seed {seed}",
      "fingerprint": prepared.fingerprint,
    },
  )
