"""Records: written once, decoded once, rebuilt whenever they are not whole."""

import json
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow_datasets as tfds

from medfm.data import decoded, disk, records
from medfm.types import Folders, Ragged, UserError


class Toy(records.Builder, skip_registration=True):
  """Eight images of two patients, one of them dropped."""

  built = 0

  def __init__(self, *, size: int = 4, **kwargs):
    self.size = size
    super().__init__(**kwargs)

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          "id": tfds.features.Text(),
          "patient": tfds.features.Text(),
          "group_sex": tfds.features.Text(),
          "image": tfds.features.Tensor(
            shape=(self.size, 4, 1), dtype=np.uint8, encoding="zlib"
          ),
          "label": tfds.features.ClassLabel(names=["no", "yes"]),
          "categories": tfds.features.Sequence(np.int32, length=2),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples(8)}

  def _generate_examples(self, n):
    type(self).built += 1
    if self.raw.read_text() == "bad":
      raise UserError("raw.txt: row 1 is bad")
    for i in range(n):
      if i == 5:
        self.changed("images without a label dropped")
        continue
      yield (
        i,
        {
          "id": f"im{i}é",
          "patient": f"p{i % 2}",
          "group_sex": "female" if i % 2 else "",
          "image": np.full((self.size, 4, 1), i, np.uint8),
          "label": i % 2,
          "categories": [i, -1],
        },
      )


@pytest.fixture
def raw(tmp_path):
  path = tmp_path / "raw.txt"
  path.write_text("one")
  return path


@pytest.fixture
def toy(tmp_path, raw):
  """Prepares the toy dataset in this test's cache."""
  Toy.built = 0
  cache = Folders(raw=None, cache=str(tmp_path / "cache"))
  return lambda **kwargs: records.prepared(Toy, cache, raw=raw, **kwargs)


def _cache(tmp_path) -> pathlib.Path:
  (folder,) = [p for p in (tmp_path / "cache/decoded").iterdir() if p.is_dir()]
  return folder


def _fresh_process():
  decoded._sound.clear()


def test_features_become_columns_by_their_names(toy):
  split = toy().splits["train"]
  order = np.argsort(split.ids)
  assert split.ids[order].tolist() == [f"im{i}é" for i in (0, 1, 2, 3, 4, 6, 7)]
  assert sorted(split.arrays) == ["categories", "image", "label"]
  assert split.patients[order].tolist() == [
    "p0", "p1", "p0", "p1", "p0", "p0", "p1",
  ]  # fmt: skip
  assert split.groups["sex"][order].tolist() == [
    "", "female", "", "female", "", "", "female",
  ]  # fmt: skip
  assert split.arrays["image"][order][:, 0, 0, 0].tolist() == [
    0, 1, 2, 3, 4, 6, 7,
  ]  # fmt: skip


def test_labels_and_categories_are_int32(toy):
  arrays = toy().splits["train"].arrays
  assert arrays["label"].dtype == arrays["categories"].dtype == np.int32
  assert arrays["categories"].shape == (7, 2)


def test_arrays_are_memory_mapped(toy):
  assert isinstance(toy().splits["train"].arrays["image"], np.memmap)


def test_what_was_changed_is_told_by_later_runs_too(toy):
  first, second = toy(), toy()
  wanted = [{"what": "images without a label dropped", "count": 1}]
  assert first.changes == second.changes == wanted
  assert Toy.built == 1


def test_another_raw_file_gives_another_fingerprint_and_new_records(toy, raw):
  first = toy()
  raw.write_text("other")
  assert toy().fingerprint != first.fingerprint
  assert Toy.built == 2


def test_the_same_raw_file_elsewhere_has_the_same_fingerprint(
  toy, raw, tmp_path
):
  first = toy().fingerprint
  moved = tmp_path / "elsewhere"
  moved.mkdir()
  raw.rename(moved / "raw.txt")
  cache = Folders(raw=None, cache=str(tmp_path / "cache"))
  again = records.prepared(Toy, cache, raw=moved / "raw.txt")
  assert again.fingerprint == first


def test_a_setting_of_the_builder_changes_the_fingerprint(toy):
  five = toy(size=5)
  assert five.fingerprint != toy().fingerprint
  assert five.splits["train"].arrays["image"].shape == (7, 5, 4, 1)


def test_a_mistake_in_the_raw_file_is_told_as_the_builder_told_it(toy, raw):
  raw.write_text("bad")
  with pytest.raises(UserError, match=r"^raw\.txt: row 1 is bad$"):
    toy()


def test_a_cache_without_its_manifest_is_made_again(toy, tmp_path):
  toy()
  (_cache(tmp_path) / "manifest.json").unlink()
  assert len(toy().splits["train"]) == 7


def test_a_cache_cut_short_is_made_again_with_a_warning(toy, tmp_path, caplog):
  toy()
  path = _cache(tmp_path) / "train" / "image.npy"
  path.write_bytes(path.read_bytes()[:-1])
  assert len(toy().splits["train"].arrays["image"]) == 7
  assert "image.npy is incomplete: decoding again" in caplog.text


def test_a_flipped_bit_in_the_cache_is_found_by_the_next_process(
  toy, tmp_path, caplog
):
  toy()
  path = _cache(tmp_path) / "train" / "image.npy"
  content = bytearray(path.read_bytes())
  content[-1] ^= 1
  path.write_bytes(content)
  _fresh_process()
  image = toy().splits["train"].arrays["image"]
  assert (image == image[:, :1, :1]).all()
  assert "image.npy is damaged" in caplog.text


def test_what_a_killed_run_left_is_cleared(toy, tmp_path):
  folder = tmp_path / "cache" / "decoded" / toy().fingerprint
  left = folder.with_name(f"{folder.name}.part-1")
  folder.rename(left)
  assert len(toy().splits["train"]) == 7
  assert not left.exists()


def test_records_without_their_manifest_are_written_again(toy, tmp_path):
  toy()
  (path,) = (tmp_path / "cache/records").glob("*/manifest.json")
  path.unlink()
  (_cache(tmp_path) / "manifest.json").unlink()
  assert toy().changes[0]["count"] == 1
  assert Toy.built == 2


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty"])
def test_damaged_records_are_written_again(toy, tmp_path, caplog, harm):
  toy()
  (path,) = (tmp_path / "cache/records").rglob("*.array_record*")
  content = bytearray(path.read_bytes())
  used = np.flatnonzero(np.array(content))  # The rest pads the blocks.
  content[used[len(used) // 2]] ^= 0xFF
  cut = {"flip": content, "truncate": content[:-9], "empty": b""}[harm]
  path.write_bytes(cut)
  (_cache(tmp_path) / "manifest.json").unlink()
  image = toy().splits["train"].arrays["image"]
  assert sorted(image[:, 0, 0, 0]) == [0, 1, 2, 3, 4, 6, 7]
  assert "writing the records again" in caplog.text
  assert Toy.built == 2


def test_any_damaged_file_beside_the_records_is_found(toy, tmp_path):
  toy()
  (root,) = (
    path for path in (tmp_path / "cache/records").iterdir() if path.is_dir()
  )
  names = [p.relative_to(root) for p in root.rglob("*") if p.is_file()]
  assert len(names) > 3
  for built, name in enumerate(names, 2):
    content = (root / name).read_bytes()
    (root / name).write_bytes(content.replace(b"1", b"2", 1)[:-1])
    (_cache(tmp_path) / "manifest.json").unlink()
    assert len(toy().splits["train"]) == 7
    assert Toy.built == built, name


def test_two_launches_at_once_write_the_records_once(toy):
  found = []
  threads = [
    threading.Thread(target=lambda: found.append(toy())) for _ in range(3)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert Toy.built == 1
  assert [len(prepared.splits["train"]) for prepared in found] == [7, 7, 7]


def test_the_manifest_lists_every_file_with_size_and_hash(toy, tmp_path):
  toy()
  folder = _cache(tmp_path)
  entries = json.loads((folder / "manifest.json").read_text())["files"]
  assert sorted(entries) == sorted(
    path.relative_to(folder).as_posix() for path in folder.rglob("*.npy")
  )
  assert all(len(entry["sha256"]) == 64 for entry in entries.values())


class Traces(records.Builder, skip_registration=True):
  """Signals of a length each, and volumes that differ in every extent."""

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          "id": tfds.features.Text(),
          "signal": tfds.features.Tensor(
            shape=(None, 2), dtype=np.float32, encoding="zlib"
          ),
          "volume": tfds.features.Tensor(
            shape=(None, None, None), dtype=np.uint8, encoding="zlib"
          ),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples()}

  def _generate_examples(self):
    for i, length in enumerate((3, 700, 1, 40)):
      yield (
        i,
        {
          "id": str(i),
          "signal": np.full((length, 2), i, np.float32),
          "volume": np.full((i + 1, 2, length), i, np.uint8),
        },
      )


def test_examples_of_different_shape_are_kept_end_to_end(tmp_path, raw):
  cache = Folders(raw=None, cache=str(tmp_path / "cache"))
  for _ in range(2):  # As it is made, and from the cache.
    split = records.prepared(Traces, cache, raw=raw).splits["train"]
    signal, volume = split.arrays["signal"], split.arrays["volume"]
    assert isinstance(signal, Ragged) and isinstance(volume, Ragged)
    assert isinstance(signal.values, np.memmap)
    assert signal.values.shape == (744, 2)
    for row, name in enumerate(split.ids):
      i, length = int(name), (3, 700, 1, 40)[int(name)]
      assert signal[row].shape == (length, 2) and (signal[row] == i).all()
      assert volume[row].shape == (i + 1, 2, length)
      assert (volume[row] == i).all()
    _fresh_process()


def test_an_example_of_another_kind_is_refused(tmp_path):
  class Source(list):
    ragged = {"signal": 1}

  source = Source(
    {"id": str(i), "signal": np.zeros((3, channels))}
    for i, channels in enumerate((2, 5))
  )
  with pytest.raises(ValueError, match="signal of an example"):
    decoded.cached(tmp_path / "cache", lambda: ({"train": source}, []))


def test_records_are_read_many_at_once(monkeypatch):
  asked = []

  class Source(list):
    def __getitems__(self, rows):
      asked.append(list(rows))
      return [self[row] for row in rows]

  monkeypatch.setattr(decoded, "_CHUNK", 4)
  assert list(decoded.examples(Source("abcdef"))) == list("abcdef")
  assert asked == [[0, 1, 2, 3], [4, 5]]


class Squares:
  """Examples of one square each."""

  def __init__(self, n=8, side=300):
    self.n, self.side = n, side

  def __len__(self):
    return self.n

  def __getitem__(self, i):
    if i >= self.n:
      raise IndexError(i)
    image = np.full((self.side, self.side), i, np.uint8)
    return {"id": f"x{i}", "image": image, "label": i % 2}


def test_a_flipped_bit_is_seen_however_large_the_array(tmp_path, monkeypatch):
  monkeypatch.setattr(decoded, "_HASHED_BELOW", 1, raising=False)
  times = []

  def made():
    times.append(1)
    return {"train": Squares()}, []

  decoded.cached(tmp_path / "c", made)
  path = tmp_path / "c/train/image.npy"
  content = bytearray(path.read_bytes())
  content[123_456] ^= 16
  path.write_bytes(content)
  decoded._sound.clear()
  splits, _ = decoded.cached(tmp_path / "c", made)
  assert len(times) == 2
  image = splits["train"].arrays["image"]
  assert all((image[i] == i).all() for i in range(8))


def test_no_flipped_bit_of_a_cache_s_manifest_passes_unseen(tmp_path):
  def made():
    return {"train": Squares(2, 4)}, [{"what": "dropped", "count": 48}]

  decoded.cached(tmp_path / "c", made)
  path = tmp_path / "c/manifest.json"
  content = path.read_bytes()
  parsed = json.loads(content)
  for place in range(0, len(content), 3):
    damaged = bytearray(content)
    damaged[place] ^= 1
    path.write_bytes(damaged)
    if decoded._unsound(tmp_path / "c") is None:
      assert json.loads(path.read_text()) == parsed, place


def test_a_text_that_is_remembered_is_known_by_its_sum(tmp_path):
  path, made = tmp_path / "deep" / "text.json", iter(["one", "two"])

  def remembered():
    return disk.remembered(path, lambda: next(made), str)

  assert [remembered(), remembered()] == ["one", "one"]
  path.write_bytes(path.read_bytes().replace(b"one", b"ond"))
  assert [remembered(), remembered()] == ["two", "two"]


def test_an_array_that_an_example_lacks_is_an_error(tmp_path):
  class Lacking(Squares):
    def __getitem__(self, i):
      example = super().__getitem__(i)
      if i == 3:
        del example["image"]
      return example

  with pytest.raises(ValueError, match="image is not in every example"):
    decoded.cached(tmp_path / "c", lambda: ({"train": Lacking()}, []))


FULL = """
import errno, pathlib, sys
from medfm.data import decoded
from tests.data.test_records import Squares
place = pathlib.Path(sys.argv[1])
try:
  decoded.cached(place / "c", lambda: ({"train": Squares(32)}, []))
except OSError as error:
  print(errno.errorcode[error.errno], error.filename)
print(sorted(path.name for path in place.iterdir()))
"""


def test_a_disk_that_fills_while_decoding_is_an_error_with_its_place(tmp_path):
  """A tmpfs of 1 MiB, in a namespace of its own, for 2.9 MB of squares."""
  inside = (
    'mount -t tmpfs -o size=1m none "$1" || exit 77; exec "$2" -c "$3" "$1"'
  )
  namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c", inside, ""]
  done = subprocess.run(
    [*namespace, str(tmp_path), sys.executable, FULL],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).resolve().parents[2],
  )
  if done.returncode in (1, 77, 127) and "Traceback" not in done.stderr:
    pytest.skip(f"no disk of its own can be made here: {done.stderr}")
  assert done.returncode == 0, done
  assert done.stdout.splitlines() == [f"ENOSPC {tmp_path}/c", "['c.lock']"]
