"""A trained run in the layout of Hugging Face; its workdir alone is enough."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfm import spec, stages, tasks, workdir
from medfm.data.text import input as text_input
from medfm.objectives import lora
from medfm.tasks.regression import Numbers
from medfm.types import UserError
from medfm.weights import adapters, images, public, tokenizer_files


def export(
  place: Path, stage: str | None, output: str | None, *, alone: bool = False
) -> Path:
  """Writes a folder that `transformers` loads; returns its path.

  It holds config.json, model.safetensors and, for texts, the tokenizer or, for
  images, preprocessor_config.json. LoRA's adapters are merged into their
  kernels. A regression's head gives raw units. UserError for a model, or a leaf
  of it, that no public layout has.

  place, stage: as in `stages.opened`.
  output: a new or empty folder; by default `export` in the stage's folder.
  alone: writes only the adapters (and heads), as `weights.adapters` reads them.
  """
  trained = stages.opened(place, stage)
  target = Path(output or trained.folder / "export").expanduser()
  if target.exists() and (not target.is_dir() or any(target.iterdir())):
    raise UserError(f"{target} exists already; name a new folder with --output")
  part = target.with_name(f".{target.name}.partial")
  shutil.rmtree(part, ignore_errors=True)
  try:
    (_write_adapters if alone else _write)(part, trained)
    if target.exists():
      target.rmdir()
    part.rename(target)
  finally:
    shutil.rmtree(part, ignore_errors=True)
  print(f"exported {trained.name}: {target}", flush=True)
  return target


def _write_adapters(part: Path, trained: stages.Trained) -> None:
  merge = trained.model.objective.to_inner
  if not isinstance(merge, lora.Merge):
    raise UserError("the run has no adapters: its objective is not lora.lora")
  leaves = lora.trained(trained.variables["params"])
  adapters.write(part, leaves, alpha=merge.alpha)


def _write(part: Path, trained: stages.Trained) -> None:
  folder, info = trained.folder, trained.model.info
  outer, params = trained.model.objective, trained.variables["params"]
  objective, params = outer.innermost(params)
  if objective is not outer:
    print("adapters: merged into their kernels")
  model, notes = objective.net, {}
  if problem := tasks.of(info.target).PROBLEM_TYPE:
    notes["problem_type"] = problem
  if isinstance(info.target, Numbers):
    params, units = _raw_units(params, info.target)
    notes |= units
  text = text_input.among(info)
  if text is not None:  # The ids of special tokens, by their config.json names.
    ids = {"pad": tokenizer_files.padding(text.special)}
    ids |= {role: text.special.get(role) for role in ("bos", "eos")}
    notes |= {f"{k}_token_id": v for k, v in ids.items() if v is not None}
  tensors = public.write(
    part,
    {**trained.variables, "params": params},
    model,
    classes=info.target.names,
    notes=notes,
  )
  print(f"{type(model).__name__}: {len(tensors)} tensors")
  if (folder / "tokenizer.json").exists():
    saved = workdir.sealed(folder / "tokenizer.json")
    length = getattr(model, "length", 0)
    tokenizer_files.write(part, saved, info, length=length)
  if text is None or len(info.inputs) > 1:
    _describe_images(part, trained, model, params)


def _raw_units(params: Any, target: Numbers) -> tuple[Any, dict[str, Any]]:
  """Parameters whose head gives raw units, or else the mean and SD to do so."""
  mean, std = np.asarray(target.mean), np.asarray(target.std)
  std = np.where(std > 0, std, 1)
  head = dict(params["model"]["head"])
  if "bias" not in head:
    print(
      "the head has no bias, so its outputs stay standardised by target_mean "
      "and target_std of config.json"
    )
    return params, {"target_mean": mean.tolist(), "target_std": std.tolist()}
  head["kernel"] = np.asarray(head["kernel"]) * std[None]
  head["bias"] = np.asarray(head["bias"]) * std + mean
  return {**params, "model": {**params["model"], "head": head}}, {}


def _describe_images(
  part: Path, trained: stages.Trained, model: Any, params: Mapping[str, Any]
) -> None:
  """Writes preprocessor_config.json, if the images' size is known."""
  size = 0
  if (trained.folder / "encode.json").exists():
    size = spec.settings(stages.read_encode(trained.folder)).get("size", 0)
  if "positions" in params["model"]:
    places = params["model"]["positions"].shape[1] - 1
    size = round(places**0.5) * model.patch
  if not size:
    return
  objective = spec.settings(trained.model.run.objective)
  while "objective" in objective:  # Unwraps objectives around another.
    objective = spec.settings(objective["objective"])
  scaling = spec.settings(objective.get("inputs"))  # Those of `inputs.image`.
  public.note(part / images.NAME, images.described(size, scaling))
