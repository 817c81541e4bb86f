"""Weights in torch's own files, read without executing anything.

A torch file since version 1.6 is an uncompressed zip archive: `data.pkl` says
which tensor is which part of which storage, `data/<number>` are the storages.
The pickle is interpreted here, opcode by opcode; nothing in it is imported or
called, and anything that a file of weights does not need is refused.
"""

import collections
import math
import pickletools
import struct
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from medfm.types import UserError

PICKLE_BYTES = 8 * 2**20
"""Enough for some 80,000 tensors; a hostile one grows 50-fold when read."""
SHARING = 4
"""How many times tensors may share the bytes of a file."""
AXES = 16
LARGEST = 2**48
"""The most axes of a tensor, and the largest size, stride and offset."""

_STORAGES = {
  "torch FloatStorage": np.float32,
  "torch DoubleStorage": np.float64,
  "torch HalfStorage": np.float16,
  "torch BFloat16Storage": ml_dtypes.bfloat16,
  "torch LongStorage": np.int64,
  "torch IntStorage": np.int32,
  "torch ShortStorage": np.int16,
  "torch CharStorage": np.int8,
  "torch ByteStorage": np.uint8,
  "torch BoolStorage": np.bool_,
}
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_ORDERED = "collections OrderedDict"
_WRAPPERS = ("state_dict", "model", "model_state_dict")


class Refused(Exception):
  """Why a file is not read."""


# A name the pickle asks for, which is never looked up; a part of the archive;
# and a tensor before its bytes are read.
_Name = collections.namedtuple("_Name", ["name"])
_Storage = collections.namedtuple("_Storage", ["key", "kind", "size"])
_View = collections.namedtuple(
  "_View", ["storage", "offset", "shape", "strides"]
)


def read(path: Path) -> dict[str, np.ndarray]:
  """Name -> array of a `.bin`, `.pt` or `.pth` file that holds a state dict.

  UserError for an older or damaged file, or one with anything but tensors.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      return _read(archive, path.stat().st_size)
  except OSError:
    raise UserError(f"{path} cannot be read") from None
  except zipfile.BadZipFile:
    raise UserError(
      f"{path} is damaged or in torch's format before version 1.6, which "
      "cannot be read safely; save it again as safetensors"
    ) from None
  except Refused as reason:
    line = "".join(c if c.isprintable() else "?" for c in str(reason)[:300])
    raise UserError(f"{path} is refused: {line}") from None
  except MemoryError:
    raise UserError(f"{path} is larger than the memory") from None
  except (ValueError, LookupError, TypeError, EOFError) as error:
    raise UserError(f"{path} is damaged: {error!r:.300}") from None
  except (ArithmeticError, RuntimeError, struct.error) as error:
    raise UserError(f"{path} is damaged: {error!r:.300}") from None


def _read(archive: zipfile.ZipFile, size: int) -> dict[str, np.ndarray]:
  entries = _entries(archive)
  if sum(entry.file_size for entry in entries.values()) > size:
    raise Refused("its parts are larger than the whole")
  if "data.pkl" not in entries:
    raise Refused("it holds no data.pkl")
  order = entries.get("byteorder")
  if order and (order.file_size != 6 or archive.read(order) != b"little"):
    raise Refused("its numbers are not little-endian")
  if entries["data.pkl"].file_size > PICKLE_BYTES:
    raise Refused("its data.pkl is larger than a table of tensors")
  views = _views(_interpreted(archive.read(entries["data.pkl"])))
  for name, view in views.items():
    _check(name, view, entries)
  seen = sum(
    math.prod(view.shape) * np.dtype(view.storage.kind).itemsize
    for view in views.values()
  )
  if seen > SHARING * sum(entry.file_size for entry in entries.values()):
    raise Refused("its tensors are many times larger than the file")
  # Storages are read once, however many tensors share them.
  storages = {
    storage: np.frombuffer(
      archive.read(entries[f"data/{storage.key}"]), storage.kind
    )
    for storage in {view.storage for view in views.values()}
  }
  return {
    name: _array(view, storages[view.storage]) for name, view in views.items()
  }


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
  """The archive's files by name below their one folder."""
  entries: dict[str, zipfile.ZipInfo] = {}
  for entry in archive.infolist():
    name = entry.filename.partition("/")[2]
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
      raise Refused(f"{entry.filename} is compressed or encrypted")
    if entry.compress_size != entry.file_size:
      raise Refused(f"{entry.filename} has two sizes")
    if name in entries:
      raise Refused(f"{name} occurs twice")
    entries[name] = entry
  return entries


def _views(content: Any) -> dict[str, _View]:
  """The tensors of a state dict, which may be in a wrapper."""
  content = content if isinstance(content, dict) else {}
  for key in _WRAPPERS:
    if isinstance(content.get(key), dict):
      content = content[key]
  views = {k: v for k, v in content.items() if isinstance(v, _View)}
  if not views or not all(isinstance(name, str) for name in views):
    raise Refused("it holds no table of named tensors")
  return views


def _check(name: str, view: _View, entries) -> None:
  """Refuses a tensor that is not wholly within its storage."""
  storage = view.storage
  if not (storage.key.isascii() and storage.key.isdecimal()):
    raise Refused(f"{name} names the storage {storage.key!r}")
  entry = entries.get(f"data/{storage.key}")
  width = np.dtype(storage.kind).itemsize
  if entry is None or entry.file_size != storage.size * width:
    raise Refused(f"the storage of {name} is missing or of another size")
  if len(view.shape) != len(view.strides):
    raise Refused(f"{name} does not have one stride per dimension")
  if len(view.shape) > AXES:
    raise Refused(f"{name} has {len(view.shape)} axes, more than {AXES}")
  numbers = (view.offset, *view.shape, *view.strides)
  if not all(type(number) is int and number >= 0 for number in numbers):
    raise Refused(f"{name} has a negative size, stride or offset")
  if max(numbers) >= LARGEST:
    raise Refused(f"{name} has a size, stride or offset beyond any file's")
  if math.prod(view.shape) > storage.size:
    raise Refused(f"{name} is larger than its storage")
  steps = zip(view.shape, view.strides, strict=True)
  last = view.offset + sum((size - 1) * stride for size, stride in steps)
  if math.prod(view.shape) and last >= storage.size:
    raise Refused(f"{name} reaches outside its storage")


def _array(view: _View, storage: np.ndarray) -> np.ndarray:
  if not math.prod(view.shape):
    return np.zeros(view.shape, storage.dtype)
  strides = [stride * storage.itemsize for stride in view.strides]
  return np.ascontiguousarray(
    np.lib.stride_tricks.as_strided(
      storage[view.offset :], view.shape, strides, writeable=False
    )
  )


_MARK = _Name("mark")
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_PUSHED = {
  "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
  "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
_TAKEN = {"APPEND": 1, "SETITEM": 2, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""How many values an opcode takes; others take all above the mark."""


def _interpreted(code: bytes) -> Any:
  """What a pickle describes, with tensors as `_View` and no code run."""
  stack: list[Any] = []
  memo: dict[int, Any] = {}
  for opcode, argument, _ in pickletools.genops(code):
    name = opcode.name
    if name in ("PROTO", "FRAME"):
      continue
    if name == "STOP":
      return stack.pop()
    if name in _VALUES:
      stack.append(_VALUES[name])
    elif name in _EMPTY:
      stack.append(_EMPTY[name]())
    elif name in _PUSHED:
      stack.append(argument)
    elif name in ("BINPUT", "LONG_BINPUT"):
      memo[argument] = stack[-1]
    elif name == "MEMOIZE":
      memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
      stack.append(memo[argument])
    else:
      _combine(name, argument, stack)
  raise Refused("its table of tensors has no end")


def _combine(name: str, argument: Any, stack: list[Any]) -> None:
  """Runs an opcode that combines what is on the stack."""
  if name == "GLOBAL":
    stack.append(_admitted(argument))
  elif name == "STACK_GLOBAL":
    attribute, module = _expect(stack.pop(), str), _expect(stack.pop(), str)
    stack.append(_admitted(f"{module} {attribute}"))
  elif name == "BINPERSID":
    stack.append(_storage(stack.pop()))
  elif name == "REDUCE":
    arguments, function = stack.pop(), stack.pop()
    stack.append(_rebuilt(function, arguments))
  elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
    stack.append(tuple(_taken(name, stack)))
  elif name in ("APPEND", "APPENDS"):
    values = _taken(name, stack)
    _expect(stack[-1], list).extend(values)
  elif name in ("SETITEM", "SETITEMS"):
    values = _taken(name, stack)
    # Hashing other keys, such as deeply nested tuples, may take for ever.
    if any(type(key) not in (str, int) for key in values[::2]):
      raise Refused("its pickle has a key that is neither text nor a number")
    _expect(stack[-1], dict).update(zip(values[::2], values[1::2], strict=True))
  elif name == "BUILD":
    # The state of an OrderedDict, torch's version notes, is not needed.
    stack.pop()
    _expect(stack[-1], dict)
  else:
    raise Refused(f"its pickle uses {name}, which no table of tensors needs")


def _taken(name: str, stack: list[Any]) -> list[Any]:
  """What an opcode takes off the stack."""
  values: list[Any] = []
  if name in _TAKEN:
    values = [stack.pop() for _ in range(_TAKEN[name])]
  else:
    while (value := stack.pop()) is not _MARK:
      values.append(value)
  return values[::-1]


def _admitted(name: str) -> _Name:
  if name not in (*_STORAGES, _TENSOR, _PARAMETER, _ORDERED):
    raise Refused(f"its pickle asks for {name.replace(' ', '.')}")
  return _Name(name)


def _storage(parts: Any) -> _Storage:
  kind, named, key, _, size = _expect(parts, tuple)[:5]
  dtype = _STORAGES.get(_expect(named, _Name).name)
  if (kind, type(key), type(size)) != ("storage", str, int) or not dtype:
    raise Refused(f"its pickle refers to a {named.name} that is not a storage")
  return _Storage(key, dtype, size)


def _rebuilt(function: Any, arguments: Any) -> Any:
  """An admitted function's result."""
  if function == _Name(_ORDERED) and arguments == ():
    return {}
  if function == _Name(_PARAMETER):
    return _expect(arguments[0], _View)
  if function != _Name(_TENSOR):
    raise Refused("its pickle calls something that makes no tensor")
  storage, offset, shape, strides = arguments[:4]
  sizes = _expect(shape, tuple), _expect(strides, tuple)
  return _View(_expect(storage, _Storage), offset, *sizes)


def _expect(value: Any, kind: type) -> Any:
  if type(value) is not kind:
    raise Refused("its pickle does not describe a table of tensors")
  return value
