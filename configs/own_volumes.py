"""Mark structures in your own CT or MRI volumes, or classify them.

Give a folder in the decathlon's layout (imagesTr, labelsTr, dataset.json), two
folders of files with equal names, or a CSV file:

      python launch.py --config=configs/own_volumes.py \
        --config.data.path=Task09_Spleen/ --config.data.unit=true  # CT
      python launch.py --config=configs/own_volumes.py \
        --config.data.images=scans/ --config.data.masks=drawn/ \
        --config.data.structures=liver,tumour
      python launch.py --config=configs/own_volumes.py \
        --config.data.path=pairs.csv --config.data.image=scan \
        --config.data.mask=mask --config.data.patient=patient
Then:  python launch.py --mode=predict --workdir=runs/own_volumes --input=new/

which writes a mask for each new volume, as NIfTI in the grid of its file.
NIfTI, MGH, Analyze and others, or in the CSV folders of DICOM slices. For
segmentation of CT, whose values have a unit, add --config.data.unit=true.
Volumes of different spacing are resampled to the plan's or to
--config.data.spacing_mm=1,1,3, and predictions are brought back. Network, patch
and batch are planned from the training volumes and --config.data.memory_gib
(configs/segment.py).

The variants multiclass, multilabel and regression predict labels instead: of a
folder of classes, or of a CSV file with columns for volume, label and patient.
Models: resnet, vit. --config.data.slices=true reads the middle slice alone.

      python launch.py --config=configs/own_volumes.py:multiclass,resnet \
        --config.data.path=scans.csv --config.data.volume=scan \
        --config.data.label=diagnosis --config.data.patient=patient

For CT give them a window: --config.data.unit=-1000,1000. The variant mae
pre-trains a vision transformer on volumes without labels (He et al. 2022), from
which the model vit, and no other, may start:

      python launch.py --config=configs/own_volumes.py:mae \
        --config.data.path=scans/ --workdir=runs/mae
      python launch.py --config=configs/own_volumes.py:multiclass,vit \
        --config.data.path=scans.csv --config.data.volume=scan \
        --config.data.label=diagnosis --config.data.patient=patient \
        --config.start.weights=runs/mae
"""

from medfm import optim, settings
from medfm.augment import intensity, marked
from medfm.data.transforms import patches
from medfm.data.volumes import own, own_masks
from medfm.evals import baselines
from medfm.explain import pretrained, regions
from medfm.models import resnet, unet, vit
from medfm.objectives import classify, masked_image, regress, segment
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

OBJECTIVES = {
  each.__name__: each
  for each in (classify.multiclass, classify.multilabel, regress.regression)
}
TASKS = ("regions", *OBJECTIVES, "mae")


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    task=TASKS,
    model=("resnet", "vit"),
    size=("full", "tiny"),
  )
  tiny = chosen["size"] == "tiny"
  if chosen["task"] != TASKS[0]:
    return of_one_shape(chosen["task"], chosen["model"], tiny)
  planning = {}
  if tiny:
    planning = {"width": 2, "patch": (16, 16, 16), "batch_size": 2}
  config = spec(
    settings.Run,
    name="own_volumes",
    description="Regions in your own volumes.",
    data=bind(own_masks.own_masks, axes=3, name="own_volumes", **planning),
    objective=bind(segment.regions, model=bind(unet.UNet)),
    transforms=(bind(patches.patch),),
    augment=bind(
      marked.regions,
      changes=(
        bind(intensity.brightness_contrast, brightness=0.0, contrast=0.25),
        bind(intensity.gamma),
        bind(intensity.noise, most=0.03, probability=0.15),
      ),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-2,
      schedule="cosine",
      warmup=0.05,
      weight_decay=1e-3,
      clip_norm=12.0,
    ),
    batch_size=0,
    steps=1500,
    schedule=spec(settings.Schedule, select="dice", evaluate_every=300),
    evaluators={
      "baselines": bind(baselines.baselines, names=("atlas",)),
      "overlays": bind(regions.overlays),
    },
  )
  return shrunk(config) if tiny else config


def of_one_shape(task: str, model: str, tiny: bool):
  """The config of volumes with labels, or of pre-training without."""
  pretext = task not in OBJECTIVES
  regression = OBJECTIVES.get(task) is regress.regression
  patch = 4 if tiny else 8
  models = {
    "resnet": bind(
      resnet.ResNet,
      depth=10 if tiny else 18,
      width=4 if tiny else 16,
      norm="group",
    ),
    "vit": bind(
      vit.ViT,
      patch=patch,
      width=16 if tiny else 192,
      depth=1 if tiny else 6,
      heads=2 if tiny else 3,
      dropout=0.1,
      pooling="mean",
    ),
  }
  config = spec(
    settings.Run,
    name="own_volumes",
    description="Labels of your own volumes.",
    data=bind(
      own.own_volumes,
      path="",
      task="none" if pretext else task,
      shape=(8, 8, 8) if tiny else (32,) * 3,
    ),
    objective=bind(
      masked_image.masked_image,
      model=models["vit"],
      width=16 if tiny else 96,
      depth=1 if tiny else 4,
      heads=2 if tiny else 3,
    )
    if pretext
    else bind(OBJECTIVES[task], model=models[model]),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=5e-4,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-2,
    ),
    batch_size=4 if tiny else 16,
    epochs=200 if pretext else 50,
    schedule=spec(
      settings.Schedule,
      select="" if pretext else "r2" if regression else "auroc",
    ),
    evaluators={"restorations": bind(pretrained.restorations)}
    if pretext
    else {
      "baselines": bind(
        baselines.baselines,
        names=("ridge",) if regression else ("logistic_regression",),
      )
    },
  )
  return shrunk(config) if tiny else config
