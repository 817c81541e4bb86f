"""How a report words and draws a tag for each word: entities in a text."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import blocks, wording
from medfm.report import plates as drawn
from medfm.report.plates import Plate
from medfm.report.reading import Stage


def question(stage: Stage) -> str:
  """What the model was trained to do: `find entities (disease)`."""
  kinds = [name.partition("-")[2] for name in stage.classes]
  named = list(dict.fromkeys(filter(None, kinds)))
  return f"find entities ({wording.listed(named)})"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """The confusion matrix of entities."""
  yield from drawn.confusion(
    stage,
    split,
    "Entities of exactly the same words, by type: counts, and the percentage "
    "of each true type. Under `none`: true entities that were not found with "
    "these words, and predicted entities that are not true.",
  )


def tables(stage: Stage) -> list[Mapping[str, Any]]:
  """The outcomes of the entities of each type, a table for each split."""
  made = []
  for split, result in stage.splits.items():
    outcomes = result.get("entities") or {}
    names = list(dict.fromkeys(n for each in outcomes.values() for n in each))
    rows = [
      (kind, *(counts.get(name, 0) for name in names))
      for kind, counts in outcomes.items()
    ]
    title = "Entities by outcome"
    if mended := result.get("mended"):
      title += f" ({mended:,} predicted I- that began an entity read as B-)"
    columns = ("Entities of type", *names)
    made.append(blocks.table(title, columns, rows, split=split))
  return made
