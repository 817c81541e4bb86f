"""Raw files: found, downloaded, checked and unpacked, never half-done."""

import logging
import os
import pathlib
import shutil
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from medfm.data import disk
from medfm.data.archives import unpacked
from medfm.data.tables.table import shortened
from medfm.spec import nearest
from medfm.types import Folders, UserError

OFFLINE = "MEDFM_OFFLINE"
_TIMEOUT_S = 60


def find(
  folders: Folders,
  *names: str,
  url: str,
  what: str,
  download: bool = True,
  **sums: str,
) -> pathlib.Path:
  """The raw file (or folder) of a dataset, downloaded if it is absent.

  Looks for each of `names` in the user's raw folder and two levels below it,
  then among earlier downloads, and then downloads `url` under the first name.
  A file of the user's is taken as it is, since mirrors may save a file again
  with other bytes; `origin` tells whether it is the official one. A download
  must match the checksums, and is repeated if it no longer does.

  sums: the published `sha256` or `md5`.
  what: the dataset, for the message. download: False if `url` is a page to
    read (terms to accept) and not the file. The environment variable
    MEDFM_OFFLINE=1 forbids every download.
  """
  downloads = pathlib.Path(folders.cache).expanduser() / "downloads"
  places = [(downloads, ("",))]
  if folders.raw:
    raw = pathlib.Path(folders.raw).expanduser()
    places.insert(0, (raw, ("", "*/", "*/*/")))
  for folder, depths in places:
    for name in names:
      for depth in depths:
        for path in sorted(folder.glob(f"{depth}{name}")):
          if folder != downloads or not _other(path, sums):
            return path
          logging.warning("%s was damaged: fetching it again", path)
          path.unlink()
  place = folders.raw or "a folder that --data_dir or MEDFM_DATA_DIR names"
  missing = (
    f"{what}: {' or '.join(names)} is missing: get it from {url} and put it "
    f"into {place}"
  )
  if not download:
    raise UserError(missing)
  if os.environ.get(OFFLINE, "0") not in ("", "0"):
    raise UserError(f"{missing} (downloads are off: {OFFLINE})")
  try:
    return _downloaded(url, downloads / names[0], sums)
  except OSError as error:
    reason = " ".join(str(error).split())
    raise UserError(f"{missing} (download failed: {reason})") from error


def of_user(
  folders: Folders, path: str, expected: str = "a file", *, folder: bool = False
) -> pathlib.Path:
  """A file of the user's, in the data folder or where the command runs.

  expected: what it should be, for messages. folder: it may be a folder.
  """
  try:
    name = pathlib.Path(path).expanduser()
  except RuntimeError:
    raise UserError(f"{path}: the home folder of ~ is not known") from None
  places = [name]
  if folders.raw:
    places.append(pathlib.Path(folders.raw).expanduser() / name)
  for place in places:
    if place.is_dir() and not folder:
      raise UserError(f"{place}: is a folder, expected {expected}")
    if path and place.exists():
      if not (place.is_file() or place.is_dir()):
        raise UserError(f"{place}: is a pipe or a device, expected {expected}")
      return place
  beside = places[-1].parent
  names = os.listdir(beside) if beside.is_dir() else []
  what = "file or folder" if folder else "file"
  raise UserError(f"{path}: no such {what}{nearest(name.name, names)}")


def origin(path: pathlib.Path, *, url: str, **sums: str) -> dict[str, Any]:
  """For the data card: {"file", "url", "sha256", "official"}.

  official: whether the file is byte for byte the published one; None where
    no checksum is published.
  """
  digest, official = disk.digest(path), None
  for algorithm, published in sums.items():
    official = disk.digest(path, algorithm) == published
  return {"file": path.name, "url": url, "sha256": digest, "official": official}


def own_card(what: str, raw: Iterable[pathlib.Path]) -> dict[str, Any]:
  """What the data card says about the user's own files before they are read."""
  return {
    "source": what,
    "licence": "",
    "citation": "",
    "notes": [],
    "file": [origin(path, url="") for path in raw],
  }


def member(folders: Folders, path: pathlib.Path, *names: str) -> pathlib.Path:
  """The first of these names within an archive, or `path` if it is one."""
  if path.name in {name.rpartition("/")[2] for name in names}:
    return path
  if path.is_file():
    cache = pathlib.Path(folders.cache).expanduser()
    path = unpacked(path, cache / "unpacked" / path.stem)
  for name in names:
    for place in sorted(path.rglob(name.rpartition("/")[2])):
      if place.as_posix().endswith(f"/{name}"):
        return place
  raise UserError(f"{path}: holds no {' or '.join(names)}")


def inside(root: pathlib.Path, cell: str) -> pathlib.Path:
  """The file below `root` that a cell names; ValueError says what is wrong."""
  if not cell:
    raise ValueError("no file is named")
  name = pathlib.PurePosixPath(cell.replace("\\", "/"))
  odd = ":" in name.parts[0] or cell.startswith("~") or "\0" in cell
  if (
    odd
    or name.is_absolute()
    or ".." in name.parts
    or not real(root / name).is_relative_to(real(root))
  ):
    raise ValueError(
      "leads out of the folder, expected a path relative to it, without links"
    )
  if not (root / name).is_file():
    raise ValueError(f"no such file: {shortened(cell, 60)}")
  return root / name


_Reader = TypeVar("_Reader", bound=Callable)


def laid_out(*settings: str) -> Callable[[_Reader], _Reader]:
  """Marks a reader of files with the settings that describe a file's layout.

  New files may have another layout than those of training; the other settings
  decide what the model is given, and stay as in training.
  """

  def marked(reader: _Reader) -> _Reader:
    vars(reader)["layout"] = settings
    return reader

  return marked


def layout(reader: Callable) -> tuple[str, ...]:
  """The settings that a reader is marked with."""
  return getattr(reader, "layout", ())


def real(path: pathlib.Path) -> pathlib.Path:
  """Where links lead; a link in a circle stays as it is.

  `Path.resolve` raises RuntimeError for such a link, in Python 3.11.
  """
  return pathlib.Path(os.path.realpath(path))


def _downloaded(
  url: str, path: pathlib.Path, sums: dict[str, str]
) -> pathlib.Path:
  """Fetches `url` to `path`; sums: algorithm -> checksum."""
  if not url.startswith("https://"):
    raise OSError(f"{url} is not an https address")
  with disk.locked(path):
    if path.exists():  # Another process was faster.
      return path
    logging.info("downloading %s", url)
    with disk.replaced(path) as part:
      with (
        part.open("wb") as file,
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,
      ):
        shutil.copyfileobj(response, file)
        length = response.headers.get("Content-Length")
      size = part.stat().st_size
      if length is not None and size != int(length):
        raise OSError(f"{size} of {length} bytes arrived")
      if algorithm := _other(part, sums):
        raise OSError(f"its {algorithm} is not {sums[algorithm]}")
  return path


def _other(path: pathlib.Path, sums: dict[str, str]) -> str:
  """The algorithm whose checksum differs from the published one, or ""."""
  wrong = (a for a, wanted in sums.items() if disk.digest(path, a) != wanted)
  return next(wrong, "")
