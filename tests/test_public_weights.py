"""From a folder that others published to a trained run and back again."""

import csv
import pathlib

import numpy as np
import pytest
from flax import traverse_util

from medfm import command, export, predict, stages, study, tree
from medfm.data.text.input import Tokens
from medfm.tasks.regression import Numbers
from medfm.types import Folders, UserError
from medfm.weights import adapters, public, safetensors_file
from tests.weights import folders as made

pytestmark = [
  pytest.mark.xdist_group("public weights"),
  pytest.mark.usefixtures("undrawn"),
]

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  """A folder with the data, the public weights and a cache for them all."""
  place = tmp_path_factory.mktemp("public")
  made.notes(place / "notes.csv")
  made.sentences(place / "train.iob")
  made.scans(place / "scans")
  for kind in made.MODELS:
    made.public_folder(kind, place / kind)
  return place


def run(here, place, argument, *overrides):
  config = command.config(str(ROOT / "configs" / argument), overrides)
  return study.study(config, place, Folders(None, str(here / "cache")))


NOTES = ("data.text=note", "data.label=diagnosis")
CASES = {
  "bert": ("own_text.py", NOTES, "notes.csv"),
  "gpt": ("own_text.py", NOTES, "notes.csv"),
  "bert,multilabel": (
    "own_text.py",
    ("data.text=note", "data.label=sick,urgent"),
    "notes.csv",
  ),
  "bert,regression": (
    "own_text.py",
    ("data.text=note", "data.label=days"),
    "notes.csv",
  ),
  "bert,lora": ("own_text.py", NOTES, "notes.csv"),
  "bert ": ("own_iob.py", (), "train.iob"),
  "vit": ("own_images.py", (), "scans"),
  "resnet": ("own_images.py", (), "scans"),
}
MARKS = {"bert,lora": (), "vit": pytest.mark.slow}


@pytest.mark.parametrize(
  "case",
  [
    pytest.param(case, marks=MARKS.get(case, pytest.mark.drill))
    for case in CASES
  ],
)
def test_public_weights_are_fine_tuned_and_come_out_again(
  case, here, tmp_path, capsys, launched
):
  config, overrides, data = CASES[case]
  kind, *words = case.strip().split(",")
  argument = ",".join([f"{config}:tiny", *words, f"weights={here / kind}"])
  place = tmp_path / "run"
  few = "evaluators.baselines.names=()"
  path = f"data.path={here / data}"
  results = run(here, place, argument, path, few, *overrides)
  told = results["stages"]["train"]["init"]
  said = capsys.readouterr().out
  check_account(told, said, here / kind)
  check_predictions(place, here, data, tmp_path)
  check_export(place, tmp_path / "out")
  if "lora" in words:
    check_adapters(launched, place, here / kind, tmp_path / "adapters")
    check_merged(place, tmp_path / "out")
  else:
    with pytest.raises(UserError, match="the run has no adapters"):
      export.export(place, None, str(tmp_path / "adapters"), alone=True)
    assert not list(tmp_path.glob("*adapters*"))


TASKS = {
  "medical_abstracts,layerwise": ("own_text.py", NOTES, "notes.csv"),
  "bc5cdr,lora": ("own_iob.py", (), "train.iob"),
}


@pytest.mark.drill
@pytest.mark.parametrize("task", TASKS)
def test_a_public_bert_learns_a_public_task(task, here, tmp_path, capsys):
  """bert_finetune's own settings, with texts that are at hand."""
  path, overrides, data = TASKS[task]
  argument = f"bert_finetune.py:{task},tiny,weights={here / 'bert'}"
  config = command.config(str(ROOT / "configs" / argument), ())
  own = command.config(
    str(ROOT / "configs" / f"{path}:tiny,weights={here / 'bert'}"),
    (f"data.path={here / data}", *overrides),
  )
  assert config.data.tokenizer == own.data.tokenizer
  assert config.data.length == own.data.length == 40
  with config.unlocked():
    config.data = own.data
  folders = Folders(None, str(here / "cache"))
  results = study.study(config, tmp_path / "run", folders)
  told = results["stages"]["train"]["init"]
  check_account(told, capsys.readouterr().out, here / "bert")


def test_public_weights_are_compared_with_their_own_model_from_scratch(here):
  argument = f"bert_finetune.py:pubmedqa,compare,tiny,weights={here / 'bert'}"
  config = command.config(str(ROOT / "configs" / argument), ())
  arms = config.stages
  assert set(arms) == {"finetune", "scratch"}
  assert arms.finetune.start.weights == str(here / "bert")
  assert arms.scratch.start.weights == ""
  assert arms.scratch.objective == arms.finetune.objective
  assert arms.scratch.data == arms.finetune.data
  assert arms.scratch.optimizer == arms.finetune.optimizer


def check_account(told, said, folder):
  """Every leaf of the file and of the model is told once."""
  assert f"weights from {folder}" in said
  for name in ("loaded", "fresh", "unused"):
    assert f"{name}" in said
  assert told["from"] == str(folder)
  assert len(told["loaded"]) > 20
  assert all(
    any(part in path for part in ("head/", "pooler/", "lora/"))
    for path in told["fresh"]
  )
  variables = public.read(folder)
  known = {
    path if top == "params" else f"{top}/{path}"
    for top in variables
    for path in study.trees.paths(variables[top])
  }
  assert known == set(told["loaded"]) | set(told["unused"])


def check_predictions(place, here, data, tmp_path):
  new = here / data
  if data == "train.iob":
    new = tmp_path / "new.txt"
    new.write_text("she takes aspirin daily\nno asthma\n")
  written = predict.predict(place, None, str(new), str(tmp_path / "new.csv"))
  rows = list(csv.DictReader(written.open()))
  assert len(rows) > 1
  if data == "train.iob":
    assert [len(row["predicted"].split()) for row in rows] == [4, 2]


def check_export(place, out):
  """What is read back computes what the run computes."""
  export.export(place, None, str(out))
  trained = stages.opened(place)
  info = trained.model.info
  batch = {"image": np.ones((2, 32, 32, 3), np.uint8), "id": np.arange(2)}
  if isinstance(info.only, Tokens):
    tokens = np.arange(24, dtype=np.int32).reshape(2, 12)
    batch = {"tokens": tokens, "segment": np.ones_like(tokens)}
    batch |= {"positions": tokens % 12, "id": np.arange(2)}
  expected = trained.model.objective.predict(trained.variables, batch)
  plain, _ = trained.model.objective.innermost(trained.variables["params"])
  again = public.read(out, plain.net)
  assert "unread" not in again["params"]
  found = plain.predict(again, batch)
  key = "probs" if "probs" in expected else "value"
  if isinstance(info.target, Numbers):  # The file gives raw units by itself.
    own = {"params": again["params"]["model"]}
    value = plain.net.apply(own, batch)["logits"]
    np.testing.assert_allclose(value, expected["value"], atol=1e-4)
  else:
    np.testing.assert_allclose(found[key], expected[key], atol=1e-5)


def check_adapters(launched, place, base, out):
  """Adapters alone, on the public model they changed, are the run's model."""
  done = launched(
    "--mode=export", "--adapters", f"--workdir={place}", f"--output={out}"
  )
  assert done.returncode == 0, done.stderr
  sizes = [
    sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    for folder in (out, base)
  ]
  assert sizes[0] < sizes[1] / 2
  expected = tree.paths(stages.weights(place).params)
  saved = safetensors_file.read(out)
  assert {path.partition("/")[0] for path in saved} == {"lora", "model"}
  known = tree.paths(public.read(base)["params"])
  start = {
    path: known.get(path, np.full_like(leaf, 7))
    for path, leaf in expected.items()
  }
  params, alpha = adapters.read(
    out, traverse_util.unflatten_dict(start, sep="/")
  )
  assert alpha == stages.opened(place).model.objective.to_inner.alpha
  found = tree.paths(params)
  assert set(found) == set(expected)
  for path, leaf in expected.items():
    np.testing.assert_array_equal(found[path], leaf, path)
  moved = [path for path in saved if path.endswith("/b")]
  assert moved and all(np.abs(saved[path]).max() > 0 for path in moved)


def check_merged(place, out):
  """The whole export holds kernels with their changes in them, exactly."""
  trained = stages.opened(place)
  _, params = trained.model.objective.innermost(trained.variables["params"])
  expected = tree.paths(params)
  found = tree.paths(public.read(out)["params"])
  assert set(found) == set(expected)
  for path, leaf in expected.items():
    np.testing.assert_array_equal(found[path], leaf, path)
