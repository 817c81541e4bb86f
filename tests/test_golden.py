"""Resolved configs and parameter tables as text: no default changes unseen.

MEDFM_UPDATE_GOLDEN=1 writes them anew; the difference is for review.
"""

import os
import pathlib

import pytest

from medfm import command, setup, spec, stages, tree

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
LENGTHS = ("batch_size", "epochs", "steps", "seed")
CASES = (
  "quickstart.py",
  "linear_regression.py",
  "cnn.py:breastmnist",
  "cnn.py:pneumoniamnist,fast",
  "resnet.py:breastmnist",
  "resnet.py:breastmnist,r50",
  "table.py:cleveland",
  "table.py:cleveland,mlp",
  "imaging.py:covid",
  "imaging.py:crc",
  "own_images.py",
  "own_images.py:vit",
  "own_image_text.py",
  "own_iob.py",
  "own_slides.py",
  "own_slides.py:ordered",
  "own_text.py",
  "own_text.py:gpt,lora",
  "vit.py:breastmnist",
  "image_pretrain.py",
  "image_pretrain.py:mae",
  "image_pretrain.py:dino",
  "image_study.py",
  "image_study.py:mae,small",
  "image_study.py:mednist,small",
  "own_table.py",
  "own_table.py:regression",
  "own_table.py:survival",
  "survival.py:gbsg2",
  "survival.py:cgvhd,hazards,transformer",
  "bert_pretrain.py",
  "bert_finetune.py:bc5cdr",
  "bert_finetune.py:pubmedqa,frozen",
  "bert_finetune.py:hallmarks_of_cancer,compare,lora",
  "text_rnn.py:chemprot,gru",
  "text_study.py",
  "segment.py:hippocampus",
  "segment.py:nuclei",
  "own_masks.py",
  "own_volumes.py",
  "image_text.py",
  "gpt_pretrain.py",
  "gpt_pretrain.py:base,gpt2",
  "gpt_prompt.py:pubmedqa",
  "gpt_prompt.py:medical_abstracts,gpt2",
)

# Own data are not here; gpt_prompt asks the model of gpt_pretrain.
MODELS = [
  case
  for case in CASES
  if not case.startswith(("own_", "gpt_prompt", "gpt_pretrain.py:"))
]


def check(name, text):
  path = GOLDEN / f"{name}.txt"
  if os.environ.get("MEDFM_UPDATE_GOLDEN"):
    path.write_text(text)
  assert path.read_text() == text


def slug(case):
  return case.replace(".py", "").replace(":", "-").replace(",", "-")


def test_every_config_has_a_golden_file():
  files = {path.name for path in (ROOT / "configs").glob("*.py")}
  assert files == {case.partition(":")[0] for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_a_resolved_config_is_as_reviewed(case):
  config = command.config(str(ROOT / "configs" / case), [])
  check(f"{slug(case)}.config", command.listing(config) + "\n")


@pytest.mark.parametrize(
  ("study", "alone"),
  [
    *(
      (f"bert_finetune.py:bc5cdr,compare,{size}", f"bert_pretrain.py:{size}")
      for size in ("tiny", "small", "mini", "base")
    ),
    ("text_study.py:tiny", "bert_pretrain.py:tiny"),
    ("text_study.py", "bert_pretrain.py"),
    ("gpt_prompt.py:pubmedqa", "gpt_pretrain.py"),
  ],
)
def test_a_study_pretrains_as_the_config_of_its_model_does(study, alone):
  """Configs stand by themselves, so that what they repeat could part."""
  stage = command.config(str(ROOT / "configs" / study), []).stages.pretrain
  whole = command.config(str(ROOT / "configs" / alone), [])
  for key in ("data", "optimizer", *LENGTHS):
    assert stage[key] == whole[key], key
  assert stage.schedule.select == whole.schedule.select
  assert stage.devices.onednn == whole.devices.onednn
  ours, theirs = (one.objective.to_dict() for one in (stage, whole))
  for objective in (ours, theirs):  # Prompts may be longer than rows.
    objective["model"].pop("length")
  assert ours == theirs


@pytest.mark.parametrize("case", MODELS)
def test_parameters_are_as_reviewed(case, shared_folders):
  config = command.config(str(ROOT / "configs" / case), [])
  lines = []
  for name, run in stages.ordered(spec.build(config)).items():
    if "scratch" in name or name.endswith(("_1", "_5", "_10", "_25")):
      continue  # The same model as its neighbours.
    data = run.data(shared_folders)
    params = setup.job(run, data).abstract.params
    lines.append(f"{name}: {tree.count(params):,} parameters")
    for path, leaf in tree.paths(params).items():
      lines.append(f"  {path}  {tuple(leaf.shape)}  {leaf.dtype}")
  check(f"{slug(case)}.params", "\n".join(lines) + "\n")
