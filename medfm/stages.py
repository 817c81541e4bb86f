"""The stages of a run, and what the folder of each holds."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medfm import command, jsons, settings, setup, spec, workdir
from medfm import mesh as meshes
from medfm import step as steps
from medfm.checkpoint import Checkpoints
from medfm.data import files
from medfm.types import Info, Reading, Split, UserError, Variables

SINGLE = "train"
"""The name of the only stage of a config for a single run."""


def ordered(built: Any) -> Mapping[str, settings.Run]:
  """The runs of a built config by name, each after the one it starts from.

  A config keeps no order, so the rest is sorted by name (5 before 10).
  """
  if isinstance(built, settings.Run):
    return {SINGLE: built}
  if not isinstance(built, settings.Study):
    raise UserError("a config must describe a settings.Run or a settings.Study")
  for name in (name for pair in built.compare for name in pair):
    if name not in built.stages:
      raise UserError(
        f"compare names the stage {name!r}{spec.nearest(name, built.stages)}, "
        "which does not exist"
      )
  runs: dict[str, settings.Run] = {}
  waiting = sorted(built.stages, key=_natural)
  while waiting:
    for name in waiting:
      if built.stages[name].start.weights not in waiting:
        break
    else:
      raise UserError(f"stages start from each other: {', '.join(waiting)}")
    runs[name] = built.stages[name]
    waiting.remove(name)
  return runs


def _natural(name: str) -> list[Any]:
  """A sorting key that reads the numbers in a name as numbers."""
  words = re.split(r"(\d+)", name)
  return [int(word) if word.isdecimal() else word for word in words]


def chosen(place: Path, stage: str | None) -> Mapping[str, settings.Run]:
  """The runs of a workdir's config.json by name; only `stage`, if named."""
  path = place / "config.json"
  try:
    built = spec.build(spec.from_json(jsons.text(path), path))
  except (OSError, ValueError):
    raise UserError(
      f"{path} is missing or damaged; set --workdir to the folder of a run"
    ) from None
  known = ordered(built)
  if stage is None:
    return known
  if stage not in known:
    raise UserError(
      f"--stage={stage}: there is no such stage{spec.nearest(stage, known)}; "
      f"there are {', '.join(known)}"
    )
  return {stage: known[stage]}


class Trained(NamedTuple):
  """A finished stage, opened again.

  name, folder: of the stage.
  model: the run, the description of its training data, its objective, and a
    compiled `predict` of (variables, a batch that `setup.placed` placed).
  variables: those that `predict` reads, on the host.
  """

  name: str
  folder: Path
  model: setup.Inference
  variables: Variables


def opened(place: Path, stage: str | None = None) -> Trained:
  """A stage of a workdir, the last one by default, with no optimizer built.

  It predicts on all devices, whatever mesh it was trained on. UserError if
  there is no such stage, or no sound checkpoint of it.
  """
  name, run = list(chosen(place, stage).items())[-1]
  home = folder(place, name)
  devices = dataclasses.replace(run.devices, mesh=meshes.mesh)
  run = dataclasses.replace(run, devices=devices)
  model = setup.inference(run, workdir.info(home))
  return Trained(name, home, model, steps.variables(weights(home)))


def folder(place: Path, name: str) -> Path:
  """The folder of a stage: the workdir itself for a single run."""
  return place if name == SINGLE else place / name


def weights(place: Path) -> steps.TrainState:
  """The state of a stage's best checkpoint, else its newest, on the host."""
  with contextlib.closing(Checkpoints(place / "checkpoints")) as saved:
    newest = saved.newest()
    if newest is None:
      raise UserError(f"{place} has no finished checkpoint: train it first")
    best = saved.best(newest)
    return steps.TrainState(**saved.raw(newest if best is None else best))


def read_encode(
  place: Path, given: Sequence[str] = ()
) -> Callable[[str, Info], Split]:
  """The reader of new files that fit a stage's data, from its encode.json.

  given: `data.name=value`, settings of the new files' layout
    (`files.laid_out`); cells that mean missing are added to those of training.
  """
  path = place / "encode.json"
  if not path.exists():
    raise UserError(
      f"{place} was trained on a fixed data set, which takes no new files; "
      "evaluate it on another data set with --mode=evaluate --on=CONFIG"
    )
  try:
    config = spec.from_json(workdir.sealed(path), path)
    _lay_out(config, given)
    return spec.build(config)
  except ValueError:
    raise UserError(f"{path} is damaged; restore it or train again") from None


def _lay_out(config: Any, given: Sequence[str]) -> None:
  """Applies the settings of the new files' layout."""
  names = files.layout(spec.function(spec.build(config)))
  known = config.get("missing", ())
  for text in given:
    key, _, value = text.partition("=")
    name = key.removeprefix("data.")
    if name not in names or key == name:
      raise UserError(
        f"--config.{key}: new files are read as in training; only their layout "
        f"can be set, with --config.data and {', '.join(names)}"
      )
    command.override(config, name, value)
  if given and known:
    config.missing = tuple(dict.fromkeys((*known, *config.missing)))


def reading(trained: Trained) -> Reading:
  """How a finished stage reads another cohort."""
  info, encode = trained.model.info, None
  if (trained.folder / "encode.json").exists():
    encode = read_encode(trained.folder)
  return Reading(info.inputs, info.target, spec.settings(encode))
