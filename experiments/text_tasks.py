"""Does pre-training a small BERT on the tasks' own texts help on each task?

Hypothesis: two layers of width 128 pre-trained on two million tokens (the
training texts of eight public sets) beat the same model from scratch on the
tasks with few labels, and both stay below TF-IDF with logistic regression on
whole documents and far below the published rows, which took pre-training on
millions of papers.

Eight tasks x three seeds of fine-tuning, after one pre-training that all
share; the classical model stands beside each. The split of a set without an
official one stays that of seed 0, so that the spread is that of training.

Run:  python launch.py --grid=experiments/text_tasks.py --jobs=2
      python launch.py --grid=experiments/text_tasks.py:bc5cdr   (one task)
      python launch.py --grid=experiments/text_tasks.py:tiny
"""

from medfm.grid.combine import product, seeds
from medfm.variants import subsets

CONFIG = "configs/bert_finetune.py"
TASKS = (
  "pubmedqa",
  "medical_abstracts",
  "hallmarks_of_cancer",
  "chemprot",
  "bc5cdr",
  "ddi2013",
  "bc2gm",
  "linnaeus",
)


def grid(words: str = ""):
  chosen = subsets(words, task=TASKS, size=("tiny",))
  tiny = bool(chosen["size"])
  tasks = chosen["task"] or TASKS[: 1 if tiny else None]
  end = ",compare,tiny" if tiny else ",compare"
  return product(  # Every task once before any task again.
    seeds(1 if tiny else 3, "stages.[fs]*.seed"),  # finetune and scratch
    {"config": [f"{CONFIG}:{task}{end}" for task in tasks]},
  )
