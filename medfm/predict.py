"""Apply a trained run to new files; its workdir alone is enough."""

from pathlib import Path

from medfm import predictions, stages, workdir
from medfm.evals import words


def predict(
  place: Path, stage: str | None, source: str, output: str | None
) -> Path:
  """Writes probabilities (or values) for new files; returns the CSV's path.

  Args:
    place: a workdir.
    stage: one of its stages; the last by default.
    source: what the run's kind of data takes: an image, a folder, a CSV.
    output: the CSV to write; predictions-<source>.csv in the workdir by
      default.
  """
  trained = stages.opened(place, stage)
  info = trained.info
  split = stages.read_encode(trained.folder)(source, info)
  outputs = words.outputs(info, split, trained.predictions(split))
  whole = words.whole(info, split)
  rows = predictions.rows(trained.name, "new", whole, info, outputs)
  path = Path(output or place / f"predictions-{Path(source).stem}.csv")
  workdir.write(path, predictions.text(rows))
  print(f"{len(rows):,} predictions: {path}", flush=True)
  return path
