"""GPT-2 in the Hugging Face layout."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.weights import mapping
from medfm.weights.mapping import SAME, TRANSPOSED, Leaf, dense, norm, reshaped

TYPE = "gpt2"
KINDS = {"model/head": "ForSequenceClassification", "": "LMHeadModel"}
_SIZES = {
  "vocabulary": "vocab_size",
  "width": "n_embd",
  "depth": "n_layer",
  "heads": "n_head",
  "length": "n_positions",
}
_VARIANT = {"norm": "layer", "rotary": False, "gated": False}


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of `models.gpt.GPT`, from config.json."""
  mapping.expect(
    "config.json",
    config,
    scale_attn_weights=True,
    scale_attn_by_inverse_layer_idx=False,
    add_cross_attention=False,
  )
  hidden = mapping.size(config, "n_inner") if config.get("n_inner") else 0
  activation = ("activation_function", "gelu_new")
  epsilon = ("layer_norm_epsilon", 1e-5)
  shared = mapping.settings(config, _SIZES, activation, epsilon)
  return shared | {"hidden": hidden} | _VARIANT


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json for the head `kind`; UserError if the layout has no such."""
  mapping.expect("GPT-2's layout", settings, **_VARIANT)
  hidden = settings["hidden"]
  # The id of GPT-2's token lies beyond a smaller vocabulary.
  end = min(50256, settings["vocabulary"] - 1)
  return {theirs: settings[ours] for ours, theirs in _SIZES.items()} | {
    "architectures": [f"GPT2{kind}"],
    "n_inner": None if hidden == 4 * settings["width"] else hidden,
    "activation_function": mapping.NAMES[settings["activation"]],
    "layer_norm_epsilon": settings["epsilon"],
    "embd_pdrop": settings["dropout"],
    "resid_pdrop": settings["dropout"],
    "attn_pdrop": 0.0,
    "tie_word_embeddings": True,
    "bos_token_id": end,
    "eos_token_id": end,
  }


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Tensors by today's names, without derived or repeated ones."""
  rules = ((r"^(wte|wpe|h|ln_f)\.", r"transformer.\1."),)
  twins = {"lm_head.weight": "transformer.wte.weight"}
  return mapping.renamed(tensors, rules, r"\.attn\.(bias|masked_bias)$", twins)


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table; GPT-2's kernels are [in,out] like ours."""
  heads, width = settings["heads"], settings["width"]
  model = "params/model"
  queries = reshaped((width, 3, heads, -1), (width, -1))
  bias = reshaped((3, heads, -1), (-1,))
  out = reshaped((heads, -1, width), (-1, width))
  table = [
    Leaf(f"{model}/embed_tokens/embedding", ("transformer.wte.weight",)),
    Leaf(f"{model}/embed_positions/embedding", ("transformer.wpe.weight",)),
  ]
  for index in range(settings["depth"]):
    ours, theirs = f"{model}/block{index}", f"transformer.h.{index}"
    qkv, attn = f"{ours}/attention/qkv", f"{theirs}.attn.c_attn"
    table += [
      *norm(f"{ours}/norm1", f"{theirs}.ln_1"),
      Leaf(f"{qkv}/kernel", (f"{attn}.weight",), queries),
      Leaf(f"{qkv}/bias", (f"{attn}.bias",), bias),
      *dense(f"{ours}/attention/out", f"{theirs}.attn.c_proj", out),
      *norm(f"{ours}/norm2", f"{theirs}.ln_2"),
      *dense(f"{ours}/mlp/in", f"{theirs}.mlp.c_fc", SAME),
      *dense(f"{ours}/mlp/out", f"{theirs}.mlp.c_proj", SAME),
    ]
  table += norm(f"{model}/norm", "transformer.ln_f")
  # GPT-2's classification head has no bias.
  return [*table, Leaf(f"{model}/head/kernel", ("score.weight",), TRANSPOSED)]
