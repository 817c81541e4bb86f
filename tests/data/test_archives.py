"""Archives: unpacked whole, or refused before anything is written."""

import io
import stat
import tarfile
import zipfile

import pytest

from medfm.data import archives
from medfm.types import UserError


def _zip(path, *members, compression=zipfile.ZIP_DEFLATED):
  with zipfile.ZipFile(path, "w", compression) as file:
    for name, content in members:
      file.writestr(name, content)
  return path


def _zip_with_mode(path, mode):
  info = zipfile.ZipInfo("odd")
  info.external_attr = mode << 16
  return _zip(path, ("fine", b""), (info, b"/etc/passwd"))


def _tar(path, *infos):
  with tarfile.open(path, "w:xz") as file:
    for info in infos:
      file.addfile(info, io.BytesIO(bytes(info.size)))
  return path


def _info(name, kind=tarfile.REGTYPE, size=0):
  info = tarfile.TarInfo(name)
  info.type, info.size, info.linkname = kind, size, "/etc/passwd"
  return info


def test_a_zip_and_a_tar_give_the_same_folder(tmp_path):
  zipped = _zip(tmp_path / "a.zip", ("x/one.txt", bytes(3)), ("two", b""))
  tarred = _tar(
    tmp_path / "a.tar.xz",
    _info("./x", tarfile.DIRTYPE),
    _info("./x/one.txt", size=3),
    _info("two"),
  )
  for archive in (zipped, tarred):
    folder = archives.unpacked(archive, tmp_path / f"{archive.name}.d")
    assert (folder / "x" / "one.txt").read_bytes() == bytes(3)
    assert (folder / "two").is_file()


@pytest.mark.parametrize("damage", ["flip", "delete", "add"])
def test_files_that_were_damaged_since_are_unpacked_again(tmp_path, damage):
  archive = _zip(tmp_path / "a.zip", ("x/one.txt", b"abc"), ("two", b"d"))
  folder = archives.unpacked(archive, tmp_path / "d")
  one, more = folder / "x" / "one.txt", folder / "three"
  if damage == "flip":
    one.write_bytes(b"abb")
  elif damage == "delete":
    one.unlink()
  else:
    more.write_bytes(b"")
  archives.unpacked(archive, tmp_path / "d")
  assert one.read_bytes() == b"abc"
  assert not more.exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
  ("names", "why"),
  [
    (("fine", "../evil"), r"'\.\./evil' lies outside"),
    (("fine", "a/../../evil"), "lies outside"),
    (("fine", "..\\evil"), "lies outside"),
    (("fine", "/evil"), "'/evil' has an absolute name"),
    (("fine", "C:\\evil"), "absolute"),
    (("twin", "twin"), "'twin' comes twice"),
    (("twin", "./twin"), "comes twice"),
    (("both", "both/x"), "'both' comes twice, as a file and as a folder"),
  ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_could_do_harm_is_refused(tmp_path, names, why, kind):
  if kind == "zip":
    archive = _zip(tmp_path / "a.zip", *((name, b"") for name in names))
  else:
    archive = _tar(tmp_path / "a.tar", *map(_info, names))
  with pytest.raises(UserError, match=why):
    archives.unpacked(archive, tmp_path / "into" / "x")
  assert not list((tmp_path / "into").glob("**/fine"))


@pytest.mark.parametrize(
  ("kind", "why"),
  [
    (tarfile.SYMTYPE, "'odd' is a link"),
    (tarfile.LNKTYPE, "'odd' is a link"),
    (tarfile.CHRTYPE, "'odd' is a device"),
    (tarfile.FIFOTYPE, "'odd' is a device"),
  ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, why):
  archive = _tar(tmp_path / "a.tar", _info("fine"), _info("odd", kind))
  with pytest.raises(UserError, match=why):
    archives.unpacked(archive, tmp_path / "into")
  assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
  archive = _zip_with_mode(tmp_path / "a.zip", mode | 0o644)
  with pytest.raises(UserError, match=r"'odd' is a (link|device)"):
    archives.unpacked(archive, tmp_path / "into")
  assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_what_expands_a_thousand_times_is_refused(tmp_path, kind, monkeypatch):
  monkeypatch.setattr(archives, "_SMALL", 1)
  if kind == "zip":
    archive = _zip(tmp_path / "a.zip", ("bomb", bytes(3_000_000)))
  else:
    archive = _tar(tmp_path / "a.txz", _info("bomb", size=3_000_000))
  with pytest.raises(UserError, match=r"'bomb' .* more than 1000 times"):
    archives.unpacked(archive, tmp_path / "into")
  assert not (tmp_path / "into").exists()


def test_too_many_bytes_or_files_are_refused(tmp_path, monkeypatch):
  archive = _zip(tmp_path / "a.zip", ("a", b"123"), ("b", b"456"))
  monkeypatch.setattr(archives, "MAX_BYTES", 5)
  with pytest.raises(UserError, match=r"'b' .* more than 5 bytes"):
    archives.unpacked(archive, tmp_path / "into")
  monkeypatch.setattr(archives, "MAX_FILES", 1)
  with pytest.raises(UserError, match="'b' is one of more than 1 files"):
    archives.unpacked(archive, tmp_path / "into")


def test_an_archive_cut_short_is_refused_in_one_line(tmp_path):
  for name, archive in (
    ("a.zip", _zip(tmp_path / "a.zip", ("a", bytes(9)))),
    ("a.tar", _tar(tmp_path / "a.tar", _info("a", size=9))),
  ):
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(UserError, match=f"^{name} cannot be unpacked"):
      archives.unpacked(archive, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_flipped_byte_is_found_and_leaves_nothing(tmp_path):
  archive = _zip(
    tmp_path / "a.zip",
    ("a", b"some text"),
    ("b", b"other"),
    compression=zipfile.ZIP_STORED,
  )
  archive.write_bytes(archive.read_bytes().replace(b"other", b"othes", 1))
  with pytest.raises(UserError, match="CRC"):
    archives.unpacked(archive, tmp_path / "into")
  assert not list(tmp_path.glob("into*[!k]"))


def test_a_folder_is_unpacked_once_and_again_for_another_archive(tmp_path):
  archive = _zip(tmp_path / "a.zip", ("a", b"1"))
  folder = archives.unpacked(archive, tmp_path / "into")
  number = (folder / "a").stat().st_ino
  archives.unpacked(archive, folder)
  assert (folder / "a").stat().st_ino == number
  archives.unpacked(_zip(tmp_path / "b.zip", ("a", b"2")), folder)
  assert (folder / "a").read_bytes() == b"2"


def test_a_half_unpacked_folder_is_made_again(tmp_path):
  archive = _zip(tmp_path / "a.zip", ("a", b"1"), ("b", b"2"))
  folder = archives.unpacked(archive, tmp_path / "into")
  for path in (folder / "a", folder / ".unpacked.json"):
    path.unlink()
  (tmp_path / "into.part-9").mkdir()
  archives.unpacked(archive, folder)
  assert (folder / "a").read_bytes() == b"1"
  assert not (tmp_path / "into.part-9").exists()
