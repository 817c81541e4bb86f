"""Does our ResNet reach the published MedMNIST numbers?

ResNet-18 or -50 with the CIFAR stem on 28x28 images, grey copied to three
channels, by MedMNIST's protocol: Adam at 1e-3, batches of 128, 100 epochs,
the rate divided by ten at half and at three quarters, the epoch of best
validation AUROC evaluated (Yang et al. 2023, doi
10.1038/s41597-022-01721-8, Table 3).

Expect, ResNet-18 at 28 pixels, test AUROC / accuracy as published:
breastmnist .901 / .863, pneumoniamnist .944 / .854.

Run:  python launch.py --config=configs/resnet.py:breastmnist
      python launch.py --config=configs/resnet.py:pneumoniamnist,r50
Sets: the twelve of MedMNIST v2, and mednist. Sizes: paper, fast, tiny.
"""

from medfm import optim, settings
from medfm.data.datasets import medmnist, mednist
from medfm.evals import baselines
from medfm.models import resnet
from medfm.nn import inputs
from medfm.objectives import classify
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

EPOCHS = {"paper": 100, "fast": 20, "tiny": 1}


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    data=("breastmnist", *medmnist.MEMBERS, "mednist"),
    depth=("r18", "r34", "r50"),
    size=tuple(EPOCHS),
  )
  name, size = chosen["data"], chosen["size"]
  tiny = size == "tiny"
  depth = int(chosen["depth"][1:])
  objective = (
    classify.multilabel if name == "chestmnist" else classify.multiclass
  )
  config = spec(
    settings.Run,
    name=f"resnet{depth}-{name}",
    description=f"ResNet-{depth} on {name} by MedMNIST's protocol.",
    data=bind(mednist.mednist)
    if name == "mednist"
    else bind(medmnist.medmnist, name=name),
    objective=bind(
      objective,
      model=bind(
        resnet.ResNet, depth=10 if tiny else depth, width=8 if tiny else 64
      ),
      inputs=bind(inputs.image, mean=0.5, std=0.5, channels=3),
    ),
    optimizer=bind(
      optim.optimizer, name="adam", lr=1e-3, schedule="steps", drops=(0.5, 0.75)
    ),
    batch_size=32 if tiny else 128,
    epochs=EPOCHS[size],
    schedule=spec(settings.Schedule, log_every=5, select="auroc"),
    evaluators={
      "baselines": bind(baselines.baselines, names=("logistic_regression",))
    },
  )
  return shrunk(config) if tiny else config
