"""An experiment: a hypothesis, a base config, a list of settings; its cells.

`experiments/<study>.py` has a docstring, the hypothesis, and

  CONFIG = "configs/cnn.py:breastmnist,fast"   the base, as for --config
  def grid(): ...                   settings; see `combine`
  METRIC = "auroc"                  what arms are judged by (default: the
                                    metric that its runs select by); a search
                                    needs "-rmse" if less is better
  TUNED = ("optimizer.lr",)         keys whose best value each arm gets, by
                                    validation
  REFERENCE = {"optimizer.name": "adam"}   the arm that others are compared
                                    with (default: the best by validation)
  FIGURE = {"x": "optimizer.lr", "panels": "optimizer.name"}
  def unavailable(setting, raw): ...   why a setting cannot run on a machine
                                    with the raw folder `raw`, or ""

all but CONFIG and `grid` optional. In place of `grid`, `search` gives a
`combine.Search`: settings that are chosen by the validation scores of earlier
ones. Both may take one argument: the words after the colon in
--grid=FILE:words. Such a file is a program: run only those you would run
yourself.
"""

import dataclasses
import importlib.util
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medfm import command, jsons, spec
from medfm.grid import combine
from medfm.grid.cells import Cell, digest, readable, stage_config, varied
from medfm.grid.combine import ends
from medfm.types import UserError

Config = dict[str, Any]  # With every default, as JSON has it.


class Question(NamedTuple):
  """What judges a search on validation; identity: a hash of the search."""

  metric: str
  maximize: bool
  identity: str


_OPTIONAL = ("METRIC", "TUNED", "REFERENCE", "FIGURE", "unavailable")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """What an experiment file, or a sweep on the command line, asks for.

  It has either `settings`, or `search`, which chooses them from results.

  overrides: `key=value` of the command line, for every cell; a setting wins.
  raw: the folder of raw data files, to find out what is unavailable.
  """

  name: str
  hypothesis: str
  config: str
  settings: Sequence[combine.Setting] = ()
  search: combine.Search | None = None
  metric: str = ""
  tuned: Sequence[str] = ()
  reference: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  figure: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  unavailable: Callable[[combine.Setting, str | None], str] = (
    lambda setting, raw: ""
  )
  overrides: Sequence[str] = ()
  raw: str | None = None

  def plain(self, cells: Sequence[Cell]) -> dict[str, Any]:
    """What grid.json keeps, for readers who have only the folder."""
    names = ("name", "hypothesis", "config", "metric")
    return {name: getattr(self, name) for name in names} | {
      "tuned": list(self.tuned or (self.search.space if self.search else ())),
      "reference": combine.as_text(self.reference),
      "figure": dict(self.figure),
      "cells": [cell.plain() for cell in cells],
    }

  def cells(self, root: Path) -> list[Cell]:
    """The cells of a grid in a folder, in the order they are run in.

    A stage that several of them start from becomes a separate cell.
    """
    distinct: dict[str, tuple[combine.Setting, Config]] = {}
    for setting in self.settings:
      config = self.resolved(setting)
      distinct.setdefault(_text(config), (setting, config))
    shared = _shared(config for _, config in distinct.values())
    keys = varied([setting for setting, _ in distinct.values()])
    planned: dict[str, Cell] = {}
    for text, (setting, config) in distinct.items():
      why = self.unavailable(setting, self.raw)
      sources, config = _divided(config, shared, root)
      needs = tuple(shared[source] for source in sources)
      for name, source in zip(needs, sources, strict=True):
        first = Cell(name, root / name, {}, source, unavailable=why)
        planned.setdefault(name, first)
      name = f"{readable(setting, keys)}-{digest(text)[:8]}"
      facts = (root / name, setting, _text(config), needs, why)
      planned[name] = Cell(name, *facts)
    return list(planned.values())

  def cell(self, root: Path, setting: combine.Setting) -> Cell:
    """The cell of one trial of a search; its name shows the searched keys."""
    setting = {**self.search.fixed, **setting}
    text = _text(self.resolved(setting))
    name = f"{readable(setting, self.search.space)}-{digest(text)[:8]}"
    why = self.unavailable(setting, self.raw)
    return Cell(name, root / name, setting, text, unavailable=why)

  def question(self) -> Question:
    """Checks a search against its config, before anything runs.

    Raises:
      UserError: the config does not take a key, an end of a range or a choice;
        a stage is missing; there is no metric to judge by.
    """
    search = self.search
    first = {key: ends(values)[0] for key, values in search.space.items()}
    for key, values in search.space.items():
      for end in reversed(ends(values)):
        config = self.resolved({**search.fixed, **first, key: end})
    stages = config.get("stages", {})
    if search.stage not in (stages or {""}):
      known = f"one of {', '.join(stages)}" if stages else "empty: it has none"
      raise UserError(f"stage={search.stage!r} of the search must be {known}")
    schedule = stage_config(config, search.stage).get("schedule", {})
    selected = schedule.get("select", "")
    metric = (self.metric or selected).removeprefix("-")
    if not metric:
      raise UserError(
        "a search needs METRIC in the experiment, or a config that sets "
        "schedule.select"
      )
    maximize = "-" + metric not in (self.metric, selected)
    same = dataclasses.replace(search, trials=1)
    text = json.dumps([config, repr(same), metric], sort_keys=True)
    return Question(metric, maximize, digest(text)[:12])

  def resolved(self, setting: combine.Setting) -> Config:
    """The config of a setting, with every default in it."""
    changes = [f"{key}={v}" for key, v in setting.items() if key != "config"]
    source = str(setting.get("config", self.config))
    config = command.config(source, [*self.overrides, *changes])
    return jsons.parsed(spec.to_json(config))


def load(argument: str) -> Experiment:
  """The experiment of `FILE[:words]`; any mistake in it is a one-line error."""
  name, _, words = argument.partition(":")
  path = Path(name)
  if not path.is_file():
    near = spec.nearest(name, map(str, path.parent.glob("*.py")))
    raise UserError(f"--grid={name}: there is no such file{near}")
  try:
    return _experiment(path, words)
  except UserError as error:
    raise UserError(f"{path}: {error}") from error
  except Exception as error:
    raise UserError(f"{path}: {type(error).__name__}: {error}") from error


def of_sweep(
  argument: str, overrides: Sequence[str], trials: int = 0
) -> Experiment:
  """The experiment of `--sweep --config=ARGUMENT --config.key=value,value`.

  trials: of a search, whose overrides may be ranges; 0 for all settings.
  """
  search = combine.searched(overrides, trials) if trials else None
  settings = [] if search else combine.sweep(overrides)
  if not search and len(settings) < 2:
    raise UserError(
      "--sweep needs a flag with several values, such as "
      "--config.optimizer.lr=1e-4,1e-3"
    )
  several = [text.partition("=")[0] for text in overrides if "," in text]
  kind, keys = ("search", search.space) if search else ("sweep", several)
  return Experiment(
    name=f"{kind}-{_name(argument)}",
    hypothesis=f"A {kind} of {argument} over {', '.join(keys)}.",
    config=argument,
    settings=settings,
    search=search,
  )


def _name(argument: str) -> str:
  path, _, words = argument.partition(":")
  return "-".join([Path(path).stem, *filter(None, words.split(","))])


def _experiment(path: Path, words: str) -> Experiment:
  module_spec = importlib.util.spec_from_file_location(path.stem, path)
  if module_spec is None:
    raise UserError("expected a .py file")
  module = importlib.util.module_from_spec(module_spec)
  module_spec.loader.exec_module(module)
  if not hasattr(module, "CONFIG"):
    raise UserError("CONFIG is missing: set it to the base config")
  functions = [name for name in ("grid", "search") if hasattr(module, name)]
  if len(functions) != 1:
    raise UserError("expected a function grid or a function search, not both")
  (name,) = functions
  function = getattr(module, name)
  takes_words = bool(inspect.signature(function).parameters)
  if words and not takes_words:
    raise UserError(f"{name}() takes no argument, so no {words!r}")
  asked = function(words) if takes_words else function()
  if name == "grid":
    given: dict[str, Any] = {"settings": list(asked)}
    if not given["settings"]:
      raise UserError("grid() returns no settings")
  elif isinstance(asked, combine.Search):
    given = {"search": asked}
  else:
    raise UserError("search() must return a combine.Search")
  set_here = [key for key in _OPTIONAL if hasattr(module, key)]
  given |= {key.lower(): getattr(module, key) for key in set_here}
  return Experiment(
    name=_name(f"{path}:{words}"),
    hypothesis=inspect.cleandoc(module.__doc__ or ""),
    config=module.CONFIG,
    **given,
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
  """Name -> text of stages that others start from, that start fresh and are not
  compared."""
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
