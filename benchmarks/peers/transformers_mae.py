"""ViTMAE of transformers in torch's own loop, by AdamW.

Batches are gathered whole.
"""

import numpy as np
import torch
import transformers

from benchmarks.peers import arguments, lines, torch_models, torch_setup

SIZE = 96


def network() -> torch.nn.Module:
  """Prints how many parameters it has."""
  model = transformers.ViTMAEForPreTraining(
    transformers.ViTMAEConfig(
      image_size=SIZE,
      patch_size=8,
      hidden_size=192,
      num_hidden_layers=6,
      num_attention_heads=3,
      intermediate_size=4 * 192,
      decoder_hidden_size=96,
      decoder_num_hidden_layers=2,
      decoder_num_attention_heads=3,
      decoder_intermediate_size=4 * 96,
      mask_ratio=0.75,
      norm_pix_loss=True,
    )
  )
  count = sum(e.numel() for e in model.parameters() if e.requires_grad)
  print(f"parameters: {count:,}", flush=True)
  return model.train()


def main() -> None:
  given = arguments.parsed()
  torch_setup.begin()
  data = np.load(f"{given.data}/train.npz")
  images = torch.from_numpy(torch_models.inputs(data))
  model = network()
  optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)
  orders = lines.orders(len(images), given.batch, given.steps)
  for step, order in enumerate(orders, 1):
    optimizer.zero_grad(set_to_none=True)
    loss = model(pixel_values=images[torch.from_numpy(order)]).loss
    loss.backward()
    optimizer.step()
    if lines.due(step, given.every):
      lines.say(step, given.steps, loss.item())


if __name__ == "__main__":
  main()
