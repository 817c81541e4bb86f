"""Whether attention finds a few tumour tiles on composed slides.

    pytest -m slow -s tests/data/slides/test_attention.py

prints the numbers of docs/own_data.md.
"""

import csv

import numpy as np
import pytest

from medfm import command, setup, spec, stages, study
from medfm.metrics import ranking
from medfm.types import Folders
from tests import composed, running

PARTS = {"train": (60, 0, 5), "validation": (24, 0, 5), "test": (48, 5, 10)}
"""How many slides, composed of which of the ten tiles of each class."""


def cohort(folder, data_dir):
  """slides.csv of all parts; test slides hold no tile of the others."""
  kinds, lines = composed.tiles(data_dir, 64), []
  for seed, (part, (slides, low, high)) in enumerate(PARTS.items()):
    some = {kind: each[low:high] for kind, each in kinds.items()}
    table = composed.cohort(
      folder / part, some, slides=slides, seed=seed, edge=64, tumour=2
    )
    head, *rows = table.read_text().splitlines()
    for row in rows:
      file, label, patient, rest = row.split(",", 3)
      cells = (f"{part}/{file}", label, f"{part}{patient}", rest, part)
      lines.append(",".join(cells))
  table = folder / "slides.csv"
  table.write_text("\n".join([f"{head},split", *lines]) + "\n")
  return table


@pytest.mark.slow
def test_attention_finds_the_tumour_that_a_mean_misses(data_dir, tmp_path):
  table = cohort(tmp_path, data_dir)
  place = Folders(None, str(tmp_path / "cache"))
  areas = {}
  for pooling in ("gated", "mean"):
    config = command.config(
      str(running.ROOT / f"configs/own_slides.py:{pooling}"),
      [
        f"data.path={table}", "data.label=label", "data.patient=patient",
        "data.split_column=split", "data.tile_px=64", "epochs=40",
        "objective.model.width=64", "objective.model.hidden=32",
      ],
    )  # fmt: skip
    results = study.study(config, tmp_path / pooling, place)
    entry = results["stages"]["train"]["splits"]["test"]
    areas[pooling] = entry["metrics"]["auroc"]["value"]
    rival = entry["baselines"]["logistic_regression"]["metrics"]["auroc"]
  areas["logistic_regression"] = rival["value"]
  trained = stages.opened(tmp_path / "gated")
  split = spec.build(config).data(place).splits["test"]
  outputs = setup.predictions(
    setup.for_new_rows(trained.model), trained.variables, split, ("attention",)
  )
  rows = {
    row["file"]: row["tumour"].split() for row in csv.DictReader(table.open())
  }
  inside, strongest = [], []
  for row, name in enumerate(split.ids):
    if rows[name]:
      places = [f"{r}:{c}" for r, c in split.source["places"][row]]
      tumour = np.isin(places, rows[name])
      attention = outputs["attention"][row][: len(places)]
      inside.append(ranking.auroc(tumour.astype(float), attention))
      strongest.append(tumour[attention.argmax()])
  print(areas, np.mean(inside), f"{sum(strongest)} of {len(strongest)}")
  assert areas["gated"] > 0.8
  assert areas["gated"] > max(areas["mean"], areas["logistic_regression"]) + 0.1
  assert np.mean(inside) > 0.9 and np.mean(strongest) > 0.7
