"""How many labels does pre-training on biomedical text stand in for?

Hypothesis: with 1 and 10 % of the labels, a small BERT pre-trained on the
training texts of eight public sets is better than the same one from scratch
on triage, relations and entities; with all labels the gap is small.

Three seeds of the text study (configs/text_study.py), which share one
pre-training.

Run:  python launch.py --grid=experiments/label_efficiency_text.py --jobs=2
      python launch.py --grid=experiments/label_efficiency_text.py:tiny
"""

from medfm.grid.combine import product, seeds
from medfm.variants import variants

CONFIG = "configs/text_study.py"
FIGURE = {"x": "label_fraction"}


def grid(words: str = ""):
  tiny = variants(words, size=("full", "tiny"))["size"] == "tiny"
  return product(
    {"config": f"{CONFIG}:tiny" if tiny else CONFIG},
    seeds(1 if tiny else 3, "stages.*_*.seed"),  # all but pretrain
  )
