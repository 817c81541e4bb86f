"""Batches of patches of the hippocampus, from the product's cache and loader.

Each patch is standardised, which training does on the device.
"""

import os

from benchmarks.peers import arguments, lines
from medfm.data import loader
from medfm.data.datasets import decathlon
from medfm.data.transforms import patches
from medfm.types import Folders


def main() -> None:
  given = arguments.parsed()
  lines.say(1, given.steps, 0.0)
  raw = os.environ.get("MEDFM_DATA_DIR")
  data = decathlon.hippocampus(
    Folders(raw=raw, cache=f"{given.data}/cache"), patch=(40, 56, 40)
  )
  info = data.info
  batches = loader.batches(
    data.splits["train"],
    batch_size=given.batch,
    steps=given.steps // given.batch,
    seed=0,
    transforms=[lambda each, generator: patches.patch(each, info, generator)],
  )
  for k, batch in loader.prefetched(batches, 0, len(batches)):
    image = info.only.scale(batch)["image"]
    done = (k + 1) * given.batch
    if done % given.every == 0:
      lines.say(1 + done, given.steps, float(image.mean()))


if __name__ == "__main__":
  main()
