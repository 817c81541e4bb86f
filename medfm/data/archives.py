"""Zip and tar archives, unpacked only when every member is harmless."""

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

from medfm.data import disk
from medfm.types import UserError

MAX_RATIO = 1000
_MARK = ".unpacked.json"
_PADDING = 1 << 24
_SMALL = 1 << 20  # Below this size a high ratio is plain repetitive text.


class _Member(NamedTuple):
  name: str
  kind: str  # "file", "folder" or what is refused
  size: int
  packed: int | None
  open: Callable[[], IO[bytes] | None]


def unpacked(
  archive: pathlib.Path,
  into: pathlib.Path,
  *,
  max_bytes: int = 1 << 36,
  max_files: int = 1_000_000,
) -> pathlib.Path:
  """The folder `into` with the archive's files, unpacked once.

  The folder belongs to this function: one that an earlier run left half done,
  or that came from other bytes, is made anew, and appears only when whole.

  Raises: UserError, before anything is written, where a member lies outside
    the folder, is a link or a device, comes twice, or the whole is larger
    than the limits or expands more than 1000 times; and where the archive is
    damaged.
  """
  archive, into = pathlib.Path(archive), pathlib.Path(into)
  mark = {"archive": archive.name, "sha256": disk.digest(archive)}
  with disk.locked(into):
    if _read_mark(into) == mark:
      return into
    try:
      _check(archive, max_bytes, max_files)
      with disk.replaced(into) as part:
        for member in _members(archive):
          _write(archive, member, part)
        (part / _MARK).write_text(json.dumps(mark))
    except (
      tarfile.TarError,
      zipfile.BadZipFile,
      EOFError,
      NotImplementedError,
      OSError,
      RuntimeError,  # zipfile's word for a password
      lzma.LZMAError,
      zlib.error,
    ) as error:
      reason = " ".join(str(error).split())
      raise UserError(
        f"{archive.name} cannot be unpacked ({reason}): fetch it again"
      ) from error
  return into


def _read_mark(into: pathlib.Path) -> dict | None:
  try:
    return json.loads((into / _MARK).read_text())
  except (OSError, ValueError):
    return None


def _members(archive: pathlib.Path) -> Iterator[_Member]:
  # A tar may end in a zip, and is then both.
  if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
    with zipfile.ZipFile(archive) as file:
      for info in file.infolist():
        yield _Member(
          info.filename,
          _zip_kind(info),
          info.file_size,
          info.compress_size,
          lambda info=info: file.open(info),
        )
    return
  with tarfile.open(archive) as file:
    for info in file:
      kinds = (
        (info.isfile(), "file"),
        (info.isdir(), "folder"),
        (info.issym() or info.islnk(), "link"),
      )
      kind = next((kind for found, kind in kinds if found), "device")
      yield _Member(
        info.name,
        kind,
        info.size,
        None,
        lambda info=info: file.extractfile(info),
      )
    # Compressed streams are checked at their end, beyond the last member.
    if len(file.fileobj.read(_PADDING + 1)) > _PADDING:
      raise tarfile.TarError("more bytes after its end")


def _zip_kind(info: zipfile.ZipInfo) -> str:
  mode = stat.S_IFMT(info.external_attr >> 16)
  if mode == stat.S_IFLNK:
    return "link"
  if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
    return "device"
  return "folder" if info.is_dir() else "file"


def _check(archive: pathlib.Path, max_bytes: int, max_files: int) -> None:
  """Reads the list of members, and refuses the archive for any bad one."""
  total, seen, parents = 0, set(), set()

  def refuse(member: _Member, why: str):
    raise UserError(f"{archive.name}: member {member.name!r} {why}: refused")

  limit = MAX_RATIO * max(archive.stat().st_size, _SMALL)
  for member in _members(archive):
    path = pathlib.PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ":" in "".join(path.parts[:1]):
      refuse(member, "has an absolute name")
    if ".." in path.parts:
      refuse(member, "lies outside the folder")
    if member.kind not in ("file", "folder"):
      refuse(member, f"is a {member.kind}")
    parents.update(path.parents)
    if member.kind == "folder":
      parents.add(path)
      continue
    if path in seen:
      refuse(member, "comes twice")
    seen.add(path)
    total += member.size
    if len(seen) > max_files:
      refuse(member, f"is one of more than {max_files} files")
    if total > max_bytes:
      refuse(member, f"brings the whole to more than {max_bytes} bytes")
    ratio = member.size / max(1, member.packed or member.size)
    if member.size > _SMALL and ratio > MAX_RATIO:
      refuse(member, f"expands more than {MAX_RATIO} times")
    if total > limit:
      refuse(member, f"brings the whole to more than {MAX_RATIO} times")
  for path in seen & parents:
    raise UserError(
      f"{archive.name}: member {str(path)!r} comes twice, as a file and as a "
      "folder: refused"
    )


def _write(archive: pathlib.Path, member: _Member, part: pathlib.Path) -> None:
  path = part / pathlib.PurePosixPath(member.name.replace("\\", "/"))
  if member.kind == "folder":
    path.mkdir(parents=True, exist_ok=True)
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  with member.open() as source, open(path, "xb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
  if path.stat().st_size != member.size:
    raise zipfile.BadZipFile(f"member {member.name!r} is cut short")
