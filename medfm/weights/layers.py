"""Blocks one by one (`block0`, `block1`, ...) or stacked (`blocks`)."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm import tree

_ONE = re.compile(r"(^|/)block(\d+)/")
_ALL = re.compile(r"(^|/)blocks/")


def like(fresh: Any, loaded: Any) -> dict[str, Any]:
  """The leaves of `loaded` by path, its blocks kept as `fresh` keeps them."""
  flat = tree.paths(loaded)
  wanted = list(tree.paths(fresh))
  if any(map(_ALL.search, wanted)) and any(map(_ONE.search, flat)):
    return stacked(flat)
  if any(map(_ONE.search, wanted)) and any(map(_ALL.search, flat)):
    return apart(flat)
  return flat


def stacked(flat: Mapping[str, Any]) -> dict[str, Any]:
  """`block0/x`, `block1/x`, ... as one `blocks/x` with a leading axis."""
  found, groups = {}, {}
  for path, leaf in flat.items():
    if match := _ONE.search(path):
      common = _ONE.sub(r"\1blocks/", path, count=1)
      groups.setdefault(common, {})[int(match[2])] = leaf
    else:
      found[path] = leaf
  return found | {
    path: np.stack([np.asarray(leaves[i]) for i in sorted(leaves)])
    for path, leaves in groups.items()
  }


def apart(flat: Mapping[str, Any]) -> dict[str, Any]:
  """`blocks/x` with a leading axis as `block0/x`, `block1/x`, ..."""
  found = {}
  for path, leaf in flat.items():
    if not _ALL.search(path):
      found[path] = leaf
      continue
    for index, part in enumerate(np.asarray(leaf)):
      found[_ALL.sub(rf"\1block{index}/", path, count=1)] = part
  return found
