"""How many labels does pre-training on unlabelled records stand in for?

Hypothesis: with 5 and 10 % of the labels, a transformer pre-trained on all
training records without their labels tells malignant from benign better than
the same one from scratch; with all labels the two are alike. Each fine-tuning
learning rate is tried for both, and the better by validation is taken.

Five seeds x three fine-tuning rates of the quickstart study (Wisconsin, 569
patients; 5, 10, 25 and 100 % of the labels): 15 runs and 5 pre-trainings,
each of which three runs share; minutes each on two CPU cores.

Run:  python launch.py --grid=experiments/label_efficiency_table.py --jobs=2
      python launch.py --grid=experiments/label_efficiency_table.py:tiny
"""

from medfm.grid.combine import product, seeds
from medfm.variants import variants

CONFIG = "configs/quickstart.py"
METRIC = "auroc"
RATE = "stages.*_*.optimizer.lr"
TUNED = (RATE,)
FIGURE = {"x": "label_fraction"}


def grid(words: str = ""):
  tiny = variants(words, size=("full", "tiny"))["size"] == "tiny"
  return product(
    {"config": f"{CONFIG}:tiny" if tiny else CONFIG},
    {RATE: (5e-4, 1e-3) if tiny else (2e-4, 5e-4, 1e-3)},
    seeds(1 if tiny else 5, "stages.*.seed"),
  )
