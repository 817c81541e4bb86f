"""Start weights: leaves move by path, and every leaf is accounted for."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from medfm import tree
from medfm.types import UserError
from medfm.weights import layers


@dataclasses.dataclass(frozen=True)
class Account:
  """What became of every leaf: paths loaded, left fresh, left unused."""

  loaded: tuple[str, ...]
  fresh: tuple[str, ...]
  unused: tuple[str, ...]

  def text(self, source: str) -> str:
    """Three lines for the terminal."""

    def some(paths):
      more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
      return f"{len(paths):4d}  {', '.join(paths[:4])}{more}"

    return (
      f"weights from {source}\n"
      f"  loaded {some(self.loaded)}\n"
      f"  fresh  {some(self.fresh)}\n"
      f"  unused {some(self.unused)}"
    )


def together(accounts: Mapping[str, Account]) -> Account:
  """One account of several collections, whose names stand before all paths
  but those of `params`."""

  def all_of(kind):
    return tuple(
      path if name == "params" else f"{name}/{path}"
      for name, account in accounts.items()
      for path in getattr(account, kind)
    )

  return Account(*map(all_of, ("loaded", "fresh", "unused")))


def transferred(
  fresh: Any,
  loaded: Any,
  *,
  may_be_fresh: Sequence[str],
  may_be_unused: Sequence[str],
  source: str = "",
) -> tuple[Any, Account]:
  """`fresh` with the leaves that `loaded` has under the same path.

  fresh: a tree of arrays.
  loaded: another tree of arrays; whether its blocks are stacked or not.
  may_be_fresh: regexes of paths that may keep their fresh values.
  may_be_unused: regexes of loaded paths that may go unused.
  source: where they are from, for messages.

  Raises:
    UserError: a leaf of another shape, or one that stays fresh or unused
      without being declared so.
  """
  new, old = tree.paths(fresh), layers.like(fresh, loaded)

  def declared(path, patterns):
    return any(re.search(pattern, path) for pattern in patterns)

  faults, taken = [], {}
  for path, leaf in new.items():
    if path in old and old[path].shape == leaf.shape:
      taken[path] = np.asarray(old[path]).astype(leaf.dtype)
    elif not declared(path, may_be_fresh):
      found = f"has shape {old[path].shape}" if path in old else "is missing"
      faults.append(f"{path} {leaf.shape} {found} in the start weights")
  for path in old:
    if path not in new and not declared(path, may_be_unused):
      faults.append(f"{path} of the start weights has no place here")
  if not taken:
    faults.append("no leaf at all has the same path and shape")
  if faults:
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    raise UserError(
      f"start weights {source}".rstrip()
      + " do not fit: "
      + "; ".join(faults[:3])
      + more
      + "; give those of this model (with their own config.json), or declare "
      "what may differ in start.fresh and start.unused"
    )
  merged = jax.tree_util.tree_map_with_path(
    lambda path, leaf: taken.get(tree.name(path), leaf), fresh
  )
  return merged, Account(
    loaded=tuple(taken),
    fresh=tuple(path for path in new if path not in taken),
    unused=tuple(path for path in old if path not in taken),
  )
