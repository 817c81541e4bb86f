"""From an experiment to its cells; stages that several share run once."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medfm import command, spec
from medfm.grid.cells import Cell, digest, readable, varied
from medfm.grid.combine import Setting
from medfm.grid.experiment import Experiment

Config = dict[str, Any]
"""A resolved config as JSON has it."""


def cells(asked: Experiment, root: Path) -> list[Cell]:
  """The cells of an experiment in the order they are run in.

  root: the grid's folder.

  Raises:
    UserError: a setting that its config does not take.
  """
  distinct: dict[str, tuple[Setting, Config]] = {}
  for setting in asked.settings:
    config = resolved(asked, setting)
    distinct.setdefault(_text(config), (setting, config))
  shared = _shared(config for _, config in distinct.values())
  keys = varied([setting for setting, _ in distinct.values()])
  planned: dict[str, Cell] = {}
  for text, (setting, config) in distinct.items():
    why = asked.unavailable(setting, asked.raw)
    sources, config = _divided(config, shared, root)
    for source in sources:
      name = shared[source]
      first = Cell(name, root / name, {}, source, unavailable=why)
      planned.setdefault(name, first)
    name = f"{readable(setting, keys)}-{digest(text)[:8]}"
    needs = tuple(shared[source] for source in sources)
    planned[name] = Cell(name, root / name, setting, _text(config), needs, why)
  return list(planned.values())


def cell(asked: Experiment, root: Path, setting: Setting) -> Cell:
  """The cell of one trial of a search; its name tells what is searched."""
  setting = {**asked.search.fixed, **setting}
  text = _text(resolved(asked, setting))
  name = f"{readable(setting, asked.search.space)}-{digest(text)[:8]}"
  why = asked.unavailable(setting, asked.raw)
  return Cell(name, root / name, setting, text, unavailable=why)


def resolved(asked: Experiment, setting: Mapping[str, Any]) -> Config:
  """The config of a setting, with every default in it."""
  changes = [f"{key}={v}" for key, v in setting.items() if key != "config"]
  source = str(setting.get("config", asked.config))
  return json.loads(
    spec.to_json(command.config(source, [*asked.overrides, *changes]))
  )


def _text(config: Config) -> str:
  return json.dumps(config, indent=2, sort_keys=True) + "\n"


def _shared(configs: Iterable[Config]) -> dict[str, str]:
  """Text of each stage that several studies start from -> its cell's name."""
  sources = [item for config in configs for item in _sources(config).items()]
  counts = Counter(text for _, text in sources)
  return {
    text: f"shared-{name}-{digest(text)[:8]}"
    for name, text in reversed(sources)  # Named as the first study names it.
    if counts[text] > 1
  }


def _sources(config: Config) -> dict[str, str]:
  """Texts of stages that others start from, themselves fresh, not compared."""
  stages = config.get("stages", {})
  compared = {name for pair in config.get("compare", ()) for name in pair}
  started = {stage["start"]["weights"] for stage in stages.values()}
  return {
    name: _text(stage)
    for name, stage in stages.items()
    if name in started - compared and not stage["start"]["weights"]
  }


def _divided(
  config: Config, shared: Mapping[str, str], root: Path
) -> tuple[list[str], Config]:
  """Texts of a config's shared stages, and the config without these stages."""
  texts = {n: text for n, text in _sources(config).items() if text in shared}
  if not texts:
    return [], config
  stages = {}
  for name, stage in config["stages"].items():
    if (source := stage["start"]["weights"]) in texts:
      weights = str(root / shared[texts[source]])
      stage = stage | {"start": stage["start"] | {"weights": weights}}
    if name not in texts:
      stages[name] = stage
  return list(texts.values()), config | {"stages": stages}
