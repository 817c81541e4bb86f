"""JSON from other programs, refused if nested too deeply or badly encoded."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEEPEST = 64
"""How deeply objects and lists may be nested."""


def read(path: Path) -> Any:
  """The content of a JSON file; raises as `text` and `parsed` do."""
  return parsed(text(path))


def text(path: Path) -> str:
  """The text of an ordinary file; ValueError for a pipe or a device, which
  would never end, OSError where there is none."""
  if not stat.S_ISREG(path.stat().st_mode):
    raise ValueError("it is no ordinary file")
  return path.read_text(encoding="utf-8")


def parsed(
  text: str | bytes, pairs: Callable[[list], Any] | None = None
) -> Any:
  """The content of a JSON text.

  pairs: makes an object of its (key, value) pairs, as in `json.loads`.

  Raises: ValueError for what is not JSON, what is nested more deeply than
    `DEEPEST`, and text with half a character, which no file can hold.
  """
  try:
    content = json.loads(text, object_pairs_hook=pairs)
  except RecursionError:
    raise ValueError("it is nested too deeply") from None
  level = [content]
  for _ in range(DEEPEST + 1):
    level = [box for box in level if isinstance(box, dict | list)]
    if not level:
      break
    level = [
      value
      for box in level
      for value in (box.values() if isinstance(box, dict) else box)
    ]
  else:
    raise ValueError("it is nested too deeply")
  # A lone surrogate can be written in JSON as an escape alone.
  if (b"\\ud" if isinstance(text, bytes) else "\\ud") in text.lower():
    try:
      json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
      raise ValueError(
        "it holds half a character (\\ud800 to \\udfff)"
      ) from None
  return content
