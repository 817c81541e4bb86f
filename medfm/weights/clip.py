"""CLIP in the Hugging Face layout."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm import spec
from medfm.models.gpt import GPT
from medfm.models.two_towers import TwoTowers
from medfm.models.vit import ViT
from medfm.types import UserError
from medfm.weights import mapping
from medfm.weights.mapping import (
  TRANSPOSED,
  Codec,
  Leaf,
  attention,
  dense,
  norm,
)

TYPE = "clip"
KINDS: dict[str, str] = {}
IMAGE, TEXT = "image", "text"
_PARTS = {IMAGE: "vision_config", TEXT: "text_config"}
_SIZES = {
  IMAGE: mapping.ENCODER
  | {"patch": "patch_size", "image": "image_size", "channels": "num_channels"},
  TEXT: mapping.ENCODER
  | {"vocabulary": "vocab_size", "length": "max_position_embeddings"},
}
_MODELS = {IMAGE: ViT, TEXT: GPT}
_VARIANT = {
  IMAGE: {"norm_first": True, "patch_bias": False, "pooling": "cls"},
  TEXT: {"norm": "layer", "rotary": False, "gated": False},
}
_DEFAULTS = {
  "hidden_act": "quick_gelu",
  "layer_norm_eps": 1e-5,
  "num_hidden_layers": 12,
}
_DEFAULT = {
  IMAGE: _DEFAULTS
  | {
    "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
    "image_size": 224, "patch_size": 32, "num_channels": 3,
  },
  TEXT: _DEFAULTS
  | {
    "hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8,
    "vocab_size": 49408, "max_position_embeddings": 77,
  },
}  # fmt: skip
"""What a config.json that leaves an entry out means."""

_LEADING = Codec(lambda parts: parts[0][None], lambda array: [array[0]])
"""[P,E] <-> [1,P,E]."""

_CLASS = Codec(lambda parts: parts[0][None, None], lambda array: [array[0, 0]])
_NAMES = ("q_proj", "k_proj", "v_proj")


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of both towers and of `TwoTowers`, from config.json."""
  encoders = {}
  for role in _PARTS:
    part = described(config, role)
    encoders[role] = mapping.settings(part, _SIZES[role]) | _VARIANT[role]
  return {"encoders": encoders, "width": mapping.size(config, "projection_dim")}


def described(config: Mapping[str, Any], role: str = IMAGE) -> dict[str, Any]:
  """The part of config.json about one tower, with its defaults."""
  part = config.get(_PARTS[role]) or {}
  if not isinstance(part, Mapping):
    raise UserError(f"config.json: {_PARTS[role]} is not an object")
  return _DEFAULT[role] | {k: v for k, v in part.items() if v is not None}


def bound(settings: Mapping[str, Any]) -> dict[str, Any]:
  """Settings as a config of `TwoTowers` holds them."""
  encoders = {
    role: spec.bind(
      _MODELS[role],
      **{k: v for k, v in each.items() if k not in ("image", "channels")},
    )
    for role, each in settings["encoders"].items()
  }
  return {"encoders": encoders, "width": settings["width"]}


def towers(model: TwoTowers) -> dict[str, str]:
  """The name of the input that each tower of a model reads, by its role."""
  return {
    TEXT if "vocabulary" in settings else IMAGE: name
    for name, settings in model.inputs.items()
  }


def built(model: TwoTowers, name: str) -> Any:
  """The module of the tower that reads an input."""
  return model.encoders[name](outputs=0, **model.inputs[name])


def chosen(model: TwoTowers, flat: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of a model's towers, and sizes of its leaves by path."""
  given = {}
  for role, name in towers(model).items():
    tower = built(model, name)
    if type(tower) is not _MODELS[role]:
      raise UserError(
        f"CLIP's layout: the {role} tower is {type(tower).__name__} and cannot "
        f"be converted; only {_MODELS[role].__name__} can"
      )
    held = {field: getattr(tower, field) for field in tower.__annotations__}
    given[role] = held | {"hidden": held["hidden"] or 4 * held["width"]}
  tower, patch = f"params/model/{IMAGE}", given[IMAGE]["patch"]
  places = flat[f"{tower}/positions"].shape[1] - 1
  rows = len(flat[f"{tower}/embed_patches/kernel"])
  given[IMAGE] |= {
    "image": round(places**0.5) * patch,
    "channels": rows // patch**2,
  }
  return {"encoders": given, "width": model.width}


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json of a model."""
  written: dict[str, Any] = {}
  for role, part in _PARTS.items():
    each = settings["encoders"][role]
    mapping.expect(f"CLIP's layout, {role} tower", each, **_VARIANT[role])
    written[part] = {
      theirs: each[ours] for ours, theirs in _SIZES[role].items()
    } | {
      "hidden_act": mapping.NAMES[each["activation"]],
      "layer_norm_eps": each["epsilon"],
      "attention_dropout": 0.0,
      "model_type": f"clip_{part.removesuffix('_config')}_model",
    }
  return written | {
    "architectures": [f"CLIP{kind}"],
    "projection_dim": settings["width"],
  }


def noted(config: dict[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
  """config.json with notes; the ids of special tokens are of the text tower."""
  ids = {k: v for k, v in notes.items() if k.endswith("_token_id")}
  rest = {k: v for k, v in notes.items() if k not in ids}
  return {**config, **rest, _PARTS[TEXT]: {**config[_PARTS[TEXT]], **ids}}


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Tensors without derived ones."""
  return mapping.renamed(tensors, (), r"\.position_ids$")


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table."""
  image, text = (settings["encoders"][role] for role in (IMAGE, TEXT))
  pixels, tokens = "vision_model.embeddings", "text_model.embeddings"
  ours = {role: f"params/model/{role}" for role in _PARTS}
  window = (image["patch"], image["patch"], image["channels"], -1)
  patches = Codec(
    lambda parts: parts[0].transpose(2, 3, 1, 0).reshape(-1, len(parts[0])),
    lambda array: [array.reshape(window).transpose(3, 2, 0, 1)],
  )

  def placed(role: str) -> str:
    name = "positions" if role == IMAGE else "embed_positions/embedding"
    return f"{ours[role]}/{name}"

  return [
    Leaf(f"{ours[IMAGE]}/cls", (f"{pixels}.class_embedding",), _CLASS),
    Leaf(placed(IMAGE), (f"{pixels}.position_embedding.weight",), _LEADING),
    Leaf(
      f"{ours[IMAGE]}/embed_patches/kernel",
      (f"{pixels}.patch_embedding.weight",),
      patches,
    ),
    *norm(f"{ours[IMAGE]}/norm0", "vision_model.pre_layrnorm"),
    *_blocks(ours[IMAGE], "vision_model", image),
    *norm(f"{ours[IMAGE]}/norm", "vision_model.post_layernorm"),
    Leaf(
      f"{ours[TEXT]}/embed_tokens/embedding",
      (f"{tokens}.token_embedding.weight",),
    ),
    Leaf(placed(TEXT), (f"{tokens}.position_embedding.weight",)),
    *_blocks(ours[TEXT], "text_model", text),
    *norm(f"{ours[TEXT]}/norm", "text_model.final_layer_norm"),
    *(
      Leaf(
        f"params/model/project_{role}/kernel",
        (f"{theirs}_projection.weight",),
        TRANSPOSED,
      )
      for role, theirs in ((IMAGE, "visual"), (TEXT, "text"))
    ),
    Leaf("params/decoder/log_scale", ("logit_scale",)),
  ]


def _blocks(ours: str, theirs: str, each: Mapping[str, Any]) -> list[Leaf]:
  """The blocks of one tower."""
  table = []
  for index in range(each["depth"]):
    block, layer = f"{ours}/block{index}", f"{theirs}.encoder.layers.{index}"
    queries, out = f"{layer}.self_attn", f"{layer}.self_attn.out_proj"
    table += [
      *attention(f"{block}/attention", queries, out, each["heads"], _NAMES),
      *norm(f"{block}/norm1", f"{layer}.layer_norm1"),
      *dense(f"{block}/mlp/in", f"{layer}.mlp.fc1"),
      *dense(f"{block}/mlp/out", f"{layer}.mlp.fc2"),
      *norm(f"{block}/norm2", f"{layer}.layer_norm2"),
    ]
  return table
