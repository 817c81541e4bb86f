"""How many labels does pre-training on unlabelled images stand in for?

Hypothesis: with 1 and 10 % of the labels, a small convolutional network
pre-trained by SimCLR on the training images without their labels is better than
the same one from scratch with the same augmentation, on chest X-rays for
pneumonia (PneumoniaMNIST) and on six body regions (MedNIST).

Each learning rate is tried for both, and the better by all validation images is
taken; the last step is always taken. Five seeds x three rates x two sets: 30
runs of four stages and 2 pre-trainings, each of which 15 runs share. Name a set
to run it alone.

Run:  python launch.py --grid=experiments/label_efficiency_image.py --jobs=1
      python launch.py --grid=experiments/label_efficiency_image.py:tiny
"""

from medfm.grid.combine import product, seeds
from medfm.variants import subsets

CONFIG = "configs/image_study.py"
SETS = ("pneumoniamnist", "mednist")
METRIC = "auroc"
RATE = "stages.*_*.optimizer.lr"
TUNED = (RATE,)
FIGURE = {"x": "label_fraction"}


def grid(words: str = ""):
  asked = subsets(words, data=SETS, size=("tiny",))
  tiny = bool(asked["size"])
  small = [f"{name},small" for name in asked["data"] or SETS]
  return product(
    {
      "config": [
        f"{CONFIG}:{each}" for each in (["mae,tiny"] if tiny else small)
      ]
    },
    {RATE: (3e-4, 1e-3) if tiny else (1e-4, 3e-4, 1e-3)},
    {"stages.*_*.validation_fraction": (1.0,)},
    seeds(1 if tiny else 5, "stages.*_*.seed"),  # All but pretrain.
  )
