"""The product's train step in bf16, its input resident on the device.

python -m benchmarks.ours.resident MODEL --size=tiny --batch=4 --steps=10 ...
"""

import functools

import jax
import numpy as np

from benchmarks import gpu_cases
from benchmarks.peers import lines, resident
from medfm import host, optim, settings, setup
from medfm import mesh as meshes
from medfm.data import loader
from medfm.data.images.input import Image
from medfm.data.text.input import Tokens
from medfm.models import bert, gpt, resnet, vit
from medfm.objectives import classify, language
from medfm.tasks.multiclass import Classes
from medfm.tasks.pretext import Nothing
from medfm.types import Dataset, Info, Split

DTYPE = "bfloat16"


def main() -> None:
  given = resident.parsed()
  host.keep_freed_memory()  # As launch.py does.
  setup.jax_settings(setup.folders(None))
  sizes = gpu_cases.SIZES[given.size][given.model]
  arrays = resident.arrays(sizes, given.batch)
  split = Split(arrays, np.array([str(i) for i in range(given.batch)]))
  layers = {"scan_layers": given.scan_layers, "remat": given.remat}
  data = Dataset({"train": split}, info(sizes), {})
  job = setup.job(run(given, sizes, layers), data)
  batch = jax.device_put(
    setup.placed(job.model, next(loader.in_order(split, given.batch))),
    meshes.rows(job.model.mesh),
  )
  state = job.initial()
  for step in range(1, given.steps + 1):
    state, scalars = job.step(state, batch)
    if lines.due(step, given.every):
      lines.say(step, given.steps, float(scalars["loss"]), peak())


def run(given, sizes: gpu_cases.Sizes, layers: dict[str, bool]) -> settings.Run:
  """The settings of a run; its data are made here, not read."""
  objective, model = MODELS[given.model](sizes, layers)
  optimizer = {"name": "adamw", "lr": 1e-4}
  if given.model == "resnet":
    optimizer = {"name": "sgd", "lr": 0.01, "options": {"momentum": 0.9}}
  return settings.Run(
    data=lambda folders: None,
    objective=functools.partial(objective, model=model),
    optimizer=functools.partial(optim.optimizer, **optimizer),
    batch_size=given.batch,
    steps=given.steps,
  )


def info(sizes: gpu_cases.Sizes) -> Info:
  if sizes.image:
    classes = tuple(f"class{k}" for k in range(sizes.classes))
    return Info("synthetic", {"image": Image()}, Classes(classes))
  special = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
  text = Tokens(sizes.vocabulary, special)
  return Info("synthetic", {"text": text}, Nothing())


def peak() -> int:
  """The most bytes of the device in use so far; 0 where it does not tell."""
  return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)


def _transformer(module, sizes, layers, **settings):
  return functools.partial(
    module,
    width=sizes.width,
    depth=sizes.depth,
    heads=sizes.heads,
    dtype=DTYPE,
    **layers,
    **settings,
  )


MODELS = {
  "vit": lambda sizes, layers: (
    classify.multiclass,
    _transformer(vit.ViT, sizes, layers, patch=sizes.patch),
  ),
  "bert": lambda sizes, layers: (
    language.masked_lm,
    _transformer(bert.Bert, sizes, layers, length=sizes.length),
  ),
  "gpt": lambda sizes, layers: (
    language.causal_lm,
    _transformer(gpt.GPT, sizes, layers, length=sizes.length),
  ),
  "resnet": lambda sizes, layers: (
    classify.multiclass,
    functools.partial(
      resnet.ResNet, depth=sizes.depth, stem="imagenet", dtype=DTYPE
    ),
  ),
}


if __name__ == "__main__":
  main()
