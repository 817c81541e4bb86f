"""Files of weights that are damaged, hostile, or in many parts."""

import io
import json
import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from medfm.types import UserError
from medfm.weights import safetensors_file, torch_file


def _header(path, header, data=b""):
  """A file of this header, whatever it says, and these bytes."""
  text = header if isinstance(header, bytes) else json.dumps(header).encode()
  path.write_bytes(struct.pack("<Q", len(text)) + text + data)
  return path


def _entry(shape, begin, end, dtype="F32"):
  return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_what_is_written_is_read_by_the_library_and_back(tmp_path):
  tensors = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.ones(3, ml_dtypes.bfloat16),
  }
  safetensors_file.write(tmp_path, tensors, {})
  theirs = load_file(tmp_path / safetensors_file.NAME)
  ours = safetensors_file.read(tmp_path)
  for name, tensor in tensors.items():
    assert ours[name].dtype == tensor.dtype
    np.testing.assert_array_equal(theirs[name], tensor)
    np.testing.assert_array_equal(ours[name], tensor)


HEADERS = {
  "a header longer than the file": (struct.pack("<Q", 10**9) + b"{}", "claims"),
  "nothing at all": (b"", "truncated"),
  "no JSON": (struct.pack("<Q", 2) + b"{x", "damaged header"),
  "a list": (struct.pack("<Q", 2) + b"[]", "damaged header"),
}


@pytest.mark.parametrize("fault", HEADERS)
def test_a_file_that_is_none_is_refused(fault, tmp_path):
  path = tmp_path / "x.safetensors"
  path.write_bytes(HEADERS[fault][0])
  with pytest.raises(UserError, match=HEADERS[fault][1]):
    safetensors_file.read(path)


ENTRIES = {
  "overlap": ({"a": _entry([2], 0, 8), "b": _entry([2], 4, 12)}, "overlaps"),
  "gap": ({"a": _entry([1], 0, 4), "b": _entry([1], 8, 12)}, "gap"),
  "truncated": ({"a": _entry([4], 0, 16)}, "truncated"),
  "more": ({"a": _entry([2], 0, 8)}, "longer than its header"),
  "shape": ({"a": _entry([5], 0, 12)}, "does not fill"),
  "huge": ({"a": _entry([10**9, 10**9], 0, 12)}, "does not fill"),
  "negative": ({"a": _entry([-1, -3], 0, 12)}, "not a whole number"),
  "type": ({"a": _entry([3], 0, 12, "Q7")}, "Q7"),
  "twins": (
    b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},'
    b'"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}',
    "twice",
  ),
}


@pytest.mark.parametrize("fault", ENTRIES)
def test_a_header_that_does_not_describe_the_file_is_refused(fault, tmp_path):
  header, message = ENTRIES[fault]
  path = _header(tmp_path / "x.safetensors", header, bytes(12))
  with pytest.raises(UserError, match=message):
    safetensors_file.read(path)


def test_shards_make_one_model(tmp_path):
  tensors = {f"t{i}": np.full(10, i, np.float32) for i in range(5)}
  safetensors_file.write(tmp_path, tensors, {"a": 1}, shard_bytes=80)
  assert len(list(tmp_path.glob("*.safetensors"))) == 3
  found = safetensors_file.read(tmp_path)
  assert set(found) == set(tensors)
  np.testing.assert_array_equal(found["t4"], tensors["t4"])


def _sharded(tmp_path, placed):
  save_file({"a": np.zeros(1, np.float32)}, tmp_path / "one.safetensors")
  index = tmp_path / safetensors_file.INDEX
  index.write_text(json.dumps({"weight_map": placed}))
  return tmp_path


def test_an_index_may_not_leave_its_folder(tmp_path):
  folder = _sharded(tmp_path, {"a": "../one.safetensors"})
  with pytest.raises(UserError, match="outside its folder"):
    safetensors_file.read(folder)


def test_a_shard_that_lacks_a_tensor_is_refused(tmp_path):
  folder = _sharded(tmp_path, {k: "one.safetensors" for k in "ab"})
  with pytest.raises(UserError, match="lacks 1 tensors: b"):
    safetensors_file.read(folder)


class _Storage:
  """Pickled as torch refers to a storage."""

  def __init__(self, kind="FloatStorage", key="0", size=6):
    self.parts = ("storage", _Global(f"torch.{kind}"), key, "cpu", size)


class _Global:
  def __init__(self, name):
    self.name = name


class _Call:
  def __init__(self, name, *arguments):
    self.name, self.arguments = name, arguments


class _Pickler(pickle._Pickler):
  """Writes calls by name, so that no torch is needed to write its files."""

  def persistent_id(self, item):
    return item.parts if isinstance(item, _Storage) else None

  def save(self, item, save_persistent_id=True):
    if isinstance(item, _Global):
      module, _, name = item.name.rpartition(".")
      self.write(b"c" + f"{module}\n{name}\n".encode())
    elif isinstance(item, _Call):
      self.save(_Global(item.name))
      self.save(item.arguments)
      self.write(b"R")
    else:
      super().save(item, save_persistent_id)


def _tensor(storage, offset=0, shape=(2, 3), strides=(3, 1)):
  arguments = (storage, offset, shape, strides, False, {})
  return _Call("torch._utils._rebuild_tensor_v2", *arguments)


def _torch(path, content, *, storage=None, name="0", **settings):
  """A torch file of this pickle and one storage of the numbers 0 to 5."""
  if not isinstance(content, bytes):
    buffer = io.BytesIO()
    _Pickler(buffer, 2).dump(content)
    content = buffer.getvalue()
  data = np.arange(6, dtype=np.float32).tobytes()
  with zipfile.ZipFile(path, "w", **settings) as archive:
    archive.writestr("m/data.pkl", content)
    archive.writestr("m/byteorder", "little")
    archive.writestr(f"m/data/{name}", data if storage is None else storage)
  return path


def test_a_transposed_view_is_read_as_it_is_seen(tmp_path):
  content = {"w": _tensor(_Storage(), 0, (3, 2), (1, 3))}
  found = torch_file.read(_torch(tmp_path / "x.pt", content))
  np.testing.assert_array_equal(found["w"], [[0, 3], [1, 4], [2, 5]])


def test_a_table_in_a_wrapper_is_found(tmp_path):
  content = {"state_dict": {"w": _tensor(_Storage())}, "epoch": 3}
  found = torch_file.read(_torch(tmp_path / "x.pt", content))
  assert found["w"].shape == (2, 3)


def test_a_storage_of_two_kinds_is_read_as_each_tensor_has_it(tmp_path):
  doubles = _tensor(_Storage("DoubleStorage", size=3), 0, (3,), (1,))
  content = {"w": _tensor(_Storage()), "x": doubles}
  found = torch_file.read(_torch(tmp_path / "x.pt", content))
  numbers = np.arange(6, dtype=np.float32)
  np.testing.assert_array_equal(found["w"], numbers.reshape(2, 3))
  np.testing.assert_array_equal(found["x"], numbers.view(np.float64))


def _laughs(count):
  """A pickle's tuple of one tuple, twice: 2^count leaves from few bytes."""
  content = b"X\x01\x00\x00\x00aq\x00"
  for i in range(count):
    content += b"h" + bytes([i]) + b"\x86q" + bytes([i + 1])
  return content


PAYLOADS = {
  "a command": (_Call("os.system", "touch hacked"), r"asks for os\.system"),
  "eval": (_Call("builtins.eval", "1"), r"asks for builtins\.eval"),
  "another class": (_Call("numpy.ndarray", ()), r"asks for numpy\.ndarray"),
  "torch's own loader": (_Call("torch.load", "x"), r"asks for torch\.load"),
  "view outside": ({"w": _tensor(_Storage(), 1)}, "outside its storage"),
  "negative stride": (
    {"w": _tensor(_Storage(), 5, (6,), (-1,))},
    "negative size, stride",
  ),
  "negative offset": ({"w": _tensor(_Storage(), -1)}, "negative"),
  "a billion elements": (
    {"w": _tensor(_Storage(), 0, (10**9,), (0,))},
    "larger than its storage",
  ),
  "a storage that claims more": (
    {"w": _tensor(_Storage(size=10**9))},
    "of another size",
  ),
  "a key that is no number": (
    {"w": _tensor(_Storage(key="../../etc/passwd"))},
    "names the storage",
  ),
  "a size that is no number": (
    {"w": _tensor(_Storage(), 0, (2.0, 3))},
    "negative size",
  ),
  "no tensors": ({"a": 1}, "no table"),
  "text": (b"Vhello\n.", "UNICODE"),
  "garbage": (b"\x80\x02garbage", "damaged"),
  "too short": (b"\x80\x02R.", "damaged"),
  "without an end": (b"\x80\x02}", "damaged|no end"),
  "strides of 2^70": (
    {"w": _tensor(_Storage(), 0, (1, 3), (2**70, 1))},
    "beyond any file",
  ),
  "sizes of 2^70": (
    {"w": _tensor(_Storage(), 0, (0, 2**70), (1, 1))},
    "beyond any file",
  ),
  "a thousand axes": (
    {"w": _tensor(_Storage(), 0, (1,) * 1000, (1,) * 1000)},
    "1000 axes",
  ),
  "a name of a megabyte": ({"w" * 2**20: _tensor(_Storage(), -1)}, "refused"),
  "a key of 2^40 leaves": (b"\x80\x02}" + _laughs(40) + b"Ns.", "neither text"),
  "a module of 2^40 leaves": (
    b"\x80\x04" + _laughs(40) + b"\x8c\x01a\x93.",
    "does not describe",
  ),
  "a deep key": (b"\x80\x02}N" + b"\x85" * 200_000 + b"Ns.", "neither text"),
  "a deep module": (
    b"\x80\x04N" + b"\x85" * 100_000 + b"\x8c\x01a\x93.",
    "does not describe",
  ),
}


@pytest.mark.parametrize("fault", PAYLOADS)
def test_a_hostile_pickle_is_refused_and_nothing_runs(
  fault, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  content, message = PAYLOADS[fault]
  with pytest.raises(UserError, match=message) as caught:
    torch_file.read(_torch(tmp_path / "x.pt", content))
  assert len(str(caught.value)) < 500 + len(str(tmp_path))
  assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]


def test_tensors_that_share_a_storage_many_times_over_are_refused(tmp_path):
  storage = _Storage(size=5000)
  content = {f"w{i}": _tensor(storage, 0, (5000,), (1,)) for i in range(9)}
  path = _torch(tmp_path / "x.pt", content, storage=bytes(20000))
  with pytest.raises(UserError, match="many times larger"):
    torch_file.read(path)


def test_a_stride_along_an_axis_of_one_does_not_matter(tmp_path):
  content = {"w": _tensor(_Storage(), 0, (1, 6), (2**47, 1))}
  found = torch_file.read(_torch(tmp_path / "x.pt", content))
  np.testing.assert_array_equal(found["w"], [np.arange(6)])


def test_a_compressed_archive_is_refused(tmp_path):
  path = _torch(
    tmp_path / "x.pt",
    {"w": _tensor(_Storage())},
    compression=zipfile.ZIP_DEFLATED,
  )
  with pytest.raises(UserError, match="compressed"):
    torch_file.read(path)


def test_a_truncated_or_older_file_is_refused(tmp_path):
  path = _torch(tmp_path / "x.pt", {"w": _tensor(_Storage())})
  path.write_bytes(path.read_bytes()[:-30])
  with pytest.raises(UserError, match="damaged or in torch's format"):
    torch_file.read(path)


def test_a_flipped_bit_is_noticed(tmp_path):
  path = _torch(tmp_path / "x.pt", {"w": _tensor(_Storage())})
  content = bytearray(path.read_bytes())
  content[content.index(np.float32(5).tobytes())] ^= 1
  path.write_bytes(content)
  with pytest.raises(UserError, match="damaged"):
    torch_file.read(path)
