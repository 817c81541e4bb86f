"""Trees of parameters, named by paths such as `model/head/kernel`."""

import re
from collections.abc import Sequence
from typing import Any

import jax

from medfm.types import UserError


def paths(tree: Any) -> dict[str, Any]:
  """Path -> leaf, in tree order."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {name(path): leaf for path, leaf in leaves}


def name(path: tuple[Any, ...]) -> str:
  """A key path of jax as `a/b/c`."""
  return jax.tree_util.keystr(path, simple=True, separator="/")


def select(tree: Any, rules: Sequence[tuple[str, Any]]) -> Any:
  """Each leaf's value, from the first rule whose regex matches its path.

  UserError for a leaf that no rule matches, or a rule (other than the last)
  that decides no leaf.
  """
  used = set()

  def value(path, _):
    for index, (pattern, result) in enumerate(rules):
      if re.search(pattern, name(path)):
        used.add(index)
        return result
    raise UserError(f"no rule matches the parameter {name(path)!r}")

  chosen = jax.tree_util.tree_map_with_path(value, tree)
  for index, (pattern, _) in enumerate(rules[:-1]):
    if index not in used:
      raise UserError(
        f"the rule {pattern!r} decides no parameter; the parameters are: "
        + ", ".join(list(paths(tree))[:8])
      )
  return chosen


def count(tree: Any) -> int:
  """The number of scalars in a tree."""
  return sum(leaf.size for leaf in jax.tree.leaves(tree))
