"""Models of `transformers`, tiny and of base size, and what they compute.

Run as a script it writes the golden files beside it, which prove parity where
torch is not installed:
  python -m tests.weights.reference
"""

import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parent / "golden"
TOKENS = np.array([[2, 7, 5, 11, 3, 9], [4, 8, 1, 0, 0, 0]], "int32")
SEGMENT = np.array([[1] * 6, [1, 1, 1, 0, 0, 0]], "int32")
TYPES = np.array([[0, 0, 0, 1, 1, 1], [0, 1, 1, 0, 0, 0]], "int32")
NAMES = (
  "bert_masked_lm",
  "bert_classes",
  "bert_tokens",
  "gpt2",
  "vit",
  "resnet",
  "resnet_bottleneck",
)
BASE = {
  "bert_masked_lm": "BERT-base",
  "bert_classes": "BERT-base",
  "gpt2": "GPT-2",
  "vit": "ViT-B/16",
  "resnet_bottleneck": "ResNet-50",
}
_BERT = {
  "vocab_size": 13,
  "hidden_size": 8,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 12,
  "max_position_embeddings": 7,
  "num_labels": 3,
}


_GPT2 = {
  "vocab_size": 13,
  "n_embd": 8,
  "n_layer": 2,
  "n_head": 2,
  "n_positions": 16,
  "bos_token_id": 0,
  "eos_token_id": 0,
}
_SHAPE = ("hidden_size", "num_hidden_layers", "num_attention_heads")
_VIT = {
  **{key: _BERT[key] for key in (*_SHAPE, "intermediate_size", "num_labels")},
  "image_size": 8,
  "patch_size": 4,
}


_CLIP = {
  "text_config": {
    **{key: _BERT[key] for key in (*_SHAPE, "intermediate_size", "vocab_size")},
    "max_position_embeddings": 7,
    "eos_token_id": 9,
  },
  "vision_config": {
    **{key: _VIT[key] for key in ("image_size", "patch_size")},
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
  },
  "projection_dim": 6,
}


def images(size: int) -> np.ndarray:
  generator = np.random.default_rng(0)
  return generator.standard_normal((2, size, size, 3)).astype("float32")


def batch(name: str, base: bool = False) -> dict[str, np.ndarray]:
  """What a model of this name is asked, as MedFM's models read it."""
  if name.startswith(("vit", "resnet")):
    side = 224 if base else 8 if name == "vit" else 40
    return {"image": images(side), "id": np.arange(2)}
  if not base:
    asked = {"tokens": TOKENS, "segment": SEGMENT, "token_type": TYPES}
  else:
    generator = np.random.default_rng(0)
    segment = np.ones((2, 96), "int32")
    segment[1, 61:] = 0
    asked = {
      "tokens": generator.integers(0, 30000, segment.shape).astype("int32"),
      "segment": segment,
      "token_type": (np.cumsum(segment, 1) > 40).astype("int32"),
    }
  if name == "gpt2":
    asked = {"tokens": asked["tokens"]}
  return {**asked, "id": np.arange(2)}


def pairs(theirs: bool = False) -> dict[str, np.ndarray]:
  """Pictures and texts; a text ends with token 9, CLIP's last."""
  tokens = TOKENS.copy()
  tokens[1, 2] = 9
  if theirs:
    pixels = images(8).transpose(0, 3, 1, 2)
    named = {"input_ids": tokens, "attention_mask": SEGMENT}
    return {"pixel_values": pixels, **named}
  text = {"text/tokens": tokens, "text/segment": SEGMENT}
  return {"image/image": images(8), **text, "id": np.arange(2)}


def model(name: str, base: bool = False):
  """A model of `transformers`, every weight of it random."""
  import torch
  import transformers as t

  torch.manual_seed(0)
  # The defaults of their configs are the base sizes.
  labels = {"num_labels": 3}
  if name.startswith("bert"):
    kind = {
      "bert_masked_lm": t.BertForMaskedLM,
      "bert_classes": t.BertForSequenceClassification,
      "bert_tokens": t.BertForTokenClassification,
    }[name]
    made = kind(t.BertConfig(**(labels if base else _BERT)))
  elif name == "gpt2":
    made = t.GPT2LMHeadModel(t.GPT2Config(**({} if base else _GPT2)))
  elif name == "clip":
    made = t.CLIPModel(t.CLIPConfig(**_CLIP))
  elif name == "vit":
    settings = labels if base else _VIT
    made = t.ViTForImageClassification(t.ViTConfig(**settings))
  else:
    deep = name == "resnet_bottleneck"
    small = {
      "embedding_size": 4,
      "hidden_sizes": [(16 if deep else 4) * 2**i for i in range(4)],
      "depths": [1, 1, 1, 1],
      "layer_type": "bottleneck" if deep else "basic",
    }
    made = t.ResNetForImageClassification(
      t.ResNetConfig(**labels, **({} if base else small))
    )
  with torch.no_grad():
    for key, tensor in made.state_dict().items():
      if key.endswith("running_var"):
        tensor.uniform_(0.5, 2)
      elif tensor.is_floating_point() and tensor.ndim:
        # Of a size that keeps every layer's values near one.
        inputs = tensor[0].numel() if tensor.ndim > 1 else 4
        tensor.copy_(torch.randn_like(tensor) / inputs**0.5)
  made.tie_weights()
  return made.eval()


def logits(made, name: str, base: bool = False) -> np.ndarray:
  """What the reference model says of the batch."""
  import torch

  asked = batch(name, base)
  names = {
    "input_ids": "tokens",
    "attention_mask": "segment",
    "token_type_ids": "token_type",
  }
  with torch.no_grad():
    if "image" in asked:
      pixels = torch.tensor(asked["image"]).permute(0, 3, 1, 2)
      return made(pixel_values=pixels).logits.numpy()
    inputs = {
      theirs: torch.tensor(asked[ours]).long()
      for theirs, ours in names.items()
      if ours in asked
    }
    return made(**inputs).logits.numpy()


def similarities(made) -> np.ndarray:
  """[2,2], of pictures and texts, by the reference model of both."""
  import torch

  asked = {key: torch.tensor(array) for key, array in pairs(True).items()}
  with torch.no_grad():
    return made(**asked).logits_per_image.numpy()


def write_golden() -> None:
  import torch

  for name in NAMES[:-1]:
    made = model(name)
    made.save_pretrained(GOLDEN / name)
    np.savez(GOLDEN / name / "logits.npz", logits=logits(made, name))
  made = model("clip")
  made.save_pretrained(GOLDEN / "clip")
  np.savez(GOLDEN / "clip" / "logits.npz", logits=similarities(made))
  state = model("gpt2").state_dict()
  state.pop("lm_head.weight")
  torch.save(state, GOLDEN / "gpt2" / "pytorch_model.bin")


if __name__ == "__main__":
  write_golden()
