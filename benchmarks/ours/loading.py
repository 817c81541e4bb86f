"""A folder of JPEG files through the product's reader, cache and loader.

--resident keeps the decoded images on the device and gathers batches there.
"""

import argparse
import contextlib
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import arguments, lines
from medfm import mesh as meshes
from medfm.data import loader, orders
from medfm.data.images import own as own_images
from medfm.types import Folders


def main() -> None:
  given = arguments.parsed("resident")
  with contextlib.ExitStack() as stack:
    cache = f"{given.data}/cache"
    if given.model == "first":  # Nothing of another process's is found.
      cache = stack.enter_context(tempfile.TemporaryDirectory(dir=given.data))
    load(given, cache)


def load(given: argparse.Namespace, cache: str) -> None:
  """Goes through the images, saying how far it has come."""
  lines.say(1, given.steps, 0.0)
  folders = Folders(raw=None, cache=cache)
  data = own_images.own_images(
    folders, path=f"{given.data}/files", size=64, channels=3
  )
  split = data.splits["train"]
  per_epoch = orders.per_epoch(len(split), given.batch)
  epochs = given.steps // len(split)
  batches = loader.batches(
    split,
    batch_size=given.batch,
    steps=per_epoch * epochs,
    seed=0,
    rows_alone=given.resident,
  )
  scaled = _on_device(split) if given.resident else _scaled
  for k, batch in loader.prefetched(batches, 0, len(batches)):
    image = scaled(batch)
    if (k + 1) % per_epoch == 0:
      done = 1 + len(split) * ((k + 1) // per_epoch)
      lines.say(done, given.steps, float(image.mean()))


def _scaled(batch):
  return batch["image"].astype(np.float32) / 255


def _on_device(split):
  gather = meshes.gather(split, meshes.mesh())
  scale = jax.jit(lambda batch: batch["image"].astype(jnp.float32) / 255)
  return lambda batch: scale(gather(batch))


if __name__ == "__main__":
  main()
