"""An experiment file: a hypothesis, a base config, and a list of settings.

`experiments/<study>.py` has a docstring, the hypothesis, and

  CONFIG = "configs/cnn.py:breastmnist,fast"   the base, as for --config
  def grid(): ...                   settings; see `combine`
  METRIC = "auroc"                  what arms are judged by (default: the
                                    metric that its runs select by); a search
                                    needs "-rmse" where less is better
  TUNED = ("optimizer.lr",)         keys whose best value each arm gets, by
                                    validation
  REFERENCE = {"optimizer.name": "adam"}   the arm others are tested against
                                    (default: the best by validation)
  FIGURE = {"x": "optimizer.lr", "lines": ("optimizer.name",)}
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm import spec
from medfm.grid import combine
from medfm.grid.cells import Cell
from medfm.types import UserError

_OPTIONAL = ("METRIC", "TUNED", "REFERENCE", "FIGURE", "unavailable")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """What an experiment file, or a sweep of the command line, asks for.

  Either `settings`, or `search` has them chosen as results come in.

  overrides: `key=value` of the command line, for every cell; a setting wins.
  raw: the folder of raw data files, for what may be unavailable.
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
    """What grid.json keeps, for whoever has only the folder."""
    return {
      "name": self.name,
      "hypothesis": self.hypothesis,
      "config": self.config,
      "metric": self.metric,
      "tuned": list(self.tuned),
      "reference": combine.as_text(self.reference),
      "figure": dict(self.figure),
      "cells": [cell.plain() for cell in cells],
    }


def load(argument: str) -> Experiment:
  """The experiment of `FILE[:words]`.

  Raises:
    UserError: one line for whatever is wrong with the file.
  """
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
  if trials:
    search = combine.searched(overrides, trials)
    given = {"search": search, "tuned": tuple(search.space)}
    kind, keys = "search", tuple(search.space)
  else:
    given = {"settings": combine.sweep(overrides)}
    kind = "sweep"
    keys = [text.partition("=")[0] for text in overrides if "," in text]
    if len(given["settings"]) < 2:
      raise UserError(
        "--sweep needs a flag with several values, such as "
        "--config.optimizer.lr=1e-4,1e-3"
      )
  return Experiment(
    name=f"{kind}-{_name(argument)}",
    hypothesis=f"A {kind} of {argument} over {', '.join(keys)}.",
    config=argument,
    **given,
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
    raise UserError("an experiment file has CONFIG; this one has none")
  functions = [name for name in ("grid", "search") if hasattr(module, name)]
  if len(functions) != 1:
    raise UserError("an experiment file has either grid or search")
  (name,) = functions
  function = getattr(module, name)
  takes_words = bool(inspect.signature(function).parameters)
  if words and not takes_words:
    raise UserError(f"{name}() takes no argument, so no {words!r}")
  asked = function(words) if takes_words else function()
  if name == "grid":
    given: dict[str, Any] = {"settings": list(asked)}
    if not given["settings"]:
      raise UserError("grid() gives no settings")
  elif isinstance(asked, combine.Search):
    given = {"search": asked, "tuned": tuple(asked.space)}
  else:
    raise UserError("search() gives a combine.Search")
  given |= {
    key.lower(): value
    for key, value in vars(module).items()
    if key in _OPTIONAL
  }
  return Experiment(
    name=_name(f"{path}:{words}"),
    hypothesis=inspect.cleandoc(module.__doc__ or ""),
    config=module.CONFIG,
    **given,
  )
