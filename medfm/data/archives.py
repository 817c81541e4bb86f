"""Zip and tar archives, unpacked only when every member is harmless."""

import contextlib
import functools
import json
import lzma
import pathlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from medfm import jsons
from medfm.data import disk
from medfm.types import UserError

MAX_RATIO = 1000
MAX_BYTES = 1 << 36
MAX_FILES = 1_000_000
_MARK = ".unpacked.json"
_PADDING = 1 << 24
DAMAGED = (
  tarfile.TarError,
  zipfile.BadZipFile,
  EOFError,
  NotImplementedError,
  OSError,
  RuntimeError,  # zipfile's word for a password
  lzma.LZMAError,
  zlib.error,
)
_SMALL = 1 << 20  # Below this size a high ratio is plain repetitive text.


class _Member(NamedTuple):
  name: str
  kind: str  # "file", "folder" or what is refused
  size: int
  packed: int  # Its size in the archive, as far as that is known.
  open: Callable[[], IO[bytes] | None]


def unpacked(archive: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
  """The folder `into` with the archive's files, unpacked once.

  The folder belongs to this function. If an earlier run left it half done, or
  it came from other bytes, or its files were damaged since, it is made again;
  it appears only when complete.

  Raises: UserError for a damaged archive, and, before anything is written, if
    a member lies outside the folder, is a link or a device or occurs twice, or
    if the whole is larger than the limits or expands more than 1000 times.
  """
  mark = {"archive": archive.name, "sha256": disk.digest(archive)}
  with disk.locked(into):
    with contextlib.suppress(OSError, ValueError):
      if jsons.read(into / _MARK) == mark | _sums(into):
        return into
    try:
      _check(archive)
      with disk.replaced(into) as part:
        part.mkdir()
        for member in members(archive):
          _write(member, part)
        (part / _MARK).write_text(json.dumps(mark | _sums(part)))
    except DAMAGED as error:
      reason = " ".join(str(error).split())
      raise UserError(
        f"{archive.name} cannot be unpacked ({reason}): fetch it again"
      ) from error
  return into


def _sums(folder: pathlib.Path) -> dict[str, dict[str, str]]:
  """The sha256 of every file of a folder, except the mark itself."""
  files = (path for path in folder.rglob("*") if path.is_file())
  sums = {p.relative_to(folder).as_posix(): disk.digest(p) for p in files}
  sums.pop(_MARK, None)
  return {"files": sums}


def members(archive: pathlib.Path) -> Iterator[_Member]:
  """What a zip or tar holds, unchecked; a damaged one raises one of `DAMAGED`.

  A file may be both: a tar that ends in a zip.
  """
  if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
    with zipfile.ZipFile(archive) as file:
      for info in file.infolist():
        plain = "folder" if info.is_dir() else "file"
        kinds = dict.fromkeys((0, stat.S_IFREG, stat.S_IFDIR), plain)
        kinds[stat.S_IFLNK] = "link"
        kind = kinds.get(stat.S_IFMT(info.external_attr >> 16), "device")
        sizes = (info.file_size, info.compress_size)
        content = functools.partial(file.open, info)
        yield _Member(info.filename, kind, *sizes, content)
    return
  with tarfile.open(archive) as file:
    for info in file:
      kinds = {
        "file": info.isfile(),
        "folder": info.isdir(),
        "link": info.issym() or info.islnk(),
      }
      kind = next((kind for kind, holds in kinds.items() if holds), "device")
      content = functools.partial(file.extractfile, info)
      yield _Member(info.name, kind, info.size, info.size, content)
    # Compressed streams are checked at their end, beyond the last member.
    if len(file.fileobj.read(_PADDING + 1)) > _PADDING:
      raise tarfile.TarError("more bytes after its end")


def _check(archive: pathlib.Path) -> None:
  """Reads the list of members, and refuses the archive for any bad one."""
  total, seen, parents = 0, set(), set()
  limit = MAX_RATIO * max(archive.stat().st_size, _SMALL)
  for member in members(archive):
    path, is_file = _path(member), member.kind == "file"
    twice = is_file and path in seen
    (seen if is_file else parents).add(path)
    parents.update(path.parents)
    total += member.size if is_file else 0
    ratio = member.size / max(1, member.packed)
    drive = ":" in "".join(path.parts[:1])
    refusals = {
      "has an absolute name": path.is_absolute() or drive,
      "lies outside the folder": ".." in path.parts,
      f"is a {member.kind}": member.kind not in ("file", "folder"),
      "comes twice": twice,
      f"is one of more than {MAX_FILES} files": len(seen) > MAX_FILES,
      f"brings the whole to more than {MAX_BYTES} bytes": total > MAX_BYTES,
      f"expands more than {MAX_RATIO} times": member.size > _SMALL
      and ratio > MAX_RATIO,
      f"brings the whole to more than {MAX_RATIO} times": total > limit,
    }
    for why, holds in refusals.items():
      if holds:
        raise UserError(
          f"{archive.name}: member {member.name!r} {why}: refused"
        )
  for path in seen & parents:
    raise UserError(
      f"{archive.name}: member {str(path)!r} comes twice, as a file and as a "
      "folder: refused"
    )


def _write(member: _Member, part: pathlib.Path) -> None:
  path = part / _path(member)
  if member.kind == "folder":
    path.mkdir(parents=True, exist_ok=True)
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  with member.open() as source, open(path, "xb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
  if path.stat().st_size != member.size:
    raise zipfile.BadZipFile(f"member {member.name!r} is cut short")


def _path(member: _Member) -> pathlib.PurePosixPath:
  return pathlib.PurePosixPath(member.name.replace("\\", "/"))
