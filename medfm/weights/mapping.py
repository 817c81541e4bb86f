"""What the layouts of public models have in common.

A layout is a table of our leaves and their tensors, used in both directions,
and the settings in its config.json.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from medfm.types import UserError

ACTIVATIONS = {
  "gelu": "gelu",
  "gelu_new": "gelu_tanh",
  "gelu_pytorch_tanh": "gelu_tanh",
  "quick_gelu": "quick_gelu",
  "relu": "relu",
  "silu": "silu",
  "swish": "silu",
}
# Where an activation has two names, the first is written.
NAMES = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
ENCODER = {
  "width": "hidden_size",
  "depth": "num_hidden_layers",
  "heads": "num_attention_heads",
  "hidden": "intermediate_size",
}

UNREAD = "unread"
"""The place of tensors that a layout's table does not list."""


class Codec(NamedTuple):
  """How a leaf is made from its tensors, and they from the leaf."""

  take: Callable[[list[np.ndarray]], np.ndarray]
  give: Callable[[np.ndarray], Iterable[np.ndarray]]


SAME = Codec(lambda parts: parts[0], lambda array: [array])
TRANSPOSED = Codec(lambda parts: parts[0].T, lambda array: [array.T])
CONV = Codec(
  lambda parts: parts[0].transpose(2, 3, 1, 0),
  lambda array: [array.transpose(3, 2, 0, 1)],
)
"""[out,in,h,w] <-> [h,w,in,out]."""


class Leaf(NamedTuple):
  """ours: the leaf's path; theirs: the names of its tensors."""

  ours: str
  theirs: tuple[str, ...]
  codec: Codec = SAME


def imported(
  leaves: Sequence[Leaf], tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, Any]:
  """Variables of the tensors; tensors of no leaf are under `params/unread`.

  A leaf without any of its tensors is left out; UserError for a leaf with only
  some of them, or with unexpected shapes.
  """
  flat, unread = {}, dict(tensors)
  for leaf in leaves:
    parts = {name: unread.pop(name) for name in leaf.theirs if name in unread}
    if not parts:
      continue
    if missing := sorted(set(leaf.theirs) - set(parts)):
      raise UserError(
        f"{source} has {next(iter(parts))} but lacks {missing[0]}"
      )
    for name, part in parts.items():
      if not np.isfinite(np.asarray(part, np.float32)).all():
        raise UserError(
          f"{source}: {name} has values that are not finite; the file is "
          "damaged, get it again"
        )
    try:
      flat[leaf.ours] = leaf.codec.take(list(parts.values()))
    except (ValueError, TypeError, IndexError):
      shapes = ", ".join(f"{name} {part.shape}" for name, part in parts.items())
      raise UserError(
        f"{source}: {shapes} cannot become {leaf.ours}, since its config.json "
        "describes another model: use the config.json of these weights"
      ) from None
  if not flat:
    raise UserError(
      f"{source} has none of the tensors its config.json promises, such as "
      f"{leaves[0].theirs[0]}"
    )
  flat |= {f"params/{UNREAD}/{name}": part for name, part in unread.items()}
  return traverse_util.unflatten_dict(flat, sep="/")


def exported(
  leaves: Sequence[Leaf], variables: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """float32 tensors of variables by path; UserError for a leaf without any."""
  flat = dict(variables)
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


def reshaped(ours: tuple[int, ...], theirs: tuple[int, ...]) -> Codec:
  """The same numbers in the same order."""
  return Codec(
    lambda parts: parts[0].reshape(ours), lambda array: [array.reshape(theirs)]
  )


def norm(ours: str, theirs: str) -> list[Leaf]:
  """Scale and bias of a layer normalisation."""
  return dense(ours, theirs, SAME, "scale")


def dense(
  ours: str, theirs: str, kernel: Codec = TRANSPOSED, name: str = "kernel"
) -> list[Leaf]:
  """Kernel and bias of a linear layer."""
  return [
    Leaf(f"{ours}/{name}", (f"{theirs}.weight",), kernel),
    Leaf(f"{ours}/bias", (f"{theirs}.bias",)),
  ]


def attention(
  ours: str,
  theirs: str,
  out: str,
  heads: int,
  names: tuple[str, str, str] = ("query", "key", "value"),
) -> list[Leaf]:
  """`Attention` from the queries, keys and values of theirs, and out."""
  layers = [f"{theirs}.{name}" for name in names]
  kernels = Codec(  # Three [E,E] <-> [E,3,heads,E/heads].
    lambda parts: np.stack([part.T for part in parts], 1).reshape(
      len(parts[0]), 3, heads, -1
    ),
    lambda array: array.reshape(len(array), 3, -1).transpose(1, 2, 0),
  )
  biases = Codec(  # Three [E] <-> [3,heads,E/heads].
    lambda parts: np.stack(parts).reshape(3, heads, -1),
    lambda array: array.reshape(3, -1),
  )
  heads_in = Codec(  # [E,E] <-> [heads,E/heads,E].
    lambda parts: parts[0].T.reshape(heads, -1, len(parts[0])),
    lambda array: [array.reshape(-1, array.shape[-1]).T],
  )
  return [
    Leaf(f"{ours}/qkv/kernel", tuple(f"{n}.weight" for n in layers), kernels),
    Leaf(f"{ours}/qkv/bias", tuple(f"{n}.bias" for n in layers), biases),
    *dense(f"{ours}/out", out, heads_in),
  ]


def settings(
  config: Mapping[str, Any],
  sizes: Mapping[str, str],
  activation: tuple[str, str] = ("hidden_act", "gelu"),
  epsilon: tuple[str, float] = ("layer_norm_eps", 1e-12),
) -> dict[str, Any]:
  """A transformer's settings here, from config.json; UserError for bad ones.

  sizes: our setting -> their key. activation, epsilon: their key and default.
  """
  values = {ours: size(config, theirs) for ours, theirs in sizes.items()}
  size(config, sizes["depth"], largest=1024)
  if values["width"] % values["heads"]:
    raise UserError(
      f"config.json: {sizes['width']}={values['width']} is not a multiple of "
      f"{sizes['heads']}={values['heads']}"
    )
  name = config.get(*activation)
  if not isinstance(name, str) or name not in ACTIVATIONS:
    raise UserError(f"config.json: the activation {name!r} is not known here")
  small = config.get(*epsilon)
  if type(small) not in (int, float) or not 0 < small < 1:
    raise UserError(
      f"config.json: {epsilon[0]}={small!r}; expected a number between 0 and 1"
    )
  return values | {"activation": ACTIVATIONS[name], "epsilon": float(small)}


def size(
  config: Mapping[str, Any],
  key: str,
  default: Any = None,
  largest: int = 1 << 24,
) -> int:
  """The size under a key; UserError if there is none."""
  value = config.get(key, default)
  if type(value) is not int or not 0 < value <= largest:
    raise UserError(
      f"config.json: {key}={value!r} is not a size; expected a whole number "
      f"from 1 to {largest:,}"
    )
  return value


def expect(what: str, given: Mapping[str, Any], **values: Any) -> None:
  """Raises UserError if a given value is present and differs."""
  for key, value in values.items():
    if given.get(key, value) != value:
      raise UserError(
        f"{what}: {key}={given[key]!r} cannot be converted; only {value!r} can"
      )


def encoder_config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """The entries of config.json that BERT and ViT share."""
  return {theirs: settings[ours] for ours, theirs in ENCODER.items()} | {
    "architectures": [kind],
    "hidden_act": NAMES[settings["activation"]],
    "layer_norm_eps": settings["epsilon"],
    "hidden_dropout_prob": settings["dropout"],
    "attention_probs_dropout_prob": 0.0,
  }


def renamed(
  tensors: Mapping[str, np.ndarray],
  rules: Sequence[tuple[str, Any]],
  dropped: str = "(?!)",
  twins: Mapping[str, str] = {},
) -> dict[str, np.ndarray]:
  """Tensors by today's names, without derived or repeated ones.

  rules: regex and replacement, applied to each name in turn.
  dropped: regex of the names of derived tensors.
  twins: tensor -> the one it repeats; it is kept if it differs.
  """
  renamed = {}
  for name, tensor in tensors.items():
    for pattern, replacement in rules:
      name = re.sub(pattern, replacement, name)
    if not re.search(dropped, name):
      renamed[name] = tensor
  for name, other in twins.items():
    if name in renamed and np.array_equal(renamed[name], renamed.get(other)):
      del renamed[name]
  return renamed


def encoder(
  settings: Mapping[str, Any], theirs: str, names: tuple[str, str, str]
) -> list[Leaf]:
  """The blocks of BERT or ViT; names: of the queries and both norms."""
  table = []
  for index in range(settings["depth"]):
    ours, layer = (
      f"params/model/block{index}",
      f"{theirs}.encoder.layer.{index}",
    )
    queries, norm1, norm2 = (f"{layer}.{name}" for name in names)
    out = f"{layer}.attention.output.dense"
    table += [
      *attention(f"{ours}/attention", queries, out, settings["heads"]),
      *norm(f"{ours}/norm1", norm1),
      *dense(f"{ours}/mlp/in", f"{layer}.intermediate.dense"),
      *dense(f"{ours}/mlp/out", f"{layer}.output.dense"),
      *norm(f"{ours}/norm2", norm2),
    ]
  return table
