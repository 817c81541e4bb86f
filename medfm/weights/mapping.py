"""Leaves of ours and tensors of theirs: one table, read in both directions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm import tree
from medfm.types import UserError

UNREAD = "unread"
"""Where tensors go that a layout's table does not know."""


class Codec(NamedTuple):
  """How the tensors of one leaf become it, and it them again."""

  take: Callable[[list[np.ndarray]], np.ndarray]
  give: Callable[[np.ndarray], list[np.ndarray]]


class Leaf(NamedTuple):
  """ours: path below the collections; theirs: names of one tensor or several.

  optional: a file may lack it, and an export what the model lacks.
  """

  ours: str
  theirs: tuple[str, ...]
  codec: Codec


def imported(
  leaves: Sequence[Leaf], tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, Any]:
  """Variables of the tensors; what no leaf wants is under `params/unread`.

  A leaf none of whose tensors is there is left out.

  Raises:
    UserError: a leaf with only some of its tensors, or of odd shapes.
  """
  flat, used = {}, set()
  for leaf in leaves:
    there = [name for name in leaf.theirs if name in tensors]
    if not there:
      continue
    if len(there) < len(leaf.theirs):
      missing = sorted(set(leaf.theirs) - set(there))[0]
      raise UserError(f"{source} has {there[0]} but lacks {missing}")
    used.update(there)
    for name in there:
      if not np.isfinite(np.asarray(tensors[name], np.float32)).all():
        raise UserError(
          f"{source}: {name} has values that are not finite; the file is "
          "damaged, get it again"
        )
    try:
      flat[leaf.ours] = leaf.codec.take([tensors[name] for name in there])
    except (ValueError, TypeError, IndexError):
      shapes = ", ".join(f"{name} {tensors[name].shape}" for name in there)
      raise UserError(
        f"{source}: {shapes} cannot become {leaf.ours}; its config.json "
        "describes another model"
      ) from None
  if not flat:
    raise UserError(
      f"{source} has none of the tensors its config.json promises, such as "
      f"{leaves[0].theirs[0]}"
    )
  for name in tensors.keys() - used:
    flat[f"params/{UNREAD}/{name}"] = tensors[name]
  return nested(flat)


def exported(
  leaves: Sequence[Leaf], variables: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """The tensors of variables, float32.

  Raises:
    UserError: a leaf for which the layout has no place.
  """
  flat = tree.paths(variables)
  tensors: dict[str, np.ndarray] = {}
  for leaf in leaves:
    if leaf.ours in flat:
      array = np.asarray(flat.pop(leaf.ours), np.float32)
      tensors |= zip(leaf.theirs, leaf.codec.give(array), strict=True)
  if flat:
    raise UserError(
      f"the layout has no place for {len(flat)} leaves: "
      + ", ".join(sorted(flat)[:4])
    )
  return tensors


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
  """{"a/b": x} -> {"a": {"b": x}}."""
  result: dict[str, Any] = {}
  for path, leaf in flat.items():
    *parents, name = path.split("/")
    here = result
    for parent in parents:
      here = here.setdefault(parent, {})
    here[name] = leaf
  return result


def norm(ours: str, theirs: str) -> list[Leaf]:
  """Scale and bias of a layer normalisation."""
  return [
    Leaf(f"{ours}/scale", (f"{theirs}.weight",), SAME),
    Leaf(f"{ours}/bias", (f"{theirs}.bias",), SAME),
  ]


def dense(ours: str, theirs: str, *, kernel: Codec | None = None) -> list[Leaf]:
  """Kernel and bias of a linear layer."""
  return [
    Leaf(f"{ours}/kernel", (f"{theirs}.weight",), kernel or TRANSPOSED),
    Leaf(f"{ours}/bias", (f"{theirs}.bias",), SAME),
  ]


def attention(
  ours: str, queries: Sequence[str], out: str, heads: int
) -> list[Leaf]:
  """`nn.transformer.Attention` from three linear layers and a fourth."""

  def take(parts):
    columns = [part.T.reshape(len(part), heads, -1) for part in parts]
    return np.stack(columns, 1)

  def give(kernel):
    return [kernel[:, i].reshape(len(kernel), -1).T for i in range(3)]

  weights = tuple(f"{name}.weight" for name in queries)
  biases = tuple(f"{name}.bias" for name in queries)
  return [
    Leaf(f"{ours}/qkv/kernel", weights, Codec(take, give)),
    Leaf(f"{ours}/qkv/bias", biases, _stacked(heads)),
    *dense(f"{ours}/out", out, kernel=_heads_in(heads)),
  ]


def _stacked(heads: int) -> Codec:
  """Three [E] <-> [3,heads,E/heads]."""
  return Codec(
    lambda parts: np.stack([part.reshape(heads, -1) for part in parts]),
    lambda array: [part.reshape(-1) for part in array],
  )


def _heads_in(heads: int) -> Codec:
  """[E,E] <-> [heads,E/heads,E]."""
  return Codec(
    lambda parts: parts[0].T.reshape(heads, -1, len(parts[0])),
    lambda array: [array.reshape(-1, array.shape[-1]).T],
  )


SAME = Codec(lambda parts: parts[0], lambda array: [array])
TRANSPOSED = Codec(lambda parts: parts[0].T, lambda array: [array.T])
CONV = Codec(
  lambda parts: parts[0].transpose(2, 3, 1, 0),
  lambda array: [array.transpose(3, 2, 0, 1)],
)
"""[out,in,h,w] <-> [h,w,in,out]."""
