"""Does a picture find its text among all texts of a split, and back?"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data import cards
from medfm.data.captions import pairs
from medfm.evals.context import Block, Context, Findings, Settings, keeps
from medfm.metrics import bootstrap
from medfm.metrics import retrieval as metrics
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.types import Arrays, Info, Split, UserError

IMAGE, TEXT = "image_embedding", "text_embedding"


@keeps(IMAGE, TEXT)
def retrieval(
  context: Context, *, at: tuple[int, ...] = (1, 5, 10)
) -> Findings:
  """Recall at 1, 5 and 10 and the median rank, in both directions.

  Every example of a split that has both inputs asks once in each direction. A
  picture looks among the different texts (equal ones, token by token, are one
  candidate: else the copies of a wrong template would fill the first places); a
  text looks among all pictures, and each whose text equals it is right. Chance
  is that of a random order of the same candidates. The intervals resample
  patients' queries; the candidates stay, so compare numbers only with those of
  the same split.

  at: the numbers of candidates looked at.
  """
  if not at or min(at) < 1:
    raise UserError(f"retrieval at={tuple(at)}: expected numbers from 1 on")
  if not context.first:
    return Findings()
  pairs.sides(context.info)
  blocks = {
    name: [
      table(context.info, split, context.predicted[name], at, context.settings)
    ]
    for name, split in context.splits.items()
  }
  return Findings(blocks=blocks)


def table(
  info: Info,
  split: Split,
  outputs: Arrays,
  at: Sequence[int],
  settings: Settings,
) -> Block:
  """A block with both directions on one split, each above its chance level.

  outputs: `image_embedding` and `text_embedding` [N,E].
  """
  if IMAGE not in outputs or TEXT not in outputs:
    raise UserError(
      "retrieval needs a model that embeds pictures and texts: use an "
      "objective of medfm.objectives.image_text"
    )
  rows = np.flatnonzero(pairs.complete(split, info))
  split = split.take(rows)
  image, text = (np.asarray(outputs[name])[rows] for name in (IMAGE, TEXT))
  group = pairs.equal_texts(split, info)
  different, first, right = np.unique(
    group, return_index=True, return_counts=True
  )
  several = int((right[group] > 1).sum())
  lines = []
  for title, queries, candidates, groups, answers in (
    ("image → text", image, text[first], different, np.ones(len(group), int)),
    ("text → image", text, image, group, right[group]),
  ):
    rank = metrics.ranks(queries, candidates, group, groups)
    lines.append([title, *scored(rank, at, split, settings).values()])
    chance = [metrics.chance_recall(answers, len(groups), k=k) for k in at]
    middle = metrics.chance_median_rank(answers, len(groups))
    lines.append(["  by chance", *chance, middle])
  return {
    "kind": "table",
    "title": f"Retrieval among {cards.amount(len(group), 'pair')}",
    "columns": ["Direction", *(f"Recall at {k}" for k in at), "Median rank"],
    "rows": lines,
    "note": f"A picture looks among {len(different):,} different texts, a text "
    f"among {len(group):,} pictures. {several:,} of {len(group):,} texts occur "
    "more than once; every picture with an equal text is a right answer. "
    "Chance is a random order of the same candidates.",
    "terminal": True,
  }


def scored(
  rank: np.ndarray, at: Sequence[int], split: Split, settings: Settings
) -> Mapping[str, Any]:
  """The entries of recall at each k and of the median rank, in that order."""
  bound: dict[str, bootstrap.Metric] = {
    f"recall_at_{k}": partial(metrics.recall_at, rank, k=k) for k in at
  }
  bound["median_rank"] = partial(metrics.median_rank, rank)
  whom = "examples" if split.patients is None else "patients"
  cluster = bootstrap.clusters(split.patients, len(rank))
  sample = Sample(cluster, whom, settings.replicates, settings.seed)
  return entries(bound, sample)
