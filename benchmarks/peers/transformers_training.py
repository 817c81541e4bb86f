"""BERT and GPT-2 of transformers, eager, in torch's own loop.

Rows are gathered whole and masked in one go instead of example by example.
Dropout stands where MedFM's does: not on the attention weights.
"""

import os

import numpy as np
import torch
import transformers

from benchmarks.peers import arguments, lines, masking

VOCABULARY, LENGTH, WIDTH, DEPTH, HEADS = 8192, 128, 256, 4, 4


def bert():
  return transformers.BertForMaskedLM(
    transformers.BertConfig(
      vocab_size=VOCABULARY,
      hidden_size=WIDTH,
      num_hidden_layers=DEPTH,
      num_attention_heads=HEADS,
      intermediate_size=4 * WIDTH,
      max_position_embeddings=LENGTH,
      hidden_dropout_prob=0.1,
      attention_probs_dropout_prob=0.0,
    )
  )


def gpt():
  return transformers.GPT2LMHeadModel(
    transformers.GPT2Config(
      vocab_size=VOCABULARY,
      n_embd=WIDTH,
      n_layer=DEPTH,
      n_head=HEADS,
      n_positions=LENGTH,
      resid_pdrop=0.1,
      embd_pdrop=0.1,
      attn_pdrop=0.0,
      bos_token_id=None,
      eos_token_id=None,
    )
  )


MODELS = {"bert": bert, "gpt": gpt}


def loss_of(model, kind: str, tokens: torch.Tensor, masked_alone: bool):
  """The loss of a batch.

  masked_alone: logits of the vocabulary at the hidden places, which changes
    no loss; otherwise at all places, as the library's models compute them.
  """
  if kind == "gpt":
    return model(input_ids=tokens, labels=tokens, use_cache=False).loss
  tokens, labels = masking.masked(tokens, VOCABULARY)
  if not masked_alone:
    return model(input_ids=tokens, labels=labels).loss
  states = model.bert(input_ids=tokens).last_hidden_state
  known = labels != -100
  logits = model.cls(states[known])
  return torch.nn.functional.cross_entropy(logits.float(), labels[known])


def main() -> None:
  given = arguments.parsed("masked", "bf16")
  torch.manual_seed(0)
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  rows = torch.from_numpy(np.load(f"{given.data}/train.npz")["tokens"]).long()
  model = MODELS[given.model]().train()
  optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.01)
  orders = lines.orders(len(rows), given.batch, given.steps)
  for step, order in enumerate(orders, 1):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=given.bf16):
      batch = rows[torch.from_numpy(order)]
      loss = loss_of(model, given.model, batch, given.masked)
    loss.backward()
    optimizer.step()
    if lines.due(step, given.every):
      lines.say(step, given.steps, loss.item())


if __name__ == "__main__":
  main()
