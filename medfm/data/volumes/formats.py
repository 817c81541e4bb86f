"""The bytes of a volume's file, read to the end, and what they hold.

A gzip file carries a checksum after its last byte. Readers that stop once they
have their voxels never see it: a flipped byte then changes voxels without a
word. Here every file is read whole and its checksum is compared.
"""

import os
import pathlib
import stat
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from medfm.data.images import dicom
from medfm.types import UserError

HEAD = 1024  # Bytes that hold any head.
MAX_BYTES = 2**34  # Of an unpacked file.
READ = "NIfTI, MGH, Analyze, MINC, AFNI, PAR/REC or DICOM"

_CHUNK = 2**20
_GZIP = b"\x1f\x8b"
_SUFFIXES = {  # Of formats whose first bytes say too little.
  ".head": "afni", ".brik": "afni", ".par": "parrec", ".rec": "parrec",
}  # fmt: skip
_PAIRS = {".hdr": ".img", ".img": ".hdr"}
_OTHERS = {  # Of what is no volume, or none that is read here.
  b"TRACK": "tractography",
  b"mrtrix tracks": "tractography",
  b"NRRD": "NRRD",
  b"ObjectType": "MetaImage",
  b"NDims": "MetaImage",
  b"PK": "a zip archive",
}


def kind(path: pathlib.Path) -> str:
  """nifti, mgh, analyze, minc, afni, parrec or dicom.

  The content decides, packed by gzip or not, and the suffix only where it says
  too little. Refuses anything else in one line.
  """
  if suffix(path) in _SUFFIXES:
    return _SUFFIXES[suffix(path)]
  return _kind(start(halves(path)[0]), path.name)


def start(path: pathlib.Path) -> bytes:
  """The first bytes of a file, unpacked: as many as any head is long."""
  head = b""
  with opened(path) as file:
    for chunk in _unpacked(file, path.name, 4 * HEAD):
      head += chunk[:HEAD]
      if len(head) >= HEAD:
        break
  return head[:HEAD]


def halves(path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
  """(the header, the voxels): twice the file, or a pair of one name."""
  mine = suffix(path)
  if mine not in _PAIRS:
    return path, path
  stem = path.name.lower()[: path.name.lower().rindex(mine)]
  wanted = stem + _PAIRS[mine]
  for other in sorted(path.parent.iterdir()):
    if other.name.lower() in (wanted, f"{wanted}.gz"):
      return (path, other) if mine == ".hdr" else (other, path)
  raise UserError(
    f"{path.name}: its other half {wanted} is missing: an Analyze or NIfTI "
    "pair is a .hdr and an .img file in one folder"
  )


def suffix(path: pathlib.Path) -> str:
  """The last one in small letters, before .gz."""
  every = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
  return every[-1] if every else ""


def content(path: pathlib.Path, most: int) -> tuple[bytearray, int]:
  """(the first `most` bytes of a file, unpacked, how many there are in all).

  All are read. Raises UserError if a gzip file is cut short or its checksum
  disagrees.
  """
  kept, total = bytearray(), 0
  with opened(path) as file:
    for chunk in _unpacked(file, path.name):
      kept += chunk[: most - len(kept)]
      total += len(chunk)
      if total > MAX_BYTES:
        raise UserError(
          f"{path.name}: unpacks to more than {MAX_BYTES:,} bytes"
        )
  return kept, total


def verify(path: pathlib.Path) -> None:
  """Reads a file to its end and compares the checksum, if it has one."""
  with opened(path) as file:
    for _ in _unpacked(file, path.name):
      pass


def opened(path: pathlib.Path) -> BinaryIO:
  """A file opened for reading; pipes and devices, which never end, are not."""
  try:
    if not stat.S_ISREG(os.stat(path).st_mode):
      raise UserError(
        f"{path.name}: is not a file but a pipe, a device or a folder"
      )
    return open(path, "rb")
  except OSError as error:
    raise UserError(
      f"{path.name}: cannot be opened ({error.strerror})"
    ) from None


def _kind(head: bytes, name: str) -> str:
  if dicom.is_dicom(head):
    return "dicom"
  if head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2"):
    return "nifti"
  sizes = {head[:4], head[3::-1] if len(head) > 3 else b""}
  if (348).to_bytes(4, "little") in sizes and len(head) >= 348:
    return "analyze"
  if head[:3] == b"CDF" or head[:4] == b"\x89HDF":
    return "minc"
  if head[:4] == b"\0\0\0\1" and len(head) >= 284:
    return "mgh"
  for start, other in _OTHERS.items():
    if head.startswith(start):
      raise UserError(
        f"{name}: is {other}, expected a volume ({READ}): convert it to NIfTI"
      )
  raise UserError(
    f"{name}: not a volume, or damaged; expected {READ}"
    + (" (the file is empty)" if not head else "")
  )


def _unpacked(file: BinaryIO, name: str, size: int = _CHUNK) -> Iterator[bytes]:
  """The bytes of a file in chunks; those within gzip, if it is that."""
  chunk = file.read(size)
  if not chunk.startswith(_GZIP):
    while chunk:
      yield chunk
      chunk = file.read(size)
    return
  try:
    yield from _inflated(file, chunk, size)
  except (zlib.error, EOFError):
    raise UserError(
      f"{name}: the gzip file is cut short or damaged (its checksum "
      "disagrees): copy it again from its source"
    ) from None


def _inflated(file: BinaryIO, chunk: bytes, size: int) -> Iterator[bytes]:
  """Every member of a gzip file; zlib compares the checksum of each."""
  while chunk:
    member = zlib.decompressobj(wbits=31)
    while not member.eof:
      chunk = chunk or file.read(size)
      if not chunk:
        raise EOFError
      yield member.decompress(chunk, 16 * size)
      chunk = member.unconsumed_tail
    # Zeros may follow, by which tapes are filled up; nothing else but a member.
    chunk = member.unused_data.lstrip(b"\0")
    while not chunk and (more := file.read(size)):
      chunk = more.lstrip(b"\0")
