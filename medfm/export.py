"""A trained run in the layout of Hugging Face; its workdir alone is enough."""

import functools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfm import setup, stages
from medfm import step as steps
from medfm.objectives import lora
from medfm.objectives.backbone import backbone
from medfm.types import Info, UserError
from medfm.weights import adapters, images, public, tokenizer_files

PROBLEMS = {
  "multiclass": "single_label_classification",
  "multilabel": "multi_label_classification",
  "regression": "regression",
}


def export(
  place: Path, stage: str | None, output: str | None, *, alone: bool = False
) -> Path:
  """Writes a folder that `transformers` loads; returns its path.

  config.json, model.safetensors and, of texts, the tokenizer, or of images,
  preprocessor_config.json. LoRA's adapters are merged into their kernels. A
  regression's head gives raw units.

  Args:
    place: a workdir.
    stage: one of its stages; the last by default.
    output: a folder that is new or empty; `export` in the stage's folder by
      default.
    alone: the adapters (and heads) alone, as `weights.adapters` reads them.

  Raises:
    UserError: a model or a leaf that has no place in a public layout.
  """
  name, run = list(stages.chosen(place, stage).items())[-1]
  own = stages.folder(place, name)
  info = stages.read_info(own)
  target = Path(output or own / "export").expanduser()
  if target.exists() and (not target.is_dir() or any(target.iterdir())):
    raise UserError(f"{target} exists already; name a new folder with --output")
  part = target.with_name(f".{target.name}.partial")
  shutil.rmtree(part, ignore_errors=True)
  variables = dict(steps.variables(stages.weights(own)))
  try:
    if alone:
      params, alpha = variables["params"], _alpha(run.objective)
      adapters.write(part, lora.trained(params), alpha=alpha)
    else:
      _write(part, run, own, info, variables)
    if target.exists():
      target.rmdir()
    part.rename(target)
  finally:
    shutil.rmtree(part, ignore_errors=True)
  print(f"exported {name}: {target}", flush=True)
  return target


def _write(
  part: Path, run: setup.Run, own: Path, info: Info, variables: dict[str, Any]
) -> None:
  params = variables["params"]
  if lora.SCOPE in params:
    params = lora.merged(params, _alpha(run.objective))
    print("adapters: merged into their kernels")
  notes: dict[str, Any] = {}
  if info.task in PROBLEMS:
    notes["problem_type"] = PROBLEMS[info.task]
  if info.task == "regression":
    params, notes = _raw_units(params, info, notes)
  model = backbone(info, setup.inner_model(run.objective), outputs=0)
  notes |= _ends(info)
  tensors = public.write(
    part,
    {**variables, "params": params},
    model,
    classes=info.classes,
    notes=notes,
  )
  print(f"{type(model).__name__}: {len(tensors)} tensors")
  if (own / "tokenizer.json").exists():
    text = (own / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer_files.write(part, text, info, length=getattr(model, "length", 0))
  elif not info.vocabulary:
    _describe_images(part, run, own, model, params)


def _alpha(objective: Callable) -> float:
  """LoRA's scale, of a run's objective."""
  if getattr(objective, "func", None) is not lora.lora:
    raise UserError("the run has no adapters: its objective is not lora.lora")
  return objective.keywords["alpha"]


def _raw_units(params, info: Info, notes: Mapping[str, Any]):
  """A head that gives targets as they are instead of standardised ones."""
  mean, std = np.asarray(info.target_mean), np.asarray(info.target_std)
  std = np.where(std > 0, std, 1)
  head = dict(params["model"]["head"])
  if "bias" not in head:
    print(
      "the head has no bias: its outputs stay standardised, by target_mean and "
      "target_std of config.json"
    )
    return params, {
      **notes,
      "target_mean": mean.tolist(),
      "target_std": std.tolist(),
    }
  head["kernel"] = np.asarray(head["kernel"]) * std[None]
  head["bias"] = np.asarray(head["bias"]) * std + mean
  return {**params, "model": {**params["model"], "head": head}}, notes


def _ends(info: Info) -> dict[str, int]:
  """The special tokens' ids, as config.json names them."""
  if not info.vocabulary:
    return {}
  names = {"pad": "pad_token_id", "bos": "bos_token_id", "eos": "eos_token_id"}
  found = {theirs: info.special.get(ours) for ours, theirs in names.items()}
  found["pad_token_id"] = tokenizer_files.padding(info.special)
  return {name: value for name, value in found.items() if value is not None}


def _describe_images(part, run, own, model, params) -> None:
  """Writes preprocessor_config.json, where the images' size is known."""
  size = 0
  if (own / "encode.json").exists():
    size = stages.read_encode(own).keywords.get("size", 0)
  if "positions" in params["model"]:
    places = params["model"]["positions"].shape[1] - 1
    size = round(places**0.5) * model.patch
  if size:
    inputs = _innermost(run.objective).keywords.get("inputs")
    scaling = getattr(inputs, "keywords", {})
    public.note(part / images.NAME, images.described(size, scaling))


def _innermost(objective: functools.partial) -> functools.partial:
  """The objective that others are wrapped around."""
  inner = objective.keywords.get("objective")
  return objective if inner is None else _innermost(inner)
