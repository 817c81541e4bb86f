"""Classify your own images, without writing code.

Give a folder with one folder per class, or a CSV that names an image file, a
label, and perhaps a patient and groups (sex, site, ...):

      python launch.py --config=configs/own_images.py \
        --config.data.path=scans/
      python launch.py --config=configs/own_images.py \
        --config.data.path=scans.csv --config.data.image=file \
        --config.data.label=diagnosis --config.data.patient=patient \
        --config.data.groups=sex,site
Then:  python launch.py --mode=predict --workdir=runs/own_images --input=new/

PNG, JPEG, TIFF, BMP and DICOM, 8 and 16 bit, grey or in colour like the files
(--config.data.channels=1 makes them grey). Choose the variant multilabel for
several label columns or labels separated by `;`, and regression to predict a
number.
Models: resnet, vit. From public weights, which also give the settings, image
size and scaling: of a ResNet in the layout of Hugging Face, timm or
torchvision, of a ViT in that of Hugging Face:

      python launch.py --config=configs/own_images.py:weights=models/resnet-50 \
        --config.data.path=scans/
"""

from medfm import optim, settings
from medfm.data.images import own as own_images
from medfm.data.transforms import images as transforms
from medfm.evals import baselines
from medfm.models import resnet, vit
from medfm.nn import inputs
from medfm.objectives import classify, regress
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants
from medfm.weights import images, public

OBJECTIVES = {
  each.__name__: each
  for each in (classify.multiclass, classify.multilabel, regress.regression)
}
MODELS = {"resnet": resnet.ResNet, "vit": vit.ViT}


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    model=("", *MODELS),
    task=tuple(OBJECTIVES),
    size=("full", "tiny"),
    weights=(),
  )
  task, weights = chosen["task"], chosen["weights"]
  tiny = chosen["size"] == "tiny"
  regression = OBJECTIVES[task] is regress.regression
  pixels = {"size": 16 if tiny else 64}
  scaling = {"channels": 3}
  if weights:
    _, model = public.model(weights, MODELS, chosen["model"])
    scaling = images.wanted(weights)
    pixels = {"size": scaling.pop("size"), "channels": scaling["channels"]}
  else:
    model = fresh(chosen["model"] or "resnet", tiny)
  config = spec(
    settings.Run,
    name="own_images",
    description="Your own images.",
    data=bind(own_images.own_images, path="", task=task, **pixels),
    objective=bind(
      OBJECTIVES[task], model=model, inputs=bind(inputs.image, **scaling)
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-4 if weights else 5e-4,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-2,
    ),
    transforms=(bind(transforms.shift), bind(transforms.flip_horizontal)),
    batch_size=8 if tiny else 32,
    epochs=10 if weights else 30,
    start=spec(settings.Start, weights=weights),
    schedule=spec(settings.Schedule, select="r2" if regression else "auroc"),
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=("ridge",) if regression else ("logistic_regression",),
      )
    },
  )
  return shrunk(config) if tiny else config


def fresh(name: str, tiny: bool):
  """A model from scratch."""
  if name == "resnet":
    return bind(
      resnet.ResNet,
      depth=10 if tiny else 18,
      width=8 if tiny else 64,
      norm="group",
    )
  return bind(
    vit.ViT,
    patch=8,
    width=16 if tiny else 192,
    depth=1 if tiny else 6,
    heads=2 if tiny else 3,
    dropout=0.1,
  )
