"""Tiny models of `transformers`, and what they compute.

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
_BERT = {
  "vocab_size": 13,
  "hidden_size": 8,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 12,
  "max_position_embeddings": 7,
  "num_labels": 3,
}


def images(size: int) -> np.ndarray:
  generator = np.random.default_rng(0)
  return generator.standard_normal((2, size, size, 3)).astype("float32")


def model(name: str, **sizes):
  """A tiny model of `transformers`, every weight of it random."""
  import torch
  import transformers as t

  torch.manual_seed(0)
  if name.startswith("bert"):
    kind = {
      "bert_masked_lm": t.BertForMaskedLM,
      "bert_classes": t.BertForSequenceClassification,
      "bert_tokens": t.BertForTokenClassification,
    }[name]
    made = kind(t.BertConfig(**{**_BERT, **sizes}))
  elif name == "gpt2":
    small = {"vocab_size": 13, "n_embd": 8, "n_layer": 2, "n_head": 2}
    own = {"n_positions": 16, "bos_token_id": 0, "eos_token_id": 0}
    made = t.GPT2LMHeadModel(t.GPT2Config(**{**small, **own, **sizes}))
  elif name == "vit":
    small = {"image_size": 8, "patch_size": 4, "num_labels": 3}
    rest = {k: v for k, v in _BERT.items() if k.startswith(("h", "n", "i"))}
    made = t.ViTForImageClassification(
      t.ViTConfig(**{**rest, **small, **sizes})
    )
  else:
    deep = name == "resnet_bottleneck"
    settings = {
      "embedding_size": 4,
      "hidden_sizes": [(16 if deep else 4) * 2**i for i in range(4)],
      "depths": [1, 1, 1, 1],
      "layer_type": "bottleneck" if deep else "basic",
      "num_labels": 3,
    }
    made = t.ResNetForImageClassification(
      t.ResNetConfig(**{**settings, **sizes})
    )
  with torch.no_grad():
    for key, tensor in made.state_dict().items():
      if key.endswith("running_var"):
        tensor.uniform_(0.5, 2)
      elif tensor.is_floating_point() and not sizes:
        # Of a size that keeps every layer's values near one.
        inputs = tensor[0].numel() if tensor.ndim > 1 else 4
        tensor.copy_(torch.randn_like(tensor) / inputs**0.5)
  made.tie_weights()
  return made.eval()


def logits(made, name: str) -> np.ndarray:
  """What the reference model says of the inputs here."""
  import torch

  with torch.no_grad():
    if name.startswith("bert"):
      inputs = {
        "input_ids": torch.tensor(TOKENS).long(),
        "attention_mask": torch.tensor(SEGMENT).long(),
        "token_type_ids": torch.tensor(TYPES).long(),
      }
    elif name == "gpt2":
      inputs = {"input_ids": torch.tensor(TOKENS).long()}
    else:
      size = 8 if name == "vit" else 40
      pixels = torch.tensor(images(size)).permute(0, 3, 1, 2)
      inputs = {"pixel_values": pixels}
    return made(**inputs).logits.numpy()


def write_golden() -> None:
  import torch

  for name in NAMES[:-1]:
    made = model(name)
    made.save_pretrained(GOLDEN / name)
    np.savez(GOLDEN / name / "logits.npz", logits=logits(made, name))
  state = model("gpt2").state_dict()
  state.pop("lm_head.weight")
  torch.save(state, GOLDEN / "gpt2" / "pytorch_model.bin")


if __name__ == "__main__":
  write_golden()
