"""How does a small vision transformer do on a medical image set, from scratch?

ViT with patches of 4 pixels (49 of them at 28x28), width 192, six blocks of
three heads, trained by AdamW with warm-up and a cosine; otherwise as
`configs/resnet.py`, so that the two can be compared: without pre-training, on a
small set, a convolutional network is expected to win (Dosovitskiy et al. 2021).

Run:  python launch.py --config=configs/vit.py:breastmnist
      python launch.py --config=configs/vit.py:pneumoniamnist,fast
Sets: the twelve of MedMNIST v2, and mednist. Sizes: paper, fast, tiny.
"""

from medfm import optim, settings
from medfm.data.datasets import medmnist, mednist
from medfm.evals import baselines
from medfm.models import vit
from medfm.nn import inputs
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
    name=f"vit-{name}",
    description=f"A small vision transformer on {name}.",
    data=bind(mednist.mednist)
    if name == "mednist"
    else bind(medmnist.medmnist, name=name),
    objective=bind(
      objective,
      model=bind(
        vit.ViT,
        patch=7 if tiny else 4,
        width=16 if tiny else 192,
        depth=1 if tiny else 6,
        heads=2 if tiny else 3,
        dropout=0.1,
      ),
      inputs=bind(inputs.image, mean=0.5, std=0.5, channels=3),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=5e-4,
      schedule="cosine",
      warmup=0.1,
      weight_decay=0.05,
    ),
    batch_size=32 if tiny else 128,
    epochs=EPOCHS[size],
    schedule=spec(settings.Schedule, log_every=5, select="auroc"),
    evaluators={
      "baselines": bind(baselines.baselines, names=("logistic_regression",))
    },
  )
  return shrunk(config) if tiny else config
