"""How many labels does pre-training on unlabelled images stand in for?

A model is pre-trained on the training images of a set without their labels and
fine-tuned with 1, 10 and 100 % of the labels, where lower layers learn more
slowly (layer-wise decay). Beside it stand the same model from scratch and
logistic regression on the same labels, and probes of the frozen features with
all labels. The report draws the curve. simclr pre-trains a residual network,
mae a vision transformer; configs/image_pretrain.py has more of both.

Run:  python launch.py --config=configs/image_study.py:pneumoniamnist,simclr
      python launch.py --config=configs/image_study.py:tiny
Sets: the twelve of MedMNIST v2. Sizes: full, tiny. One trained model is
compared with another: for a claim about pre-training run several seeds, by
--sweep --config.stages.*.seed=0,1,2.
"""

from medfm import optim, settings
from medfm.augment import recipes, views
from medfm.data.datasets import medmnist
from medfm.evals import baselines, probes
from medfm.models import resnet, vit
from medfm.nn import inputs
from medfm.objectives import classify, contrastive, masked_image
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

PERCENT = (1, 10, 100)
STEPS = {1: 200, 10: 500, 100: 1500}
EPOCHS = {"simclr": 50, "mae": 200}
DECAY = 0.75
LAYERS = {
  "simclr": (r"/(conv1|norm1)/", *(rf"/layer{i}_" for i in (1, 2, 3, 4))),
  "mae": optim.transformer_layers(4),
}
"""From the input on; those of a smaller model match none, so tiny has none."""


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    data=("pneumoniamnist", *medmnist.MEMBERS),
    method=tuple(LAYERS),
    size=("full", "tiny"),
  )
  name, method = chosen["data"], chosen["method"]
  tiny = chosen["size"] == "tiny"
  coloured = medmnist.MEMBERS[name].channels == 3
  changes = recipes.coloured() if coloured else recipes.grey()
  crop = bind(views.augmented, changes=changes[:2])
  scaled = bind(inputs.image, mean=0.5, std=0.5)
  small, half = tiny, 2 if tiny else 4
  models = {
    "simclr": bind(
      resnet.ResNet, depth=10 if small else 18, width=4 if small else 32
    ),
    "mae": bind(
      vit.ViT,
      patch=4,
      width=16 if small else 128,
      depth=1 if small else 4,
      heads=half,
      pooling="mean",
    ),
  }
  model = models[method]
  objectives = {
    "simclr": bind(
      contrastive.simclr,
      model=model,
      inputs=scaled,
      changes=changes,
      hidden=256,
      width=64,
    ),
    "mae": bind(
      masked_image.masked_image,
      model=model,
      inputs=scaled,
      width=64,
      depth=2,
      heads=4,
    ),
  }
  data = bind(medmnist.medmnist, name=name)
  task = classify.multilabel if name == "chestmnist" else classify.multiclass
  stages = {
    "pretrain": spec(
      settings.Run,
      data=data,
      objective=objectives[method],
      augment=crop if method == "mae" else None,
      optimizer=_optimizer(1e-3),
      batch_size=16 if tiny else 256,
      epochs=EPOCHS[method],
      schedule=spec(settings.Schedule, log_every=5),
      evaluators={"probes": bind(probes.probes)},
    )
  }
  for percent in PERCENT[1:] if tiny else PERCENT:
    for start in ("finetune", "scratch"):
      tuned = start == "finetune" and not tiny
      rules = optim.layerwise(groups=LAYERS[method], decay=DECAY)
      stages[f"{start}_{percent}"] = spec(
        settings.Run,
        data=data,
        objective=bind(task, model=model, inputs=scaled),
        augment=crop,
        optimizer=_optimizer(1e-3, rules if tuned else ()),
        batch_size=16 if tiny else 64,
        steps=STEPS[percent],
        label_fraction=percent / 100,
        start=spec(
          settings.Start, weights="pretrain" if start == "finetune" else ""
        ),
        schedule=spec(
          settings.Schedule,
          evaluate_every=STEPS[percent] // 10,
          log_every=10,
          select="auroc",
        ),
        evaluators={
          "baselines": bind(baselines.baselines, names=("logistic_regression",))
        },
      )
  config = spec(
    settings.Study,
    name=f"image_study-{name}-{method}",
    description="How many labels does pre-training on unlabelled images stand "
    "in for?",
    stages=stages,
    compare=tuple(
      (f"finetune_{p}", f"scratch_{p}")
      for p in PERCENT
      if f"finetune_{p}" in stages
    ),
  )
  return shrunk(config) if tiny else config


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
