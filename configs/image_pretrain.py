"""What do image models learn without labels?

mae: a vision transformer restores hidden patches (He et al. 2022). simclr: a
residual network tells two views of one image from those of all others (Chen et
al. 2020). dino: a student sees large and small crops and predicts from each
what its teacher, a moving average of its weights, gives for the other large
crops (Caron et al. 2021). The
labels of the training images are not read; a linear and a nearest-neighbour
probe of the frozen features say afterwards what the model knows of them, beside
logistic regression on pixels.

Run:  python launch.py --config=configs/image_pretrain.py:pneumoniamnist,simclr
      python launch.py --config=configs/image_pretrain.py:mednist,mae
Sets: the twelve of MedMNIST v2, and mednist. Sizes: full, tiny.
`configs/image_study.py` asks what it is worth.
"""

from medfm import optim, settings
from medfm.augment import recipes, views
from medfm.data.datasets import medmnist, mednist
from medfm.evals import baselines, probes
from medfm.explain import pretrained
from medfm.models import resnet, vit
from medfm.nn import inputs
from medfm.objectives import contrastive, masked_image, self_distillation
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

LR = {"mae": 1e-3, "simclr": 1e-3, "dino": 5e-4}
EPOCHS = {"mae": 200, "simclr": 50, "dino": 100}
MOMENTUM = 0.996
SHOWN = {
  "mae": pretrained.restorations,
  "simclr": pretrained.neighbours,
  "dino": pretrained.attention_maps,
}
TISSUE = ("pathmnist",)


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    data=("pneumoniamnist", *medmnist.MEMBERS, "mednist"),
    method=tuple(LR),
    size=("full", "tiny"),
  )
  name, method = chosen["data"], chosen["method"]
  tiny = chosen["size"] == "tiny"
  crop = recipes.crop(share=(0.5, 1.0), axes=axes_of(name))
  config = spec(
    settings.Run,
    name=f"{method}-{name}",
    description=f"Pre-training on {name} without labels, by {method}.",
    data=bind(mednist.mednist)
    if name == "mednist"
    else bind(medmnist.medmnist, name=name),
    objective=objective(name, method, tiny),
    augment=bind(views.augmented, changes=crop)
    if method == "mae"
    else None,  # The others draw views.
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=LR[method],
      schedule="cosine",
      warmup=0.1,
      weight_decay=0.05,
    ),
    batch_size=16 if tiny else 256,
    epochs=EPOCHS[method],
    ema_decay=MOMENTUM if method == "dino" else 0.0,  # The teacher.
    schedule=spec(settings.Schedule, log_every=5),
    evaluators={
      "baselines": bind(baselines.baselines, names=("logistic_regression",)),
      "probes": bind(probes.probes),
      "pictures": bind(SHOWN[method]),
    },
  )
  return shrunk(config) if tiny else config


def objective(name: str, method: str, tiny: bool):
  side, patch = (64, 8) if name == "mednist" else (28, 4)
  transformer = bind(
    vit.ViT,
    patch=patch,
    width=16 if tiny else 128,
    depth=1 if tiny else 4,
    heads=2 if tiny else 4,
    pooling="cls" if method == "dino" else "mean",
  )
  scaled = bind(inputs.image, mean=0.5, std=0.5)
  head = {"hidden": 32 if tiny else 256, "width": 16 if tiny else 64}
  if method == "mae":
    return bind(
      masked_image.masked_image,
      model=transformer,
      inputs=scaled,
      width=16 if tiny else 64,
      depth=1 if tiny else 2,
      heads=2 if tiny else 4,
    )
  if method == "simclr":
    return bind(
      contrastive.simclr,
      model=bind(
        resnet.ResNet, depth=10 if tiny else 18, width=4 if tiny else 32
      ),
      inputs=scaled,
      changes=views_of(name),
      **head,
    )
  small = patch * round(0.4 * side / patch)
  return bind(
    self_distillation.dino,
    model=transformer,
    inputs=scaled,
    changes=views_of(name, share=(0.4, 1.0)),
    local_changes=views_of(name, share=(0.1, 0.4), size=(small, small)),
    local_views=2 if tiny else 4,
    prototypes=64 if tiny else 1024,
    momentum=MOMENTUM,
    **head,
  )


def views_of(name: str, **crop):
  """What is done to a view of an image of that set."""
  if name in TISSUE:
    return recipes.stained(**crop)
  coloured = name in medmnist.MEMBERS and medmnist.MEMBERS[name].channels == 3
  if coloured:
    return recipes.coloured(**crop)
  return recipes.grey(axes=axes_of(name), **crop)


def axes_of(name: str):
  """Along which an image of that set may be mirrored."""
  return (
    medmnist.MEMBERS[name].mirror_axes if name in medmnist.MEMBERS else (-1,)
  )
