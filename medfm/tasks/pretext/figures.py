"""How a report words pre-training without labels."""

from collections.abc import Iterator

from medfm.report.plates import Plate
from medfm.report.reading import Stage


def question(stage: Stage) -> str:
  """What the model was trained to do, whatever labels the data have."""
  how = str(stage.result.get("objective") or "").rpartition(".")[2]
  named = f" ({how.replace('_', ' ')})" if how else ""
  return f"learn from its inputs alone, without labels{named},"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """Nothing beyond the learning curves."""
  del stage, split
  yield from ()
