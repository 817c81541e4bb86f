"""Slides composed of real tiles: pyramids as a scanner writes them.

They are no slides of any patient: tiles of many people lie side by side.
"""

import io
import pathlib
import zipfile

import numpy as np
from PIL import Image

CRC = "images/crc_val_he_7k_jpg70.zip"
MPP = 0.5


def tiles(data_dir: pathlib.Path, edge: int = 32) -> dict[str, np.ndarray]:
  """class of CRC-VAL-HE-7K -> its real tiles, made uint8 [10,edge,edge,3]."""
  made: dict[str, list[np.ndarray]] = {}
  with zipfile.ZipFile(data_dir / CRC) as archive:
    for name in sorted(archive.namelist()):
      if name.lower().endswith((".jpg", ".jpeg", ".png")):
        image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
        small = image.resize((edge, edge), Image.Resampling.BOX)
        kind = name.rsplit("/", 2)[-2]
        made.setdefault(kind, []).append(np.asarray(small))
  return {kind: np.stack(each) for kind, each in made.items()}


def picture(cells: list[list[np.ndarray | None]], edge: int = 32) -> np.ndarray:
  """Tiles side by side; None is the white of the glass."""
  white = np.full((edge, edge, 3), 245, np.uint8)
  rows = [
    np.concatenate([white if c is None else c for c in row], 1) for row in cells
  ]
  return np.concatenate(rows, 0)


def pyramid(
  path: pathlib.Path,
  whole: np.ndarray,
  *,
  mpp: float | None = MPP,
  levels: int = 3,
  nested: bool = False,
  description: str | None = None,
  **options,
) -> pathlib.Path:
  """Writes a picture [H,W,3] and its halves as a tiled TIFF.

  mpp: None writes no resolution. nested: levels as SubIFDs, else as pages.
  """
  import tifffile

  place = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}
  place |= options
  if mpp:
    place |= {"resolutionunit": "CENTIMETER"}
  level = whole
  with tifffile.TiffWriter(path) as file:
    for k in range(levels):
      more = {"description": description} if k == 0 and description else {}
      if mpp:
        more["resolution"] = (1e4 / mpp / 2**k, 1e4 / mpp / 2**k)
      if nested and k == 0:
        more["subifds"] = levels - 1
      if k:
        more["subfiletype"] = 1
      file.write(level, metadata=None, **place, **more)
      level = np.asarray(Image.fromarray(level).reduce(2))
  return path


def cohort(
  folder: pathlib.Path,
  kinds: dict[str, np.ndarray],
  *,
  slides: int,
  seed: int = 0,
  edge: int = 32,
  side: int = 8,
  tumour: int = 3,
) -> pathlib.Path:
  """Composed slides of normal tiles, every other one with some of tumour.

  Two slides a patient. slides.csv has file, label, patient, tumour (the places
  of tumour tiles, "row:column" joined by spaces), and stage: I without, II with
  up to `tumour` tiles, III with more.
  """
  generator = np.random.default_rng(seed)
  folder.mkdir(parents=True, exist_ok=True)
  normal = np.concatenate([kinds[k] for k in ("NORM", "MUC", "STR", "MUS")])
  lines = ["file,label,patient,site,stage,tumour"]
  for number in range(slides):
    cells: list[list] = [[None] * side for _ in range(side)]
    inside = [(r, c) for r in range(1, side - 1) for c in range(1, side - 1)]
    for row, column in inside:
      cells[row][column] = generator.choice(normal)
    stage = number // 2 % 3
    count = stage * tumour
    picked = generator.permutation(len(inside))[:count]
    for place in picked:
      row, column = inside[place]
      cells[row][column] = generator.choice(kinds["TUM"])
    path = folder / f"composed{number}.tif"
    pyramid(path, picture(cells, edge))
    label = "tumour" if count else "normal"
    marked = " ".join(f"{inside[p][0]}:{inside[p][1]}" for p in sorted(picked))
    site = "ab"[number % 2]
    lines.append(
      f"{path.name},{label},p{number // 2},{site},{'I' * (stage + 1)},{marked}"
    )
  table = folder / "slides.csv"
  table.write_text("\n".join(lines) + "\n")
  return table
