"""ViT in the Hugging Face layout."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.weights import hugging_face as hf
from medfm.weights.mapping import SAME, Codec, Leaf, attention, dense, norm

TYPE = "vit"
_SIZES = {
  "patch": "patch_size",
  "width": "hidden_size",
  "depth": "num_hidden_layers",
  "heads": "num_attention_heads",
  "hidden": "intermediate_size",
}
# Names since transformers 5, and as files have them.
_NEW = (
  (r"^(vit\.)?layers\.(\d+)\.", r"\1encoder.layer.\2."),
  (r"\.attention\.q_proj\.", ".attention.attention.query."),
  (r"\.attention\.k_proj\.", ".attention.attention.key."),
  (r"\.attention\.v_proj\.", ".attention.attention.value."),
  (r"\.attention\.o_proj\.", ".attention.output.dense."),
  (r"\.mlp\.fc1\.", ".intermediate.dense."),
  (r"\.mlp\.fc2\.", ".output.dense."),
)


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """Of `models.vit.ViT`, from config.json."""
  hf.expect(config, qkv_bias=True)
  return {
    **hf.needed(config, _SIZES),
    "channels": hf.size("num_channels", config.get("num_channels", 3)),
    "activation": hf.activation(config.get("hidden_act", "gelu")),
    "epsilon": hf.epsilon(config, "layer_norm_eps", 1e-12),
  }


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json of a model; kind: what is on top of it."""
  return {theirs: settings[ours] for ours, theirs in _SIZES.items()} | {
    "model_type": TYPE,
    "architectures": [f"ViT{kind}"],
    "num_channels": settings["channels"],
    "image_size": settings["image"],
    "hidden_act": hf.NAMES[settings["activation"]],
    "layer_norm_eps": settings["epsilon"],
    "hidden_dropout_prob": settings["dropout"],
    "attention_probs_dropout_prob": 0.0,
    "qkv_bias": True,
  }


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Names as published files have them."""
  found = {}
  for name, tensor in tensors.items():
    for pattern, replacement in _NEW:
      name = re.sub(pattern, replacement, name)
    if re.match(r"(embeddings|encoder|layernorm|pooler)\.", name):
      name = f"vit.{name}"
    found[name] = tensor
  return found


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table."""
  patch, channels = settings["patch"], settings["channels"]
  patches = Codec(
    lambda parts: parts[0].transpose(2, 3, 1, 0).reshape(-1, len(parts[0])),
    lambda array: [
      array.reshape(patch, patch, channels, -1).transpose(3, 2, 0, 1)
    ],
  )
  embeddings = "vit.embeddings"
  table = [
    Leaf("params/model/cls", (f"{embeddings}.cls_token",), SAME),
    Leaf(
      "params/model/positions", (f"{embeddings}.position_embeddings",), SAME
    ),
    *dense(
      "params/model/embed_patches",
      f"{embeddings}.patch_embeddings.projection",
      kernel=patches,
    ),
  ]
  for index in range(settings["depth"]):
    ours, theirs = f"params/model/block{index}", f"vit.encoder.layer.{index}"
    table += norm(f"{ours}/norm1", f"{theirs}.layernorm_before")
    table += attention(
      f"{ours}/attention",
      [f"{theirs}.attention.attention.{n}" for n in ("query", "key", "value")],
      f"{theirs}.attention.output.dense",
      settings["heads"],
    )
    table += norm(f"{ours}/norm2", f"{theirs}.layernorm_after")
    table += dense(f"{ours}/mlp/in", f"{theirs}.intermediate.dense")
    table += dense(f"{ours}/mlp/out", f"{theirs}.output.dense")
  table += norm("params/model/norm", "vit.layernorm")
  table += dense("params/model/head", "classifier")
  table += dense("params/decoder/pooler", "vit.pooler.dense")
  return table


def kind(params: Mapping[str, Any]) -> str:
  """What is on top of a model, in their words."""
  return "ForImageClassification" if "head" in params["model"] else "Model"
