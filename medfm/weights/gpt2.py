"""GPT-2 in the Hugging Face layout."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.types import UserError
from medfm.weights import hugging_face as hf
from medfm.weights.mapping import SAME, TRANSPOSED, Codec, Leaf, dense, norm

TYPE = "gpt2"
_SIZES = {
  "vocabulary": "vocab_size",
  "width": "n_embd",
  "depth": "n_layer",
  "heads": "n_head",
  "length": "n_positions",
}


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """Of `models.gpt.GPT`, from config.json."""
  hf.expect(
    config,
    scale_attn_weights=True,
    scale_attn_by_inverse_layer_idx=False,
    add_cross_attention=False,
  )
  return {
    **hf.needed(config, _SIZES),
    "hidden": hf.size("n_inner", config["n_inner"])
    if config.get("n_inner")
    else 0,
    "activation": hf.activation(config.get("activation_function", "gelu_new")),
    "epsilon": hf.epsilon(config, "layer_norm_epsilon", 1e-5),
    "norm": "layer",
    "rotary": False,
    "gated": False,
  }


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json of a model; kind: what is on top of it.

  Raises:
    UserError: a variant that GPT-2's layout does not have.
  """
  for key, value in (("norm", "layer"), ("rotary", False), ("gated", False)):
    if settings[key] != value:
      raise UserError(f"GPT-2's layout has no model of {key}={settings[key]}")
  hidden = settings["hidden"]
  return {theirs: settings[ours] for ours, theirs in _SIZES.items()} | {
    "model_type": TYPE,
    "architectures": [f"GPT2{kind}"],
    "n_inner": None if hidden == 4 * settings["width"] else hidden,
    "activation_function": hf.NAMES[settings["activation"]],
    "layer_norm_epsilon": settings["epsilon"],
    "embd_pdrop": settings["dropout"],
    "resid_pdrop": settings["dropout"],
    "attn_pdrop": 0.0,
    "tie_word_embeddings": True,
    # GPT-2's own token is beyond a smaller vocabulary.
    "bos_token_id": min(50256, settings["vocabulary"] - 1),
    "eos_token_id": min(50256, settings["vocabulary"] - 1),
  }


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Names as today's files have them, without what is derived or repeated."""
  found = {}
  for name, tensor in tensors.items():
    if re.match(r"(wte|wpe|h|ln_f)\.", name):
      name = f"transformer.{name}"
    if not re.search(r"\.attn\.(bias|masked_bias)$", name):
      found[name] = tensor
  words = found.get("transformer.wte.weight")
  if np.array_equal(found.get("lm_head.weight"), words):
    del found["lm_head.weight"]
  return found


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table; GPT-2's kernels are [in,out] as ours."""
  heads, width = settings["heads"], settings["width"]
  queries = Codec(
    lambda parts: parts[0].reshape(width, 3, heads, -1),
    lambda array: [array.reshape(width, -1)],
  )
  out = Codec(
    lambda parts: parts[0].reshape(heads, -1, width),
    lambda array: [array.reshape(-1, width)],
  )
  bias = Codec(
    lambda parts: parts[0].reshape(3, heads, -1),
    lambda array: [array.reshape(-1)],
  )
  table = [
    Leaf(f"params/model/embed_{ours}/embedding", (f"{name}.weight",), SAME)
    for ours, name in (
      ("tokens", "transformer.wte"),
      ("positions", "transformer.wpe"),
    )
  ]
  for index in range(settings["depth"]):
    ours, theirs = f"params/model/block{index}", f"transformer.h.{index}"
    attn = f"{theirs}.attn.c_attn"
    table += norm(f"{ours}/norm1", f"{theirs}.ln_1")
    table += [
      Leaf(f"{ours}/attention/qkv/kernel", (f"{attn}.weight",), queries),
      Leaf(f"{ours}/attention/qkv/bias", (f"{attn}.bias",), bias),
    ]
    table += dense(f"{ours}/attention/out", f"{theirs}.attn.c_proj", kernel=out)
    table += norm(f"{ours}/norm2", f"{theirs}.ln_2")
    table += dense(f"{ours}/mlp/in", f"{theirs}.mlp.c_fc", kernel=SAME)
    table += dense(f"{ours}/mlp/out", f"{theirs}.mlp.c_proj", kernel=SAME)
  table += norm("params/model/norm", "transformer.ln_f")
  # GPT-2's classification head has no bias.
  table.append(Leaf("params/model/head/kernel", ("score.weight",), TRANSPOSED))
  return table


def kind(params: Mapping[str, Any]) -> str:
  """What is on top of a model, in their words."""
  head = "head" in params["model"]
  return "ForSequenceClassification" if head else "LMHeadModel"
