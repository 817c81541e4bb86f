"""How a report words a language model, which learns from texts alone."""

from medfm.report.reading import Stage
from medfm.tasks.pretext.figures import plates

__all__ = ["plates", "question"]


def question(stage: Stage) -> str:
  """What the model was trained to do, whatever labels the texts have."""
  del stage
  return "predict tokens of its texts from the others, without labels,"
