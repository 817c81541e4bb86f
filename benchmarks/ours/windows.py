"""A volume segmented by overlapping windows, as `objectives.segment` does it.

The network has fresh weights and the plan of the case `unet3d`.
"""

import jax
import numpy as np

from benchmarks.peers import arguments, lines
from medfm import host, setup
from medfm.models import unet
from medfm.nn import backend, forward, windows

PATCH = (40, 56, 40)
_STRIDES = ((1, 1, 1), *((2, 2, 2),) * 3)


def main() -> None:
  given = arguments.parsed()
  host.keep_freed_memory()  # As launch.py does.
  setup.jax_settings(setup.folders(None))
  volume = np.load(f"{given.data}/train.npz")["image"][..., None]
  net = unet.UNet(
    outputs=3, strides=_STRIDES, kernels=((3, 3, 3),) * 4, width=16
  )
  init = jax.jit(lambda key, part: forward.init(net, key, {"image": part}))
  part = np.zeros((1, *PATCH, 1), np.float32)
  variables = init(jax.random.key(0), part)

  def predict(variables, image):
    def logits(part):
      return forward.apply(net, variables, {"image": part})[0]["logits"]

    return windows.slid(logits, image, patch=PATCH, overlap=0.5)

  predict = backend.compiled(predict)
  for done in range(1, given.steps + 1):
    found = np.asarray(predict(variables, volume))
    assert found.shape == volume.shape[:-1]
    lines.say(done, given.steps, 0.0)


if __name__ == "__main__":
  main()
