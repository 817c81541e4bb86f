"""What is found out of a trained model, and how much of it is held."""

import dataclasses
import functools
import tracemalloc
import types

import numpy as np
import pytest

from medfm import (
  optim,
  predictions,
  scoring,
  settings,
  setup,
  spec,
  study,
)
from medfm import step as steps
from medfm.data.datasets import wisconsin
from medfm.evals import baselines, probes
from medfm.evals.context import REVIEW, Findings
from medfm.models import linear, tabular_transformer
from medfm.objectives import classify, masked_features
from medfm.spec import bind
from medfm.tasks import multiclass, multilabel, pretext, tags
from medfm.types import Dataset, Folders, Info, Split, UserError
from tests import infos

TRANSFORMER = functools.partial(
  tabular_transformer.TabularTransformer, width=8, depth=1, heads=2
)
ROWS = 60


def toy(seed=0):
  generator = np.random.default_rng(seed)
  info = infos.info(
    "toy",
    "multiclass",
    ("no", "yes"),
    numeric=("a", "b"),
    numeric_mean=(0.0, 0.0),
    numeric_std=(1.0, 1.0),
  )
  splits = {}
  for name in ("train", "validation", "test"):
    features = generator.normal(size=(ROWS, 2)).astype(np.float32)
    label = (features[:, 0] > 0).astype(np.int32)
    ids = np.array([f"{name}{i}" for i in range(ROWS)])
    splits[name] = Split({"features": features, "label": label}, ids)
  return Dataset(splits, info, {"fingerprint": "toy"})


def evaluated(data, objective, model, **choices):
  run = settings.Run(
    data=lambda folders: data,
    objective=functools.partial(objective, model=model),
    optimizer=functools.partial(optim.optimizer, lr=1e-2),
    batch_size=16,
    steps=1,
    evaluation=settings.Evaluation(replicates=10),
    **choices,
  )
  job = setup.job(run, data)
  state = job.initial()
  return scoring.evaluation(job.model, steps.variables(state), data, job.split)


def test_without_evaluators_named_the_tasks_rivals_stand_beside_a_model():
  found = evaluated(toy(), classify.multiclass, linear.Linear)
  assert set(found.results["splits"]["test"]["baselines"]) == set(
    multiclass.rivals(toy().info)
  )
  assert found.results["task"] == "medfm.tasks.multiclass"
  assert found.results["described"]["calibration_slope"]["better"] == 1.0


def test_evaluators_are_called_with_what_they_keep_and_give_blocks():
  seen = {}

  def look(context):
    seen.update(context.predicted["test"], decisions=context.decisions)
    return Findings(blocks={"test": [{"kind": "table"}], "": []})

  look.keeps = ("embedding",)
  found = evaluated(
    toy(), classify.multiclass, linear.Linear, evaluators={"look": look}
  )
  assert set(seen) == {"probs", "embedding", "decisions"}
  first, *standard = found.results["blocks"]
  assert first == {"kind": "table", "split": "test"}
  assert {block["section"] for block in standard} == {REVIEW}
  assert list(seen["decisions"]) == ["specificity_90[yes]"]
  assert found.results["splits"]["test"]["baselines"] == {}


def test_a_standard_evaluator_is_left_out_where_its_entry_is_none():
  without = dict.fromkeys(settings.STANDARD)
  run = spec.build(
    spec.spec(
      settings.Run,
      data=bind(wisconsin.wisconsin),
      objective=bind(classify.multiclass, model=bind(linear.Linear)),
      evaluators=without,
    )
  )
  assert settings.evaluators(run) == {}


def test_what_no_evaluator_keeps_is_not_held():
  found = evaluated(toy(), classify.multiclass, linear.Linear, evaluators={})
  assert [set(each.predicted) for each in found.contenders] == [{"probs"}] * 2


def test_a_pre_trained_model_is_probed_for_the_target_of_its_data():
  rivals = {"probes": functools.partial(probes.probes, names=("linear",))}
  found = evaluated(
    toy(), masked_features.masked_features, TRANSFORMER, evaluators=rivals
  )
  assert found.results["task"] == pretext.__name__
  entry = found.results["splits"]["test"]
  assert set(entry["metrics"]) == {"loss"}
  probe = entry["baselines"]["probe_linear"]
  assert probe["metrics"]["auroc"]["value"] > 0.5
  assert probe["difference"] == {}  # A loss and an AUROC do not compare.
  assert {"loss", "auroc"} <= found.results["described"].keys()
  rows = found.rows("pretrain")
  assert {row["stage"] for row in rows} == {"pretrain:probe_linear"}
  assert {"label", "predicted", "prob_yes"} <= rows[0].keys()


def test_pre_training_has_no_classical_rivals_by_default():
  found = evaluated(toy(), masked_features.masked_features, TRANSFORMER)
  assert found.results["splits"]["test"]["baselines"] == {}


def test_pre_training_with_a_probe_runs_to_its_report(tmp_path):
  config = spec.spec(
    settings.Run,
    data=bind(wisconsin.wisconsin),
    objective=bind(
      masked_features.masked_features,
      model=bind(
        tabular_transformer.TabularTransformer, width=8, depth=1, heads=2
      ),
    ),
    optimizer=bind(optim.optimizer, lr=1e-3),
    batch_size=16,
    steps=2,
    evaluation=spec.spec(settings.Evaluation, replicates=10),
    evaluators={"probes": bind(probes.probes, names=("linear",))},
  )
  folders = Folders(None, str(tmp_path / "cache"))
  results = study.study(config, tmp_path / "run", folders)
  entry = results["stages"]["train"]
  assert entry["task"] == "medfm.tasks.pretext"
  assert entry["splits"]["test"]["baselines"]["probe_linear"]
  rows = predictions.read(tmp_path / "run" / "predictions.csv")
  assert {row["stage"] for row in rows} == {"train:probe_linear"}


def inference(predict, condense):
  """As `setup.predictions` needs it, with a `predict` of our own."""
  data = toy()
  run = settings.Run(
    data=lambda folders: data,
    objective=functools.partial(classify.multiclass, model=linear.Linear),
    batch_size=16,
    steps=1,
  )
  model = setup.inference(run, data.info)
  task = types.SimpleNamespace(condense=condense, TARGETS=("label",))
  objective = model.objective._replace(task=task)
  return dataclasses.replace(model, predict=predict, objective=objective)


def peak(count, condense):
  """Bytes held at most while a split of so many texts is predicted."""
  length, classes = 32, 64
  split = Split(
    {"tokens": np.zeros((count, length), np.int32)},
    np.arange(count).astype(str),
  )

  def predict(variables, batch):
    shape = (len(batch["weight"]), length, classes)
    return {"probs": np.full(shape, 1 / classes, np.float32)}

  model = inference(predict, condense)
  tracemalloc.start()
  held = setup.predictions(model, {}, split)
  most = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  return most, sum(array.nbytes for array in held.values())


def test_a_split_ten_times_as_large_needs_only_its_condensed_columns_more():
  def whole(info, batch, outputs):
    return outputs

  sizes = (200, 2000)
  (small, few), (large, many) = (peak(n, tags.condense) for n in sizes)
  assert many == 2000 * 32 * 8  # A tag and its certainty for each token.
  # Batches, their concatenation, and the rows back in their own order.
  assert large - small < 4 * (many - few)
  (small, few), (large, many) = (peak(n, whole) for n in sizes)
  assert large - small > many - few > 16 * 1800 * 32 * 8


def test_a_task_condenses_rows_beside_what_was_said_of_them():
  data, asked = toy(), []

  def condense(info, batch, outputs):
    asked.append((np.asarray(batch["features"]), outputs["probs"]))
    return {"label": np.asarray(batch["label"])}

  def predict(variables, batch):
    assert batch.keys() == {"features", "id", "weight"}  # And no answers.
    return {"probs": np.asarray(batch["features"])}

  model = inference(predict, condense)
  split = data.splits["test"]
  held = setup.predictions(model, {}, split)
  np.testing.assert_array_equal(held["label"], split.arrays["label"])
  for seen, said in asked:
    np.testing.assert_array_equal(seen, said)


def test_models_of_several_inputs_read_all_of_them():
  one, other = toy().info.only, toy().info.only
  info = Info("toy", {"scan": one, "blood": other}, toy().info.target)
  names = ("scan/features", "blood/features", "blood/present", "label", "id")
  batch = dict.fromkeys((*names, "weight"), np.zeros(1))
  assert setup._inputs(info, batch).keys() == {*names, "weight"} - {"label"}


def test_of_several_processes_each_condenses_all_rows_of_a_batch(monkeypatch):
  data = toy()
  monkeypatch.setattr(setup, "placed", lambda model, batch: batch)
  split = data.splits["test"]

  def predict(variables, batch):
    start = predict.calls * 16
    predict.calls += 1
    return {"probs": split.arrays["features"][start : start + 16]}

  predict.calls = 0
  lengths = []

  def condense(info, batch, outputs):
    np.testing.assert_array_equal(batch["features"], outputs["probs"])
    lengths.append(len(batch["label"]))
    return {"label": batch["label"]}

  model = inference(predict, condense)
  model = dataclasses.replace(model, share=np.arange(8))
  held = setup.predictions(model, {}, split)
  assert lengths == [16, 16, 16, 12]
  np.testing.assert_array_equal(held["label"], split.arrays["label"])


def test_a_baseline_of_another_task_is_refused_with_the_choices():
  with pytest.raises(UserError, match="choose from majority"):
    evaluated(
      toy(),
      classify.multiclass,
      linear.Linear,
      evaluators={
        "baselines": functools.partial(baselines.baselines, names=("ridge",))
      },
    )


def test_an_objective_names_the_task_it_is_scored_by():
  info = toy().info
  labels = infos.info("toy", "multilabel", ("a",), numeric=("a",))
  for factory, described, task in (
    (classify.multiclass, info, multiclass),
    (classify.multilabel, labels, multilabel),
  ):
    assert factory(described, model=linear.Linear).task is task
