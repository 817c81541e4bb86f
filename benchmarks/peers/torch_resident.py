"""The steps of `benchmarks.gpu` in PyTorch: compiled, bf16 by autocast.

Models are those of transformers, with its fused attention; the optimizers
are torch's fused ones; convolutions see channels last.
"""

import torch
import transformers
from torch.nn import functional as F

from benchmarks import gpu_cases
from benchmarks.peers import lines, resident

MASK, SPECIAL = 4, 5


def main() -> None:
  given = resident.parsed()
  torch.manual_seed(0)
  place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
  sizes = gpu_cases.SIZES[given.size][given.model]
  model = MODELS[given.model](sizes).train().to(place)
  batch = {
    name: torch.from_numpy(array).to(place)
    for name, array in resident.arrays(sizes, given.batch).items()
  }
  if given.model == "resnet":
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
  else:
    optimizer = torch.optim.AdamW(
      model.parameters(), 1e-4, weight_decay=0.0, fused=True
    )
  loss_of = LOSSES[given.model]
  if not given.eager:
    loss_of = torch.compile(loss_of)
  for step in range(1, given.steps + 1):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(place.type, torch.bfloat16):
      loss = loss_of(model, batch, sizes)
    loss.backward()
    optimizer.step()
    if lines.due(step, given.every):
      peak = torch.cuda.max_memory_allocated() if place.type == "cuda" else 0
      lines.say(step, given.steps, loss.item(), peak)


def classified(model, batch, sizes: gpu_cases.Sizes):
  image = (batch["image"].permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
  logits = model(pixel_values=image).logits
  return F.cross_entropy(logits.float(), batch["label"].long())


def causal(model, batch, sizes: gpu_cases.Sizes):
  tokens = batch["tokens"].long()
  return model(input_ids=tokens, labels=tokens, use_cache=False).loss


def masked(model, batch, sizes: gpu_cases.Sizes):
  """Logits at the hidden places alone, as MedFM computes them."""
  tokens = batch["tokens"].long()
  places = torch.rand(tokens.shape, device=tokens.device).argsort(1)
  places = places[:, : sizes.places]
  labels = tokens.gather(1, places)
  kind = torch.rand(labels.shape, device=tokens.device)
  other = torch.randint_like(labels, SPECIAL, sizes.vocabulary)
  new = torch.where(kind < 0.8, MASK, torch.where(kind < 0.9, other, labels))
  states = model.bert(input_ids=tokens.scatter(1, places, new))
  states = states.last_hidden_state
  rows = places[:, :, None].expand(-1, -1, states.shape[-1])
  logits = model.cls(states.gather(1, rows))
  return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten())


def vit(sizes):
  return transformers.ViTForImageClassification(
    transformers.ViTConfig(
      hidden_size=sizes.width,
      num_hidden_layers=sizes.depth,
      num_attention_heads=sizes.heads,
      intermediate_size=4 * sizes.width,
      image_size=sizes.image,
      patch_size=sizes.patch,
      num_labels=sizes.classes,
    )
  )


def bert(sizes):
  return transformers.BertForMaskedLM(
    transformers.BertConfig(
      vocab_size=sizes.vocabulary,
      hidden_size=sizes.width,
      num_hidden_layers=sizes.depth,
      num_attention_heads=sizes.heads,
      intermediate_size=4 * sizes.width,
      max_position_embeddings=sizes.length,
      attention_probs_dropout_prob=0.0,
    )
  )


def gpt(sizes):
  return transformers.GPT2LMHeadModel(
    transformers.GPT2Config(
      vocab_size=sizes.vocabulary,
      n_embd=sizes.width,
      n_layer=sizes.depth,
      n_head=sizes.heads,
      n_positions=sizes.length,
      attn_pdrop=0.0,
      bos_token_id=None,
      eos_token_id=None,
    )
  )


def resnet(sizes):
  depths = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[sizes.depth]
  kind = {18: "basic", 50: "bottleneck"}[sizes.depth]
  wide = (64, 128, 256, 512) if kind == "basic" else (256, 512, 1024, 2048)
  return transformers.ResNetForImageClassification(
    transformers.ResNetConfig(
      depths=depths,
      hidden_sizes=wide,
      layer_type=kind,
      num_labels=sizes.classes,
    )
  )


MODELS = {"vit": vit, "bert": bert, "gpt": gpt, "resnet": resnet}
LOSSES = {
  "vit": classified,
  "bert": masked,
  "gpt": causal,
  "resnet": classified,
}


if __name__ == "__main__":
  main()
