"""Lungs in chest X-rays of the COVID-19 image data collection.

The masks come with the collection and were drawn by a network (lungVAE), not by
a person.
"""

import pathlib

from medfm.data import cards, records, splits
from medfm.data.datasets import covid_xray, pictures
from medfm.data.volumes import cases, plan
from medfm.data.volumes.style import Style
from medfm.spec import forwards
from medfm.tasks.regions import Regions
from medfm.types import Dataset, Folders, UserError

_MASKS = pathlib.PurePath("annotations", "lungVAE-masks")


@forwards(plan.planned)
def lungs(
  folders: Folders,
  *,
  side: int = 256,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.6, 0.15, 0.25),
  **planning,
) -> Dataset:
  """image [H,W,1] uint8, regions [*F] in {0, 1}, of the X-rays with a mask.

  F is the size of the file, in which masks are scored.

  side: the longer side, in pixels, that an X-ray is resized to. fractions: of
    the patients.
  """
  root = covid_xray.root(folders)
  found = covid_xray.listed(root)
  kept, raw = [], {}
  for each in found.pictures:
    mask = root / _MASKS / f"{each.file.stem}_mask.png"
    if not mask.is_file():
      continue
    raw |= {f"{each.name}/image": each.file, f"{each.name}/mask": mask}
    kept.append(
      cases.Case(
        each.name,
        (f"{each.name}/image",),
        (f"{each.name}/mask",),
        each.patient,
        each.cells,
      )
    )
  if not kept:
    raise UserError(
      f"{root.name}: {_MASKS.as_posix()} holds no mask of its X-rays: get them "
      f"from {covid_xray.URL}"
    )
  style = Style(axes=2, dtype="uint8", side=side, threshold=128)
  style = cases.as_trained(style, folders.reading, "covid_lungs")
  prepared = cases.prepared(folders, kept, raw, style, found.groups)
  parts, how = dict(prepared.splits), "every row"
  if not folders.reading:
    parts, how = splits.completed(parts, seed, tuple(fractions), "")
  without = len(found.pictures) - len(kept)
  changes = {"X-rays without a mask, left out": without}
  return cases.dataset(
    parts,
    name="covid_lungs",
    target=Regions(("lungs",), pixels=True, axes=2),
    style=style,
    planning=planning,
    reading=folders.reading,
    card={
      **covid_xray.CARD,
      **found.card,
      "published": "none that compares",
      "notes": [
        "the masks are predictions of a network (Selvan et al., "
        "arXiv:2005.10052): a high score says that a model is like that one",
        *covid_xray.CARD["notes"],
      ],
      "changes": [*records.counted(changes), *prepared.changes],
      "split": how,
      "fingerprint": prepared.fingerprint,
      **cards.warned(
        pictures.too_few(parts["test"]) if "test" in parts else []
      ),
    },
  )
