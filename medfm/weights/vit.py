"""ViT in the Hugging Face layout."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.weights import mapping
from medfm.weights.mapping import Codec, Leaf, dense, norm

TYPE = "vit"
KINDS = {"model/head": "ForImageClassification"}
_SIZES = mapping.ENCODER | {"patch": "patch_size"}
# Names since transformers 5, and as files have them.
_NEW = (
  (r"^(vit\.)?layers\.(\d+)\.", r"\1encoder.layer.\2."),
  (r"\.attention\.q_proj\.", ".attention.attention.query."),
  (r"\.attention\.k_proj\.", ".attention.attention.key."),
  (r"\.attention\.v_proj\.", ".attention.attention.value."),
  (r"\.attention\.o_proj\.", ".attention.output.dense."),
  (r"\.mlp\.fc1\.", ".intermediate.dense."),
  (r"\.mlp\.fc2\.", ".output.dense."),
  (r"^(embeddings|encoder|layernorm|pooler)\.", r"vit.\1."),
)


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of `models.vit.ViT`, from config.json."""
  mapping.expect("config.json", config, qkv_bias=True)
  channels = mapping.size(config, "num_channels", 3)
  return mapping.settings(config, _SIZES) | {"channels": channels}


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json of a model; kind: its head."""
  mapping.expect("ViT's layout", settings, pooling="cls", norm_first=False)
  return mapping.encoder_config(settings, f"ViT{kind}") | {
    "patch_size": settings["patch"],
    "num_channels": settings["channels"],
    "image_size": settings["image"],
    "qkv_bias": True,
  }


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Tensors by the names in published files."""
  return mapping.renamed(tensors, _NEW)


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table."""
  model, theirs = "params/model", "vit.embeddings"
  window = (settings["patch"], settings["patch"], settings["channels"], -1)
  patches = Codec(
    lambda parts: parts[0].transpose(2, 3, 1, 0).reshape(-1, len(parts[0])),
    lambda array: [array.reshape(window).transpose(3, 2, 0, 1)],
  )
  projection = f"{theirs}.patch_embeddings.projection"
  names = ("attention.attention", "layernorm_before", "layernorm_after")
  return [
    Leaf(f"{model}/cls", (f"{theirs}.cls_token",)),
    Leaf(f"{model}/positions", (f"{theirs}.position_embeddings",)),
    *dense(f"{model}/embed_patches", projection, patches),
    *mapping.encoder(settings, "vit", names),
    *norm(f"{model}/norm", "vit.layernorm"),
    *dense(f"{model}/head", "classifier"),
    *dense("params/decoder/pooler", "vit.pooler.dense"),
  ]
