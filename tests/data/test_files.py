"""Raw files: found, or told in one line how to get them."""

import hashlib
import io
import threading
import urllib.error
import urllib.request

import pytest

from medfm.data import disk, files
from medfm.types import Folders, UserError

URL = "https://example.org/set.zip"
CONTENT = b"the raw file"


@pytest.fixture
def here(tmp_path):
  (tmp_path / "raw").mkdir()
  return Folders(raw=str(tmp_path / "raw"), cache=str(tmp_path / "cache"))


@pytest.fixture
def served(monkeypatch):
  """Answers every download; `served["content"]` may be an error to raise."""
  answer = {"content": CONTENT, "length": None, "calls": 0}

  class Response(io.BytesIO):
    headers = property(
      lambda self: (
        {"Content-Length": answer["length"]} if answer["length"] else {}
      )
    )

  def urlopen(url, timeout):
    answer["calls"] += 1
    if isinstance(answer["content"], Exception):
      raise answer["content"]
    return Response(answer["content"])

  monkeypatch.delenv(files.OFFLINE, raising=False)
  monkeypatch.setattr(urllib.request, "urlopen", urlopen)
  return answer


def _find(folders, *names, **kwargs):
  arguments = {"url": URL, "what": "The set", **kwargs}
  return files.find(folders, *(names or ("set.zip",)), **arguments)


@pytest.mark.parametrize("place", ["", "images", "images/small"])
def test_a_file_is_found_up_to_two_folders_deep(here, tmp_path, place):
  path = tmp_path / "raw" / place / "set.zip"
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(CONTENT)
  assert _find(here) == path


def test_any_of_the_names_is_found(here, tmp_path):
  (tmp_path / "raw" / "other.zip").write_bytes(CONTENT)
  assert _find(here, "set.zip", "other.zip").name == "other.zip"


def test_a_file_of_the_users_needs_no_checksum_but_is_told_apart(
  here, tmp_path
):
  path = tmp_path / "raw" / "set.zip"
  path.write_bytes(CONTENT)
  assert _find(here, sha256="0" * 64) == path
  md5 = hashlib.md5(CONTENT).hexdigest()
  assert files.origin(path, url=URL, sha256="0" * 64)["official"] is False
  assert files.origin(path, url=URL, md5=md5)["official"] is True
  assert files.origin(path, url=URL)["official"] is None


def test_a_missing_file_is_told_in_one_line(here, monkeypatch):
  monkeypatch.setenv(files.OFFLINE, "1")
  with pytest.raises(UserError) as caught:
    _find(here, "set.zip", "other.zip")
  message = str(caught.value)
  assert "\n" not in message
  for part in ("The set", "set.zip or other.zip", URL, here.raw):
    assert part in message


def test_a_download_is_kept_for_the_next_time(here, served):
  sha256 = hashlib.sha256(CONTENT).hexdigest()
  path = _find(here, sha256=sha256)
  assert path.read_bytes() == CONTENT
  assert _find(here) == path
  assert served["calls"] == 1


def test_a_download_that_was_damaged_since_is_fetched_again(here, served):
  sha256 = hashlib.sha256(CONTENT).hexdigest()
  path = _find(here, sha256=sha256)
  path.write_bytes(CONTENT[:-1] + b"\0")
  assert _find(here, sha256=sha256).read_bytes() == CONTENT
  assert served["calls"] == 2


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"md5": "0" * 32}])
def test_a_download_with_another_checksum_leaves_nothing(
  here, served, tmp_path, wrong
):
  with pytest.raises(UserError, match=f"its {next(iter(wrong))} is not 000"):
    _find(here, **wrong)
  assert not list((tmp_path / "cache/downloads").glob("set.zip*[!k]"))


def test_a_download_cut_short_is_refused(here, served):
  served["length"] = "99"
  with pytest.raises(UserError, match="12 of 99 bytes arrived"):
    _find(here)


def test_a_failed_download_says_what_to_do(here, served):
  served["content"] = urllib.error.URLError("no route")
  with pytest.raises(UserError, match=r"put it into .*no route"):
    _find(here)


def test_nothing_is_downloaded_where_terms_must_be_accepted(here, served):
  with pytest.raises(UserError, match="get it from"):
    _find(here, download=False)
  assert served["calls"] == 0


def test_only_https_is_downloaded(here, served):
  with pytest.raises(UserError, match="not an https address"):
    _find(here, url="http://example.org/set.zip")
  assert served["calls"] == 0


def test_the_hash_of_a_folder_is_of_its_names_and_bytes(tmp_path):
  for name in "ab":
    (tmp_path / name).mkdir()
    (tmp_path / name / "x.png").write_bytes(CONTENT)
  assert disk.digest(tmp_path / "a") == disk.digest(tmp_path / "b")
  (tmp_path / "b" / "x.png").rename(tmp_path / "b" / "y.png")
  assert disk.digest(tmp_path / "a") != disk.digest(tmp_path / "b")


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
  place = tmp_path / "place"
  with disk.replaced(place) as part:
    part.mkdir()
    (part / "one").write_text("1")
  with pytest.raises(ZeroDivisionError), disk.replaced(place) as part:
    part.mkdir()
    (part / "two").write_text("2")
    raise ZeroDivisionError
  assert [path.name for path in tmp_path.rglob("*")] == ["place", "one"]


def test_a_lock_lets_one_thread_in_at_a_time(tmp_path):
  inside, most = [], []

  def work():
    for _ in range(20):
      with disk.locked(tmp_path / "x"):
        inside.append(1)
        most.append(len(inside))
        inside.pop()

  threads = [threading.Thread(target=work) for _ in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert max(most) == 1
