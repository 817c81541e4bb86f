"""Shipped configs run within the test's process, and what each run leaves."""

import json
import pathlib

from medfm import command, evaluate, spec, stages, study

ROOT = pathlib.Path(__file__).resolve().parents[1]


def run(argument, place, folders, *overrides):
  """The results of a config, `own_table.py:tiny`, in a workdir."""
  config = command.config(str(ROOT / "configs" / argument), overrides)
  return study.study(config, place, folders)


def check_workdir(place, results):
  assert results["finished"]
  for name in ("config.json", "environment.json", "report.html"):
    assert (place / name).stat().st_size > 100
  assert list((place / "figures").rglob("*.png"))
  assert json.loads((place / "results.json").read_text()) == results
  spec.from_json((place / "config.json").read_text())
  for name, stage in results["stages"].items():
    folder = stages.folder(place, name)
    assert (folder / "metrics.jsonl").stat().st_size
    assert list(folder.glob("tensorboard/events*"))
    for split, entry in stage["splits"].items():
      assert entry["n"] > 0, split
      assert len(entry["sha256"]) == len(entry["asked"]) == 64
      for metric in entry["metrics"].values():
        assert metric["value"] is not None or metric["reason"]
        if metric["low"] is not None:
          assert metric["low"] <= metric["high"]


def check_evaluation(place, results, folders):
  """A run evaluated on its own data says what it said when it trained.

  Of many stages the last is enough.
  """
  *others, last = results["stages"]
  stage = last if len(others) > 2 else None
  again = evaluate.evaluate(place, stage, None, folders)
  for name, stage in again["stages"].items():
    assert stage["splits"] == results["stages"][name]["splits"]
