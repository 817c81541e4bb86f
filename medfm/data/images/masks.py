"""Masks among a folder's images: left out, or a warning."""

import fnmatch
import re
from collections.abc import Iterable, Sequence

from medfm.data import cards
from medfm.types import UserError

_WORDS = "mask seg segm segmentation gt groundtruth annotation contour roi"
_MARKED = re.compile(
  rf"(.+?)[\s_.-]+({'|'.join(_WORDS.split())})s?([\s_.-]*\d+)?", re.I
)
_FOLDER = re.compile(rf"({'|'.join(_WORDS.split())})s?", re.I)


def fits(name: str, exclude: Iterable[str]) -> bool:
  """Whether a pattern fits the name of a file, or all of its path."""
  parts = (name, name.rpartition("/")[2])
  return any(fnmatch.fnmatchcase(p, each) for each in exclude for p in parts)


def kept(names: Sequence[str], exclude: Iterable[str]) -> list[str]:
  """The names that no pattern fits.

  names: relative to the folder, with "/". exclude: shell patterns, such as
  *_mask*, for a file's name or its whole path.

  Raises: UserError for a pattern that fits no name.
  """
  patterns = [*exclude]
  for pattern in patterns:
    if not any(fits(name, [pattern]) for name in names):
      raise UserError(
        f"exclude={pattern}: matches no image; * matches any letters"
      )
  left = [name for name in names if not fits(name, patterns)]
  if not left:
    raise UserError(f"exclude={','.join(patterns)}: leaves out every image")
  return left


def warnings(names: Iterable[str]) -> list[str]:
  """A line for files that look like masks of other images in the folder."""
  stems = {name.rpartition(".")[0]: name for name in names}
  masks = {}
  for stem, name in stems.items():
    marked = _MARKED.fullmatch(stem)
    if marked and marked[1] in stems:
      masks[name] = marked[2]
  if masks:
    first, word = min(masks.items())
    return [
      f"{cards.amount(len(masks), 'file')} named as masks of others "
      f"(such as {first}): leave them out with exclude=*{word}*"
    ]
  folders = {part for name in stems for part in name.split("/")[:-1]}
  named = sorted(filter(_FOLDER.fullmatch, folders))
  return [
    f"the folder {folder} looks like one of masks: leave it out with "
    f"exclude=*{folder}/*"
    for folder in named[:1]
  ]
