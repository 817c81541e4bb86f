"""A trained run on new files; its workdir alone is enough."""

from collections.abc import Sequence
from pathlib import Path

from medfm import predictions, setup, stages, workdir


def predict(
  place: Path,
  stage: str | None,
  source: str,
  output: str | None,
  given: Sequence[str] = (),
) -> Path:
  """Writes probabilities (or values) for new files; returns the CSV's path.

  place, stage: as in `stages.opened`.
  source: new data of the run's kind: an image, a folder, a CSV.
  given: settings for the layout of its files, if it differs from training's
    (`stages.read_encode`).
  output: the CSV to write; predictions-<source>.csv in the workdir by default.
  """
  name, folder, model, variables = stages.opened(place, stage)
  model = setup.for_new_rows(model)
  info, task = model.info, model.task
  split = stages.read_encode(folder, given)(source, info)
  predicted = setup.predictions(model, variables, split)
  units, predicted = task.assembled(info, split, predicted)
  rows = predictions.rows(name, "new", units, task, info, predicted)
  stem = workdir.short(Path(source).stem)
  path = Path(output or place / f"predictions-{stem}.csv")
  text = predictions.text(rows)
  other = path.is_file() and path.read_bytes() != text.encode()
  if output is None and other:
    print(f"{path} held other predictions, which are replaced", flush=True)
  workdir.write(path, text)
  print(f"{len(rows):,} predictions: {path}", flush=True)
  if split.write is not None:
    beside = path.with_suffix("") if path.suffix else Path(f"{path}-files")
    beside.mkdir(exist_ok=True)
    count = split.write(predicted, beside)
    print(f"{count:,} files: {beside}", flush=True)
  return path
