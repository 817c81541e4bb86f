"""BERT in the Hugging Face layout."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.weights import mapping
from medfm.weights.mapping import Leaf, dense, norm

TYPE = "bert"
KINDS = {
  "decoder/head": "ForTokenClassification",
  "decoder/next_sentence": "ForPreTraining",
  "decoder/dense": "ForMaskedLM",
  "model/head": "ForSequenceClassification",
}
"""The class of theirs, by the first of these parts that our model has."""
_SIZES = mapping.ENCODER | {
  "vocabulary": "vocab_size",
  "length": "max_position_embeddings",
  "types": "type_vocab_size",
}
_WORDS = "bert.embeddings.word_embeddings.weight"


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of `models.bert.Bert`, from config.json."""
  mapping.expect(
    "config.json", config, position_embedding_type="absolute", is_decoder=False
  )
  return mapping.settings(config, _SIZES) | {"pre_norm": False}


def config(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """config.json for the head `kind`; UserError if the layout has no such."""
  mapping.expect("BERT's layout", settings, pre_norm=False)
  if kind == "ForSequenceClassification":
    mapping.expect("BERT's layout", settings, pooling="cls")
  sizes = {theirs: settings[ours] for ours, theirs in _SIZES.items()}
  return (
    mapping.encoder_config(settings, f"Bert{kind}")
    | sizes
    | {"pad_token_id": 0, "tie_word_embeddings": True}
  )


def canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Tensors by today's names, without derived or repeated ones."""
  rules = (
    (r"LayerNorm\.gamma$", "LayerNorm.weight"),
    (r"LayerNorm\.beta$", "LayerNorm.bias"),
    (r"^(embeddings|encoder|pooler)\.", r"bert.\1."),
  )
  twins = {
    "cls.predictions.decoder.weight": _WORDS,
    "cls.predictions.decoder.bias": "cls.predictions.bias",
  }
  return mapping.renamed(tensors, rules, r"\.position_ids$", twins)


def leaves(settings: Mapping[str, Any], kind: str) -> list[Leaf]:
  """The table; kind is "TokenClassification" if the head is per token."""
  model, theirs = "params/model", "bert.embeddings"
  scope = "decoder" if kind.endswith("TokenClassification") else "model"
  head = "cls.predictions.transform"
  names = ("attention.self", "attention.output.LayerNorm", "output.LayerNorm")
  positions, types = (
    f"{theirs}.{name}_embeddings.weight" for name in ("position", "token_type")
  )
  return [
    Leaf(f"{model}/embed_tokens/embedding", (_WORDS,)),
    Leaf(f"{model}/embed_positions/embedding", (positions,)),
    Leaf(f"{model}/embed_types/embedding", (types,)),
    *norm(f"{model}/embed_norm", f"{theirs}.LayerNorm"),
    *mapping.encoder(settings, "bert", names),
    *dense(f"{model}/pooler", "bert.pooler.dense"),
    *dense(f"params/{scope}/head", "classifier"),
    *dense("params/decoder/dense", f"{head}.dense"),
    *norm("params/decoder/norm", f"{head}.LayerNorm"),
    Leaf("params/decoder/bias", ("cls.predictions.bias",)),
    *dense("params/decoder/next_sentence", "cls.seq_relationship"),
  ]
