"""Made-up workdirs of a study, and of a run of each task."""

import numpy as np
import pytest

from medfm.report import html
from tests.report.workdirs import entry, single, study_run


@pytest.fixture
def study(tmp_path):
  return study_run(tmp_path / "study")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
  """A study whose report has been written; only to be read."""
  workdir = study_run(tmp_path_factory.mktemp("drawn") / "study")
  html.write(workdir)
  return workdir


@pytest.fixture
def regression(tmp_path):
  rows = [
    {
      "stage": "train",
      "split": "test",
      "id": f"e{k}",
      "patient": "",
      "label_glucose": 5 + k / 10,
      "value_glucose": 5 + k / 11,
    }
    for k in range(40)
  ]
  metrics = {"rmse": entry(0.234), "r2": entry(0.876), "mae": entry(0.2)}
  return single(tmp_path / "r", "regression", ["glucose"], metrics, rows)


@pytest.fixture
def multiclass(tmp_path):
  generator = np.random.default_rng(1)
  classes = ["a", "b", "$c_1$"]
  probs = generator.dirichlet(np.ones(3), 40)
  rows = [
    {
      "stage": "train",
      "split": "test",
      "id": f"e{k}",
      "patient": "",
      "label": classes[k % 3],
      "predicted": classes[probs[k].argmax()],
    }
    | {f"prob_{name}": p for name, p in zip(classes, probs[k], strict=True)}
    for k in range(40)
  ]
  metrics = {"auroc": entry(0.6), "auroc[a]": entry(0.61)}
  counts = [[10, 2, 1], [3, 9, 1], [4, 4, 6]]
  confusion = {"classes": classes, "counts": counts}
  workdir = tmp_path / "c"
  return single(
    workdir, "multiclass", classes, metrics, rows, confusion=confusion
  )


@pytest.fixture
def multilabel(tmp_path):
  generator = np.random.default_rng(2)
  labels = ["_effusion", "nodule"]
  rows = []
  for k in range(40):
    row = {"stage": "train", "split": "test", "id": f"e{k}", "patient": ""}
    for j, name in enumerate(labels):
      row[f"label_{name}"] = "" if k == 0 else float((k + j) % 2)
      row[f"prob_{name}"] = generator.random()
    rows.append(row)
  metrics = {"auroc": entry(0.5), "auroc[nodule]": entry(0.51)}
  return single(tmp_path / "l", "multilabel", labels, metrics, rows)
