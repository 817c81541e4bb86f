"""From an experiment to its cells; stages that several share run once."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm import command, spec
from medfm.grid.cells import Cell, digest, names, readable
from medfm.grid.experiment import Experiment

Config = dict[str, Any]
"""A resolved config as JSON has it."""


def cells(
  experiment: Experiment, root: Path, overrides: Sequence[str], raw: str | None
) -> list[Cell]:
  """The cells of an experiment in the order they are run in.

  experiment: of `experiment.load`.
  root: the grid's folder.
  overrides: of the command line, for every cell; a setting wins.
  raw: the folder of raw data files, for what may be unavailable.

  Raises:
    UserError: a setting that its config does not take.
  """
  configs: dict[str, Config] = {}
  settings = []
  for setting in experiment.settings:
    config = resolved(experiment.config, setting, overrides)
    if (key := _text(config)) not in configs:
      configs[key] = config
      settings.append(setting)
  shared = _shared(list(configs.values()))
  found: dict[str, Cell] = {}
  for words, setting, (key, config) in zip(
    names(settings), settings, configs.items(), strict=True
  ):
    without, needs = _started_from(config, shared, root)
    why = experiment.unavailable(setting, raw)
    for text in needs:
      first = Cell(shared[text], root / shared[text], {}, text, (), why)
      found.setdefault(first.name, first)
    label = f"{words}-{digest(key)[:8]}"
    found[label] = Cell(
      name=label,
      folder=root / label,
      setting=setting,
      request=_text(without),
      needs=tuple(shared[text] for text in needs),
      unavailable=why,
    )
  return list(found.values())


def cell(
  experiment: Experiment,
  root: Path,
  setting: Mapping[str, Any],
  overrides: Sequence[str],
  raw: str | None,
) -> Cell:
  """The cell of one trial of a search; its name tells what is searched."""
  setting = {**experiment.search.fixed, **setting}
  text = _text(resolved(experiment.config, setting, overrides))
  label = f"{readable(setting, experiment.search.space)}-{digest(text)[:8]}"
  why = experiment.unavailable(setting, raw)
  return Cell(label, root / label, setting, text, (), why)


def resolved(
  base: str, setting: Mapping[str, Any], overrides: Sequence[str]
) -> Config:
  """The config of a setting, with every default in it."""
  changes = {
    key: text for key, _, text in (o.partition("=") for o in overrides)
  }
  changes |= {key: str(v) for key, v in setting.items() if key != "config"}
  made = command.config(
    str(setting.get("config", base)),
    [f"{key}={text}" for key, text in changes.items()],
  )
  return json.loads(spec.to_json(made))


def _text(config: Config) -> str:
  return json.dumps(config, indent=2, sort_keys=True) + "\n"


def _shared(configs: Sequence[Config]) -> dict[str, str]:
  """Text of each stage that several studies start from -> its cell's name."""
  counts: Counter[str] = Counter()
  named: dict[str, str] = {}
  for config in configs:
    for name in _sources(config):
      text = _text(config["stages"][name])
      counts[text] += 1
      named.setdefault(text, name)
  return {
    text: f"shared-{named[text]}-{digest(text)[:8]}"
    for text, count in counts.items()
    if count > 1
  }


def _sources(config: Config) -> list[str]:
  """Stages that others start from, themselves fresh and not compared."""
  stages = config.get("stages", {})
  compared = {name for pair in config.get("compare", ()) for name in pair}
  started = {stage["start"]["weights"] for stage in stages.values()}
  return [
    name
    for name, stage in stages.items()
    if name in started
    and not stage["start"]["weights"]
    and name not in compared
  ]


def _started_from(
  config: Config, shared: Mapping[str, str], root: Path
) -> tuple[Config, list[str]]:
  """The config with its shared stages taken out, and their texts."""
  texts = {name: _text(config["stages"][name]) for name in _sources(config)}
  texts = {name: text for name, text in texts.items() if text in shared}
  if not texts:
    return config, []
  stages = {}
  for name, stage in config["stages"].items():
    if name in texts:
      continue
    source = stage["start"]["weights"]
    if source in texts:
      weights = str(root / shared[texts[source]])
      stage = stage | {"start": stage["start"] | {"weights": weights}}
    stages[name] = stage
  return config | {"stages": stages}, list(texts.values())
