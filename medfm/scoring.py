"""From variables to numbers with intervals, on every held-out split."""

import dataclasses
from typing import Any

import numpy as np

from medfm import host, setup
from medfm.data import splits
from medfm.evals import (
  baselines,
  paired,
  probes,
  prompts,
  scores,
  thresholds,
  words,
)
from medfm.types import Dataset, Info, Split, UserError

Predictions = dict[str, np.ndarray]


def quick(
  parts: setup.Inference, variables: Any, data: Dataset
) -> dict[str, float]:
  """`validation/metric` values without intervals, for the learning curve.

  Of several processes all predict, and the first one scores.
  """
  if "validation" not in data.splits:
    return {}
  split = data.splits["validation"]
  predicted = setup.predictions(parts, variables, split)
  if host.index:
    return {}
  outputs = words.outputs(data.info, split, predicted)
  split = words.whole(data.info, split)
  entry = _scored(parts.run, data.info, split, outputs, {}, replicates=0)
  return {
    f"validation/{name}": metric["value"]
    for name, metric in entry["metrics"].items()
  }


def evaluation(
  parts: setup.Inference,
  variables: Any,
  data: Dataset,
  train: Split | None,
  fitted: dict[tuple, dict] | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, Predictions]]]:
  """Scores of the model and its baselines on the splits not trained on.

  Args:
    parts: the run's model.
    variables: what `predict` reads.
    data: whose splits but "train" are evaluated.
    train: the examples that baselines and probes learn from, those the model
      had; None leaves both out.
    fitted: what baselines have predicted so far, to which this adds; stages
      of the same data and training examples need each only once.

  Returns:
    split -> scores, as results.json holds them; and
    model -> split -> predictions, where "" is the model and the others are
    `baseline_<name>` and `probe_<name>`; rows are those of `words.whole`.
  Of several processes all predict, and the first one scores.
  """
  run, info = parts.run, data.info
  held_out = {k: v for k, v in data.splits.items() if k != "train"}
  names = run.evaluation.baselines if train is not None else ()
  outputs = {
    "": {
      name: setup.predictions(parts, variables, split)
      for name, split in held_out.items()
    }
  }
  probed = run.evaluation.probes and train is not None
  embedded = setup.predictions(parts, variables, train) if probed else {}
  if host.index:
    return {}, {}
  fitted = {} if fitted is None else fitted
  learnt = splits.sha256(train) if names else ""
  for name in names:
    key = (name, id(data), learnt, run.seed)
    if key not in fitted:
      fitted[key] = baselines.predictions(name, train, held_out, info, run.seed)
    outputs[f"baseline_{name}"] = fitted[key]
  outputs = {
    model: {
      name: words.outputs(info, held_out[name], predicted)
      for name, predicted in by_split.items()
    }
    for model, by_split in outputs.items()
  }
  held_out = {k: words.whole(info, split) for k, split in held_out.items()}
  if probed:
    train_outputs = words.outputs(info, train, embedded)
    features = {"train": train_outputs} | outputs[""]
    embeddings = {name: each["embedding"] for name, each in features.items()}
    seen = words.whole(info, train)
    for name in run.evaluation.probes:
      outputs[f"probe_{name}"] = probes.predictions(
        name, seen, embeddings, held_out, info, seed=run.seed
      )
  chosen = {
    model: _thresholds(run, info, held_out, by_split)
    for model, by_split in outputs.items()
  }
  report = {
    name: _entry(run, info, name, split, outputs, chosen)
    for name, split in held_out.items()
  }
  return report, outputs


def coefficients(
  parts: setup.Inference, variables: Any, info: Info, train: Split
) -> list[dict[str, Any]]:
  """A linear model's coefficients in raw units beside those of least squares.

  The model is asked at the training mean and a hundred deviations from it
  along each feature; for a linear model the differences are its slopes.
  """
  if info.task != "regression" or info.categorical or len(info.classes) > 1:
    raise UserError(
      "evaluation.coefficients=True is for one regression target on numeric "
      "features"
    )
  mean = np.asarray(info.numeric_mean)
  far = 100 * np.asarray(info.numeric_std)
  asked = np.concatenate([mean[None], mean + np.diag(far)])
  arrays = {"features": asked.astype(np.float32)}
  points = Split(arrays, np.arange(len(asked)).astype(str))
  value = setup.predictions(parts, variables, points)["value"][:, 0]
  slopes = (value[1:].astype(float) - value[0]) / far
  learned = dict(zip(info.numeric, slopes.tolist(), strict=True))
  learned["intercept"] = float(value[0] - slopes @ mean)
  closed = baselines.coefficients(train, info)
  return [
    {"name": name, "learned": learned[name], "closed_form": value}
    for name, value in closed.items()
  ]


def as_trained(data: Dataset, trained: Info) -> Dataset:
  """Another dataset of the same task, in the codes the model was trained on.

  Classes and category levels are matched by name; a level that training did
  not know is missing (-1).

  Raises:
    UserError: other features, classes or task.
  """
  info = data.info
  for what, new, old in (
    ("task", info.task, trained.task),
    ("tokenizer", info.tokenizer[:12], trained.tokenizer[:12]),
    ("features", info.numeric, trained.numeric),
    ("columns", tuple(info.categorical), tuple(trained.categorical)),
    ("classes", sorted(info.classes), sorted(trained.classes)),
  ):
    if new != old:
      raise UserError(
        f"{info.name} has {what} {new}; the model was trained on "
        f"{trained.name} with {old}"
      )
  moved = {
    name: _recoded(split, info, trained) for name, split in data.splits.items()
  }
  return dataclasses.replace(data, splits=moved, info=trained)


def _entry(run, info, name, split, outputs, chosen) -> dict[str, Any]:
  """One split in results.json: the model's scores, and its rivals'."""

  def scored(model):
    arrays = outputs[model][name]
    return _scored(
      run,
      info,
      split,
      arrays,
      chosen[model],
      replicates=run.evaluation.replicates,
    )

  def difference(model):
    return paired.difference(
      info,
      split.arrays["label"],
      outputs[""][name],
      outputs[model][name],
      patients=split.patients,
      thresholds_a=chosen[""],
      thresholds_b=chosen[model],
      replicates=run.evaluation.replicates,
      seed=run.seed,
      specificity=run.evaluation.specificity,
    )

  rivals = {
    model.removeprefix("baseline_"): {
      "metrics": scored(model)["metrics"],
      "difference": difference(model),
    }
    for model in outputs
    if model
  }
  entry = {
    **scored(""),
    "sha256": splits.sha256(split),
    "baselines": rivals,
  }
  if prompts.PLAIN in outputs[""][name]:
    entry["prompts"] = prompts.table(
      info,
      split.arrays["label"],
      outputs[""][name],
      patients=split.patients,
      replicates=run.evaluation.replicates,
      seed=run.seed,
    )
  return entry


def _scored(run, info, split, outputs, chosen, *, replicates) -> dict[str, Any]:
  """The scores of a task's predictions, or the mean loss of a pretext task."""
  settings = {"replicates": replicates, "seed": run.seed}
  if not outputs.keys() & {"probs", "value", "tags"}:
    return scores.mean_loss(
      outputs,
      language=info.vocabulary > 0,
      patients=split.patients,
      **settings,
    )
  return scores.scores(
    info,
    split.arrays["label"],
    outputs,
    patients=split.patients,
    groups=split.groups if replicates else None,
    thresholds=chosen,
    specificity=run.evaluation.specificity,
    **settings,
  )


def _thresholds(run, info, held_out, by_split) -> dict[str, float]:
  """Chosen on the validation split; none where there is no such split."""
  if "validation" not in held_out or "probs" not in by_split["validation"]:
    return {}
  return thresholds.thresholds(
    info,
    held_out["validation"].arrays["label"],
    by_split["validation"],
    specificity=run.evaluation.specificity,
  )


def _recoded(split: Split, info: Info, trained: Info) -> Split:
  """The split with classes and levels numbered as training numbered them."""
  arrays = dict(split.arrays)
  if "categories" in arrays:
    columns = [
      _renumbered(info.categorical[name], levels)[arrays["categories"][:, i]]
      for i, (name, levels) in enumerate(trained.categorical.items())
    ]
    arrays["categories"] = np.stack(columns, 1)
  if "label" in arrays and info.task in ("multiclass", "tokens"):
    arrays["label"] = _renumbered(info.classes, trained.classes)[
      arrays["label"]
    ]
  elif "label" in arrays:
    order = [info.classes.index(name) for name in trained.classes]
    arrays["label"] = arrays["label"][:, order]
  return dataclasses.replace(split, arrays=arrays)


def _renumbered(old: tuple[str, ...], new: tuple[str, ...]) -> np.ndarray:
  """old number -> new number; the entry at -1, past the end, is -1."""
  position = {name: i for i, name in enumerate(new)}
  return np.array([*(position.get(name, -1) for name in old), -1], np.int32)
