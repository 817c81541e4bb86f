"""Small made-up workdirs, written as a run writes them."""

import csv
import json

import numpy as np

from medfm import spec
from medfm.tasks.multiclass import Classes
from medfm.tasks.multilabel import Labels
from medfm.tasks.pretext import Nothing
from medfm.tasks.regression import Numbers
from medfm.tasks.tags import Tags
from medfm.types import Info

SHA = "0123456789abcdef" * 4
TARGETS = {
  "multiclass": Classes,
  "multilabel": Labels,
  "regression": Numbers,
  "tags": Tags,
}
DESCRIBED = {
  "auroc": {
    "title": "AUROC",
    "clause": "chance that a random positive is ranked above a negative",
    "better": "more",
  },
  "accuracy": {"title": "Accuracy", "clause": "share right", "better": "more"},
  "f1": {"title": "F1", "clause": "of precision and recall", "better": "more"},
  "brier": {
    "title": "Brier score",
    "clause": "mean squared error of the probabilities; less is better",
    "better": "less",
  },
  "calibration_slope": {
    "title": "Calibration slope",
    "clause": "1 is ideal; below 1 the probabilities are too extreme",
    "better": 1.0,
  },
  "rmse": {"title": "RMSE", "clause": "in the target's unit", "better": "less"},
  "mae": {"title": "MAE", "clause": "in the target's unit", "better": "less"},
  "r2": {"title": "R²", "clause": "share explained", "better": "more"},
  "loss": {"title": "Loss", "clause": "what fell", "better": "less"},
}


def info(folder, task, classes):
  """Writes what training knew of its data, as a run does."""
  target = TARGETS[task](tuple(classes)) if task in TARGETS else Nothing()
  folder.mkdir(parents=True, exist_ok=True)
  text = json.dumps(spec.plain(Info("synthetic masses", {}, target)))
  (folder / "info.json").write_text(text)


def entry(value, width=0.05):
  return {"value": value, "low": value - width, "high": value + width}


def missing(reason):
  return {"value": None, "low": None, "high": None, "reason": reason}


def data(classes, **more):
  sizes = {"train": 80, "validation": 20, "test": 40}
  return {
    "name": "synthetic masses",
    "classes": classes,
    "card": {
      "source": "Synthetic, made for this test",
      "licence": "CC0 1.0",
      "citation": "Nobody et al. (2020), https://example.org/paper",
      "changes": [{"what": "rows without a label dropped", "count": 17}],
      "split": "by patient",
      "fingerprint": SHA,
    },
    "leakage": {
      "pairs": {
        "train/test": {
          "patients": None,
          "near": {"count": 2, "examples": [["q7", "t9"]]},
        }
      },
      "within": {"train": {"exact": {"count": 0, "examples": []}}},
      "near_rule": None,
    },
    "splits": {
      name: {"n": n, "patients": n // 2, "sha256": SHA}
      for name, n in sizes.items()
    },
    **more,
  }


def stage(task, classes, splits, **more):
  return {
    "step": 50,
    "steps": 50,
    "params": 4321,
    "label_fraction": 1.0,
    "objective": "medfm.objectives.classify.multiclass",
    "task": f"medfm.tasks.{task}",
    "described": DESCRIBED,
    "best": None,
    "init": None,
    "data": data(classes),
    "splits": splits,
    **more,
  }


def split(metrics, **more):
  return {
    "n": 40,
    "patients": 20,
    "sha256": SHA,
    "metrics": metrics,
    **more,
  }


def history(path, metric):
  path.mkdir(parents=True, exist_ok=True)
  lines = [{"step": k, "loss": 1 / k, "lr": 1e-3} for k in range(1, 51)]
  lines += [{"step": k, f"validation/{metric}": k / 60} for k in (20, 40)]
  lines += [{"step": 45, "loss": "nan"}]
  text = "".join(json.dumps(line) + "\n" for line in lines)
  (path / "metrics.jsonl").write_text(text + '{"step": 5')


def save(workdir, results, config, rows):
  workdir.mkdir(parents=True, exist_ok=True)
  (workdir / "results.json").write_text(json.dumps(results))
  (workdir / "config.json").write_text(json.dumps(config))
  environment = {
    "python": "3.12.1",
    "packages": {"numpy": "2.5.5"},
    "command": "python launch.py --config=configs/x.py",
    "date": "2020-02-03",
  }
  (workdir / "environment.json").write_text(json.dumps(environment))
  with (workdir / "predictions.csv").open("w", newline="") as file:
    writer = csv.DictWriter(file, list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
  return workdir


REVIEWED = [
  {
    "kind": "table",
    "title": "Net benefit",
    "split": split,
    "columns": ["Threshold", "Gain"],
    "rows": [["0.2", entry(0.0314) | {"signed": True}]],
    "section": "For a clinical reviewer",
    "headline": f"A gain is shown on {split}.",
  }
  for split in ("validation", "test")
]
BLOCKS = [
  *REVIEWED,
  {
    "kind": "pairs",
    "title": "Coefficients",
    "split": "",
    "names": ["age", "height"],
    "x": {"title": "Closed form", "values": [0.5, 1234.5]},
    "y": {"title": "Learnt", "values": [0.515, 1234.75]},
    "note": "They should coincide.",
  },
  {
    "kind": "curves",
    "title": "Before and after",
    "split": "test",
    "panels": [
      {
        "title": "malignant",
        "lines": [
          {
            "name": "As it is",
            "x": [0.1, 0.4321],
            "y": [0.2, 0.6789],
            "low": [0.1, None],
            "high": [0.3, None],
          }
        ],
      }
    ],
    "x": "Probability",
    "y": "Observed share",
    "beside": {"name": "Ideal", "slope": 1},
    "terminal": True,
  },
  {
    "kind": "table",
    "title": "Prompts",
    "split": "test",
    "columns": ["Prompts", "n", "Accuracy", "Gain"],
    "rows": [
      ["draw 1", 2345, entry(0.6543), entry(0.0987) | {"signed": True}],
      ["draw 2", 2345, missing("one answer only"), "0.4 to 0.6"],
    ],
    "note": "Each prompt alone.",
    "terminal": True,
  },
  {
    "kind": "table",
    "title": "Prompts",
    "split": "validation",
    "columns": ["Prompts", "n"],
    "rows": [["draw 3", 77]],
    "terminal": True,
  },
  {
    "kind": "texts",
    "title": "Examples",
    "split": "test",
    "how": "Orange tokens speak for the class.",
    "examples": [
      {
        "kind": "wrong",
        "id": "note 7",
        "certainty": 0.97,
        "word": None,
        "said": "malignant",
        "true": "benign",
        "pieces": [["spicu", True], ["lated", False]],
        "left_out": 3,
        "views": [{"class": "malignant", "values": [0.5, -0.2], "gap": 0.01}],
      }
    ],
  },
]


def settings(**more):
  return {
    "objective": {
      "_bind_": "medfm.objectives.classify.multiclass",
      "model": {"_bind_": "medfm.models.mlp.Mlp", "width": 8},
    },
    "optimizer": {"_bind_": "medfm.optim.optimizer", "lr": 0.00123},
    "batch_size": 16,
    **more,
  }


def binary_rows(generator, name):
  labels = generator.integers(0, 2, 40)
  probs = np.clip(0.5 * labels + 0.5 * generator.random(40), 0, 1)
  return [
    {
      "stage": name,
      "split": "test",
      "id": f"e{k}",
      "patient": f"p{k // 2}",
      "group_sex": "f" if k % 2 else "m",
      "label": ["benign", "malignant"][labels[k]],
      "predicted": "benign",
      "prob_benign": 1 - probs[k],
      "prob_malignant": probs[k],
    }
    for k in range(40)
  ]


def study_run(workdir):
  """A study: pre-training, then two label fractions with and without it."""
  generator = np.random.default_rng(0)
  rows = []
  stages = {
    "pretrain": stage(
      "pretext",
      ["benign", "malignant"],
      {"validation": split({"loss": entry(0.4)})},
      objective="medfm.objectives.masked_features.masked_features",
    )
  }
  classes = ["benign", "malignant"]
  for place, name in enumerate(("tuned_10", "tuned_100", "scratch_10")):
    rows += binary_rows(generator, name)
    rows += binary_rows(generator, f"{name}:baseline_logistic")
    tested = split(
      {
        "auroc": entry(0.8 + 0.0371 * place),
        "brier": entry(0.1234),
        "calibration_slope": missing("one bin only"),
      },
      confusion={"classes": classes, "counts": [[15, 5], [4, 16]]},
      thresholds={"specificity_90[malignant]": 0.42},
      groups={
        "sex": {
          "f": {"n": 20, "patients": 10, "metrics": {"auroc": entry(0.77)}},
          "m": {
            "n": 20,
            "patients": 10,
            "metrics": {"auroc": missing("no positives among 20")},
          },
        }
      },
      baselines={
        "logistic": {
          "metrics": {"auroc": entry(0.7654)},
          "difference": {"auroc": entry(0.0123)},
        }
      },
    )
    stages[name] = stage(
      "multiclass",
      classes,
      {"test": tested},
      label_fraction=0.1 if name.endswith("_10") else 1.0,
      best={"metric": "validation/auroc", "value": 0.66, "step": 40},
      init={"from": "pretrain", "loaded": ["a"], "fresh": ["b"], "unused": []}
      if "tuned" in name
      else None,
    )
  for name in stages:
    history(workdir / name, "auroc")
  results = {
    "name": "masses <script>alert(1)</script>",
    "finished": True,
    "stages": stages,
    "comparisons": [
      {
        "a": "tuned_10",
        "b": "scratch_10",
        "split": "test",
        "difference": {"auroc": entry(0.0345, 0.01)},
      }
    ],
  }
  stages["tuned_100"]["blocks"] = BLOCKS
  for name in stages:
    info(workdir / name, "multiclass", classes)
  config = {
    "name": "masses",
    "description": "Does pre-training help? <b>bold</b>",
    "stages": {name: settings(steps=50) for name in stages},
  }
  return save(workdir, results, config, rows)


def single(workdir, task, classes, metrics, rows, **more):
  history(workdir, "rmse" if task == "regression" else "auroc")
  results = {
    "name": f"a {task} run",
    "finished": True,
    "stages": {"train": stage(task, classes, {"test": split(metrics, **more)})},
    "comparisons": [],
  }
  results["stages"]["train"]["data"]["units"] = ["mmol/L"]
  info(workdir, task, classes)
  return save(workdir, results, settings(steps=50), rows)
