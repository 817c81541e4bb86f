"""How many labels does pre-training on unlabelled images stand in for?

Hypothesis: with 1 and 10 % of the labels, a small convolutional network
pre-trained by SimCLR on the training images without their labels is better than
the same one from scratch with the same augmentation, on chest X-rays for
pneumonia (PneumoniaMNIST) and on six body regions (MedNIST).

Five seeds of fine-tuning, which share one pre-training for each set: 10 runs
of four stages and 2 pre-trainings of minutes on two CPU cores. Both starts
take the last step, so that nothing is chosen on few validation images; each
has the learning rate that was best on validation with seed 100.

Run:  python launch.py --grid=experiments/label_efficiency_image.py --jobs=1
      python launch.py --grid=experiments/label_efficiency_image.py:tiny
"""

from medfm.grid.combine import product, seeds
from medfm.variants import variants

CONFIG = "configs/image_study.py"
SETS = ("pneumoniamnist", "mednist")
METRIC = "auroc"
FIGURE = {"x": "label_fraction"}


def grid(words: str = ""):
  tiny = variants(words, size=("full", "tiny"))["size"] == "tiny"
  if tiny:
    return product(
      {"config": f"{CONFIG}:tiny,mae"}, seeds(1, "stages.*_*.seed")
    )
  return product(
    {"config": [f"{CONFIG}:{name},simclr,small" for name in SETS]},
    seeds(5, "stages.*_*.seed"),
  )
