"""How a report words pre-training without labels."""

from medfm.report.reading import Stage


def question(stage: Stage) -> str:
  """What the model was trained to do, whatever labels the data have."""
  how = str(stage.result.get("objective") or "").rpartition(".")[2]
  named = f" ({how.replace('_', ' ')})" if how else ""
  return f"learn from its inputs alone, without labels{named},"
