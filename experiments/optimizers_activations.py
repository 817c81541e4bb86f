"""Which optimizer and activation does a small CNN learn breast ultrasound by?

Hypothesis: with a learning rate tuned for each by validation, Adam and
RMSprop reach the same test AUROC, gradient descent falls short of both within
the same number of epochs, and ReLU and tanh learn where sigmoid barely starts.

Three optimizers x three activations x four learning rates x three seeds on
BreastMNIST (546 training images): 108 runs of 20 epochs, ten seconds each
where two run at a time on two CPU cores. The rate is constant, so that it
alone is compared.

Run:  python launch.py --grid=experiments/optimizers_activations.py --jobs=2
      python launch.py --grid=experiments/optimizers_activations.py:tiny
"""

from medfm.grid.combine import product, seeds
from medfm.variants import variants

CONFIG = "configs/cnn.py:breastmnist,fast"
METRIC = "auroc"
TUNED = ("optimizer.lr",)
REFERENCE = {"optimizer.name": "adam", "objective.model.activation": "relu"}
FIGURE = {
  "x": "optimizer.lr",
  "panels": "objective.model.activation",
}

OPTIMIZERS = ("gradient_descent", "adam", "rmsprop")
ACTIVATIONS = ("relu", "sigmoid", "tanh")
RATES = {
  "gradient_descent": (1e-3, 1e-2, 1e-1, 1.0),
  "adam": (1e-4, 3e-4, 1e-3, 1e-2),
  "rmsprop": (1e-4, 3e-4, 1e-3, 1e-2),
}


def grid(words: str = ""):
  tiny = variants(words, size=("full", "tiny"))["size"] == "tiny"
  settings = []
  for name in OPTIMIZERS:
    settings += product(
      {"config": "configs/cnn.py:breastmnist,tiny" if tiny else CONFIG},
      {"optimizer.name": name},
      {"objective.model.activation": ACTIVATIONS[: 1 if tiny else None]},
      {"optimizer.lr": RATES[name][1:3] if tiny else RATES[name]},
      {"optimizer.schedule": "constant"},
      seeds(1 if tiny else 3),
    )
  return settings
