"""What learning rate, optimizer and size does a small CNN want?

Hypothesis: two dozen trials, each chosen by the validation AUROC of those
before it, find a setting of the tutorial CNN that beats its defaults (Adam at
1e-3, 128 hidden units, batches of 128) on BreastMNIST by validation; with 78
validation images, little of that gain need show on the test split.

24 trials of at most 20 epochs, some half a minute each on two CPU cores;
those behind the median of the trials before them are stopped early. Needs
`pip install optuna`.

Run:  python launch.py --grid=experiments/search_cnn.py --jobs=2
      python launch.py --grid=experiments/search_cnn.py:tiny
"""

from medfm.grid.combine import Between, Search
from medfm.variants import variants

CONFIG = "configs/cnn.py:breastmnist,fast"
METRIC = "auroc"


def search(words: str = ""):
  tiny = variants(words, size=("full", "tiny"))["size"] == "tiny"
  return Search(
    trials=4 if tiny else 24,
    startup=2 if tiny else 8,
    warmup=1 if tiny else 4,
    fixed={
      "config": "configs/cnn.py:breastmnist,tiny" if tiny else CONFIG,
      "optimizer.schedule": "constant",
    },
    space={
      "optimizer.name": ("gradient_descent", "adam", "rmsprop"),
      "optimizer.lr": Between(1e-4, 1.0, log=True),
      "batch_size": Between(16, 128),
      "objective.model.hidden": Between(16, 256, log=True),
      "objective.model.dropout": Between(0.0, 0.6),
    },
  )
