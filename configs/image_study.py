"""How many labels does pre-training on unlabelled images stand in for?

A model is pre-trained on the training images of a set without their labels and
fine-tuned with 1, 10 and 100 % of the labels, where lower layers learn more
slowly (layer-wise decay). Beside it stand the same model from scratch and
logistic regression on the same labels, and a linear and a nearest-neighbour
probe of the frozen features with all labels. The report draws the curve. simclr
pre-trains a residual network, mae a vision transformer;
configs/image_pretrain.py runs either of them alone, and dino. With the size
small, simclr pre-trains a plain convolutional network.

Run:  python launch.py --config=configs/image_study.py:pneumoniamnist,simclr
      python launch.py --config=configs/image_study.py:tiny
Sets: the twelve of MedMNIST v2, and mednist. Sizes: full; small, for minutes on
two CPU cores, with 1 and 10 %; tiny. One trained model is compared with
another: for a claim about pre-training, experiments/label_efficiency_image.py
runs several seeds.
"""

from medfm import optim, settings
from medfm.augment import recipes, views
from medfm.data.datasets import medmnist, mednist
from medfm.evals import baselines, probes
from medfm.explain import pretrained
from medfm.models import cnn, resnet, vit
from medfm.nn import inputs
from medfm.objectives import classify, contrastive, masked_image
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

PERCENT = {"full": (1, 10, 100), "small": (1, 10), "tiny": (10,)}
STEPS = {1: 200, 10: 500, 100: 1500}
EPOCHS = {"simclr": 50, "mae": 200}
BATCH = {"full": 256, "small": 128, "tiny": 16}
"""Of pre-training."""

SHORTER = {"full": 1, "small": 4, "tiny": 1}
"""By what the epochs of pre-training are divided; for mednist twice that."""

LABELLED = {1: 0, 10: 32, 100: 64}
"""Batches of a share of the labels, of which 1 % is a batch by itself."""

RESNET = (r"/(conv1|norm1)/", *(rf"/layer{i}_" for i in (1, 2, 3, 4)))
VIT = optim.transformer_layers(4)
WIDTHS = {"mednist": (8, 16, 32)}  # Of the small network; others (32, 64).
DECAY = 0.75


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    data=("pneumoniamnist", *medmnist.MEMBERS, "mednist"),
    method=("simclr", "mae"),
    size=tuple(PERCENT),
  )
  name, method, size = chosen["data"], chosen["method"], chosen["size"]
  data = (
    bind(mednist.mednist)
    if name == "mednist"
    else bind(medmnist.medmnist, name=name)
  )
  model, changes = _model(name, method, size), _changes(name)
  epochs = EPOCHS[method] // SHORTER[size]
  epochs = epochs // 2 if name == "mednist" else epochs
  stages = {
    "pretrain": _pretrain(name, data, model, changes, method, size, epochs)
  }
  for percent in PERCENT[size]:
    for start in ("finetune", "scratch"):
      stages[f"{start}_{percent}"] = _stage(
        name, data, model, method, size, percent, start
      )
  config = spec(
    settings.Study,
    name=f"image_study-{name}-{method}",
    description="How many labels does pre-training on unlabelled images stand "
    "in for?",
    stages=stages,
    compare=tuple((f"finetune_{p}", f"scratch_{p}") for p in PERCENT[size]),
  )
  return shrunk(config) if size == "tiny" else config


def _pretrain(name, data, model, changes, method, size, epochs):
  common = {"model": model, "inputs": _scaled()}
  objectives = {
    "simclr": bind(
      contrastive.simclr, changes=changes, hidden=256, width=64, **common
    ),
    "mae": bind(
      masked_image.masked_image, width=64, depth=2, heads=4, **common
    ),
  }
  shown = {"simclr": pretrained.neighbours, "mae": pretrained.restorations}
  return spec(
    settings.Run,
    data=data,
    objective=objectives[method],
    augment=_crop(name) if method == "mae" else None,  # Draws views itself.
    optimizer=_optimizer(1e-3),
    batch_size=BATCH[size],
    epochs=epochs,
    schedule=spec(settings.Schedule, log_every=5),
    evaluators={
      "probes": bind(probes.probes),
      "pictures": bind(shown[method]),
    },
  )


def _stage(name, data, model, method, size, percent, start):
  """With a share of the labels, from the pre-trained weights or from none."""
  task = classify.multilabel if name == "chestmnist" else classify.multiclass
  tuned = start == "finetune"
  rules = optim.layerwise(groups=_layers(name, method, size), decay=DECAY)
  # The rules name no layer of the tiny transformer.
  return spec(
    settings.Run,
    data=data,
    objective=bind(task, model=model, inputs=_scaled()),
    augment=_crop(name),
    optimizer=_optimizer(1e-3, rules if tuned and size != "tiny" else ()),
    batch_size=16 if size == "tiny" else LABELLED[percent],
    steps=STEPS[percent],
    label_fraction=percent / 100,
    start=spec(settings.Start, weights="pretrain" if tuned else ""),
    schedule=spec(
      settings.Schedule,
      evaluate_every=STEPS[percent] // (1 if size == "small" else 10),
      log_every=10,
      select="auroc",
    ),
    evaluators={
      "baselines": bind(baselines.baselines, names=("logistic_regression",))
    },
  )


def _model(name, method, size):
  if (method, size) == ("simclr", "small"):
    return bind(cnn.CNN, widths=WIDTHS.get(name, (32, 64)))
  stem = "imagenet" if name == "mednist" else "cifar"
  patch = 8 if name == "mednist" else 4
  sizes = {
    "simclr": {
      "full": bind(resnet.ResNet, depth=18, width=32, stem=stem),
      "tiny": bind(resnet.ResNet, depth=10, width=4, stem=stem),
    },
    "mae": {
      k: bind(vit.ViT, patch=patch, pooling="mean", **shape)
      for k, shape in {
        "full": {"width": 128, "depth": 4, "heads": 4},
        "small": {"width": 64, "depth": 4, "heads": 4},
        "tiny": {"width": 16, "depth": 1, "heads": 2},
      }.items()
    },
  }
  return sizes[method][size]


def _layers(name, method, size):
  """From the input on."""
  if (method, size) == ("simclr", "small"):
    widths = WIDTHS.get(name, (32, 64))
    return (*(rf"/conv{i + 1}/" for i in range(len(widths))), r"/dense/")
  return RESNET if method == "simclr" else VIT


def _changes(name):
  member = medmnist.MEMBERS.get(name)
  if member and member.channels == 3:
    return recipes.coloured()
  return recipes.grey(axes=member.mirror_axes if member else (-1,))


def _crop(name):
  member = medmnist.MEMBERS.get(name)
  share = (0.2, 1.0) if member and member.channels == 3 else (0.3, 1.0)
  axes = member.mirror_axes if member else (-1,)
  return bind(views.augmented, changes=recipes.crop(share=share, axes=axes))


def _scaled():
  return bind(inputs.image, mean=0.5, std=0.5)


def _optimizer(lr, rules=()):
  return bind(
    optim.optimizer,
    name="adamw",
    lr=lr,
    schedule="cosine",
    warmup=0.1,
    weight_decay=0.05,
    lr_rules=rules,
  )
