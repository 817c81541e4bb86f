"""How a report words a language model, which learns from texts alone."""

from medfm.report.reading import Stage


def question(stage: Stage) -> str:
  """What the model was trained to do, whatever labels the texts have."""
  return "predict tokens of its texts from the others, without labels,"
