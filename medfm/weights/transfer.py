"""Start weights: leaves are matched by path, and every leaf is reported."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from medfm import tree
from medfm.types import UserError

_ONE = re.compile(r"(^|/)block(\d+)/")
_ALL = re.compile(r"(^|/)blocks/")


class Account(NamedTuple):
  """The outcome of every leaf: paths loaded, left fresh, left unused."""

  loaded: tuple[str, ...]
  fresh: tuple[str, ...]
  unused: tuple[str, ...]

  def text(self, source: str) -> str:
    """Four lines for the terminal."""
    lines = [f"weights from {source}"]
    for kind, paths in self._asdict().items():
      more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
      lines.append(f"  {kind:6} {len(paths):4d}  {', '.join(paths[:4])}{more}")
    return "\n".join(lines)


def transferred(
  fresh: Any,
  loaded: Any,
  *,
  may_be_fresh: Sequence[str],
  may_be_unused: Sequence[str],
  source: str = "",
  prefix: str = "",
) -> tuple[Any, Account]:
  """`fresh` with the leaves that `loaded` has under the same path.

  fresh, loaded: trees of arrays, with stacked blocks or not.
  may_be_fresh: regexes of paths that may keep their fresh values.
  may_be_unused: regexes of loaded paths that may stay unused.
  prefix: of the paths in the account.

  UserError, naming the source, for a leaf of another shape or a leaf that stays
  fresh or unused without being allowed to.
  """
  new, old = tree.paths(fresh), tree.paths(loaded)
  if any(map(_ALL.search, new)):
    old = stacked(old)
  elif any(map(_ONE.search, new)):
    old = apart(old)

  def declared(path, patterns):
    return any(re.search(pattern, path) for pattern in patterns)

  faults, taken = [], {}
  for path, leaf in new.items():
    if path in old and old[path].shape == leaf.shape:
      taken[path] = np.asarray(old[path]).astype(leaf.dtype)
    elif not declared(path, may_be_fresh):
      fault = f"has shape {old[path].shape}" if path in old else "is missing"
      faults.append(f"{path} {leaf.shape} {fault} in the start weights")
  for path in old:
    if path not in new and not declared(path, may_be_unused):
      faults.append(f"{path} of the start weights has no place here")
  if not taken:
    faults.append("no leaf has the same path and shape")
  if faults:
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    raise UserError(
      f"start weights {source} do not fit: {'; '.join(faults[:3])}{more}; give "
      "weights of this model (with their config.json), or list what may differ "
      "in start.fresh and start.unused"
    )
  merged = jax.tree_util.tree_map_with_path(
    lambda path, leaf: taken.get(tree.name(path), leaf), fresh
  )
  groups = (
    taken,
    [path for path in new if path not in taken],
    [path for path in old if path not in taken],
  )
  return merged, Account(*(tuple(prefix + path for path in g) for g in groups))


def stacked(flat: Mapping[str, Any]) -> dict[str, Any]:
  """Leaves by path: `block0/x`, `block1/x`, ... as one `blocks/x`."""
  rest, groups = {}, {}
  for path, leaf in flat.items():
    if match := _ONE.search(path):
      common = _ONE.sub(r"\1blocks/", path, count=1)
      groups.setdefault(common, {})[int(match[2])] = np.asarray(leaf)
    else:
      rest[path] = leaf
  return rest | {
    path: np.stack([leaves[i] for i in sorted(leaves)])
    for path, leaves in groups.items()
  }


def apart(flat: Mapping[str, Any]) -> dict[str, Any]:
  """Leaves by path: `blocks/x`, stacked, as `block0/x`, `block1/x`, ..."""
  return {
    _ALL.sub(rf"\1block{index}/", path, count=1): part
    for path, leaf in flat.items()
    for index, part in enumerate(
      np.asarray(leaf) if _ALL.search(path) else [leaf]
    )
  }
