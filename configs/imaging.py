"""How far does a small network get on small public image sets, and its floor?

One ResNet-18 from scratch, with augmentation on the device, beside logistic
regression on pixels, on oriented gradients (HOG), and on colour and texture.
Every set is read from its official files or archive in the data folder; splits
keep patients together, or near copies where no patient is named. The report
compares magnifications, sexes, ages and sites where they are known.

Run:  python launch.py --config=configs/imaging.py:busi
      python launch.py --config=configs/imaging.py:oral \
        --config.data.trained_at=100x
      python launch.py --config=configs/imaging.py:ham10000 \
        --config.data.label=diagnosis
Sets: busi (breast ultrasound), covid (chest X-ray), bccd (blood cells), oral
and crc and breakhis (stained tissue), brain (MRI slices), ham10000 (skin).
Sizes: full, tiny.

Measured on test, AUROC of the network (and of the best regression beside it),
by the shorter commands of docs/studies.md, which has intervals: busi .82 (HOG
.77; 64 pixels, 15 epochs), bccd .998 (colour and texture .998; as here), oral
.78 (colour and texture .81; 64 pixels, 40 epochs, 40 images).
Of covid, crc, breakhis, brain and ham10000 only parts could be tried, too small
to conclude anything; their reports say so.
"""

from collections.abc import Callable
from typing import NamedTuple

from medfm import optim, settings
from medfm.augment import recipes, views
from medfm.data.datasets import (
  bccd,
  brain_mri,
  breakhis,
  busi,
  covid_xray,
  crc,
  ham10000,
  oral,
)
from medfm.evals import baselines
from medfm.models import resnet
from medfm.nn import inputs
from medfm.objectives import classify
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

SHARE = (0.5, 1.0)
EDGES = "hog_logistic_regression"
COLOURS = "colour_texture_logistic_regression"


def blood(*, share):
  """As stained tissue, but for the stain, which is another one."""
  crop, flip, turn, _, jitter, blur = recipes.stained(share=share)
  return crop, flip, turn, jitter, blur


def upright(*, share):
  """Chests, whose sides mean something."""
  return recipes.grey(share=share, axes=())


class Set(NamedTuple):
  """data: a factory; changes: the augmentation; size: of the images."""

  data: Callable
  changes: Callable
  size: int = 128
  epochs: int = 30
  rivals: tuple = ("logistic_regression", EDGES, COLOURS)


SETS = {
  "busi": Set(busi.busi, recipes.grey),
  "covid": Set(covid_xray.covid_xray, upright),
  "bccd": Set(bccd.bccd, blood, 48, 3, ("logistic_regression", COLOURS)),
  "oral": Set(oral.oral, recipes.stained),
  "crc": Set(crc.crc, recipes.stained),
  "breakhis": Set(breakhis.breakhis, recipes.stained),
  "brain": Set(brain_mri.brain_mri, recipes.grey),
  "ham10000": Set(ham10000.ham10000, recipes.coloured),
}


def get_config(arg: str = ""):
  chosen = variants(arg, data=tuple(SETS), size=("full", "tiny"))
  name, tiny = chosen["data"], chosen["size"] == "tiny"
  each = SETS[name]
  config = spec(
    settings.Run,
    name=f"imaging-{name}",
    description=f"A small ResNet from scratch on {name}.",
    data=bind(each.data, size=16 if tiny else each.size),
    objective=bind(
      classify.multiclass,
      model=bind(
        resnet.ResNet,
        depth=10 if tiny else 18,
        width=8 if tiny else 16,
        stem="imagenet",
      ),
      inputs=bind(inputs.image, mean=0.5, std=0.5),
      class_weights="balanced",
    ),
    augment=bind(views.augmented, changes=each.changes(share=SHARE)),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-3,
      schedule="cosine",
      warmup=0.1,
      weight_decay=0.05,
    ),
    batch_size=8 if tiny else 32,
    epochs=each.epochs,
    schedule=spec(settings.Schedule, select="auroc"),
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=("majority", COLOURS) if tiny else each.rivals,
      )
    },
  )
  return shrunk(config) if tiny else config
