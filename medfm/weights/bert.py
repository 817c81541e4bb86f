"""BERT in the Hugging Face layout."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.types import UserError
from medfm.weights import hugging_face as hf
from medfm.weights.mapping import SAME, Leaf, attention, dense, norm

TYPE = "bert"
_SIZES = {
  "vocabulary": "vocab_size",
  "width": "hidden_size",
  "depth": "num_hidden_layers",
  "heads": "num_attention_heads",
  "hidden": "intermediate_size",
  "length": "max_position_embeddings",
  "types": "type_vocab_size",
}


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """Of `models.bert.Bert`, from config.json."""
  hf.expect(config, position_embedding_type="absolute", is_decoder=False)
  return {
    **hf.needed(config, _SIZES),
    "activation": hf.activation(config.get("hidden_act", "gelu")),
    "epsilon": hf.epsilon(config, "layer_norm_eps", 1e-12),
    "pre_norm": False,
  }


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json of a model; kind: what is on top of it.

  Raises:
    UserError: a variant that BERT's layout does not have.
  """
  if settings["pre_norm"]:
    raise UserError("BERT's layout has no model of pre_norm=True")
  if kind == "ForSequenceClassification" and settings["pooling"] != "cls":
    raise UserError(
      f"BERT's layout has no classifier of pooling={settings['pooling']}"
    )
  return {theirs: settings[ours] for ours, theirs in _SIZES.items()} | {
    "model_type": TYPE,
    "architectures": [f"Bert{kind}"],
    "hidden_act": hf.NAMES[settings["activation"]],
    "layer_norm_eps": settings["epsilon"],
    "hidden_dropout_prob": settings["dropout"],
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
  }


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Names as today's files have them, without what is derived or repeated."""
  found = {}
  for name, tensor in tensors.items():
    name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name)
    name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)
    if re.match(r"(embeddings|encoder|pooler)\.", name):
      name = f"bert.{name}"
    if not name.endswith(".position_ids"):
      found[name] = tensor
  _drop_twin(found, "cls.predictions.decoder.weight", _WORDS)
  _drop_twin(found, "cls.predictions.decoder.bias", "cls.predictions.bias")
  return found


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table; kind is "TokenClassification" where the head is per token."""
  table = [
    Leaf(f"params/model/embed_{ours}/embedding", (f"{name}.weight",), SAME)
    for ours, name in (
      ("tokens", _WORDS.removesuffix(".weight")),
      ("positions", "bert.embeddings.position_embeddings"),
      ("types", "bert.embeddings.token_type_embeddings"),
    )
  ]
  table += norm("params/model/embed_norm", "bert.embeddings.LayerNorm")
  for index in range(settings["depth"]):
    ours, theirs = f"params/model/block{index}", f"bert.encoder.layer.{index}"
    table += attention(
      f"{ours}/attention",
      [f"{theirs}.attention.self.{n}" for n in ("query", "key", "value")],
      f"{theirs}.attention.output.dense",
      settings["heads"],
    )
    table += norm(f"{ours}/norm1", f"{theirs}.attention.output.LayerNorm")
    table += dense(f"{ours}/mlp/in", f"{theirs}.intermediate.dense")
    table += dense(f"{ours}/mlp/out", f"{theirs}.output.dense")
    table += norm(f"{ours}/norm2", f"{theirs}.output.LayerNorm")
  table += dense("params/model/pooler", "bert.pooler.dense")
  per_token = kind.endswith("TokenClassification")
  scope = "decoder" if per_token else "model"
  table += dense(f"params/{scope}/head", "classifier")
  head = "cls.predictions.transform"
  table += dense("params/decoder/dense", f"{head}.dense")
  table += norm("params/decoder/norm", f"{head}.LayerNorm")
  table.append(Leaf("params/decoder/bias", ("cls.predictions.bias",), SAME))
  table += dense("params/decoder/next_sentence", "cls.seq_relationship")
  return table


def kind(params: Mapping[str, Any]) -> str:
  """What is on top of a model, in their words."""
  decoder = params.get("decoder", {})
  if "head" in decoder:
    return "ForTokenClassification"
  if "next_sentence" in decoder:
    return "ForPreTraining"
  if "dense" in decoder:
    return "ForMaskedLM"
  head = "head" in params["model"]
  return "ForSequenceClassification" if head else "Model"


def _drop_twin(tensors, name, other):
  """Drops a tensor that repeats another; a different one stays unread."""
  if name in tensors and np.array_equal(tensors[name], tensors.get(other)):
    del tensors[name]


_WORDS = "bert.embeddings.word_embeddings.weight"
