"""How far does a small convolutional network go on a medical image set?

Two 3x3 convolutions with pooling and a dense layer, trained by MedMNIST's
protocol: Adam at 1e-3, batches of 128, 100 epochs, the rate divided by ten at
half and at three quarters, the epoch of best validation AUROC evaluated
(Yang et al. 2023, doi 10.1038/s41597-022-01721-8).

Run:  python launch.py --config=configs/cnn.py:breastmnist
      python launch.py --config=configs/cnn.py:pneumoniamnist,fast
Sets: the twelve of MedMNIST v2, and mednist. Sizes: paper, fast, tiny.
"""

from medfm import optim, settings
from medfm.data.datasets import medmnist, mednist
from medfm.evals import baselines
from medfm.models import cnn
from medfm.objectives import classify
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

EPOCHS = {"paper": 100, "fast": 20, "tiny": 1}


def get_config(arg: str = ""):
  chosen = variants(
    arg, data=("breastmnist", *medmnist.MEMBERS, "mednist"), size=tuple(EPOCHS)
  )
  name, size = chosen["data"], chosen["size"]
  tiny = size == "tiny"
  objective = (
    classify.multilabel if name == "chestmnist" else classify.multiclass
  )
  config = spec(
    settings.Run,
    name=f"cnn-{name}",
    description=f"A small convolutional network on {name}.",
    data=bind(mednist.mednist)
    if name == "mednist"
    else bind(medmnist.medmnist, name=name),
    objective=bind(objective, model=bind(cnn.CNN, hidden=8 if tiny else 128)),
    optimizer=bind(
      optim.optimizer, name="adam", lr=1e-3, schedule="steps", drops=(0.5, 0.75)
    ),
    batch_size=128,
    epochs=EPOCHS[size],
    schedule=spec(settings.Schedule, select="auroc"),
    evaluators={
      "baselines": bind(baselines.baselines, names=("logistic_regression",))
    },
  )
  return shrunk(config) if tiny else config
