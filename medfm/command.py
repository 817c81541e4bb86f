"""Turns the command line into a config; every mistake is a one-line error."""

import ast
import difflib
import fnmatch
import importlib.util
import inspect
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from medfm import jsons, spec
from medfm.types import UserError


def config(argument: str, overrides: Sequence[str]) -> Any:
  """The config of `FILE[:variant]` with overrides `a.b=value` applied.

  FILE is a Python file with `get_config(arg)`, or a run's config.json. A
  Python config file is a program: run only those you would run yourself.
  """
  path, variant = _file(argument)
  if not path.is_file():
    near = spec.nearest(str(path), map(str, path.parent.glob("*.py")))
    raise UserError(f"--config={path}: there is no such file{near}")
  made = _json(path) if path.suffix == ".json" else _python(path, variant)
  if not isinstance(made, ml_collections.ConfigDict):
    raise UserError(f"{path}: get_config must return a config of `spec`")
  for text in overrides:
    key, equals, value = text.partition("=")
    if not equals:
      raise UserError(f"--config.{key} needs a value: --config.{key}=...")
    for name in _matching(made, key):
      override(made, name, value)
  return made.lock()


def _file(argument: str) -> tuple[Path, str]:
  """The file and the variant of `FILE[:variant]`; folders may hold colons."""
  words = argument.split(":")
  for count in range(1, len(words) + 1):
    path = Path(":".join(words[:count]))
    if path.is_file():
      return path, ":".join(words[count:])
  return Path(words[0]), ":".join(words[1:])


def default_workdir(argument: str) -> str:
  """`runs/<config>-<variant>` for a `--config` argument.

  A path among the variants is shortened to its last name.
  """
  path, variant = _file(argument)
  if path.name == "config.json":
    return str(path.parent)
  shown = [word.rstrip("/").rpartition("/")[2] for word in variant.split(",")]
  words = [path.stem, *filter(None, re.split(r"[^\w.]+", ",".join(shown)))]
  return os.path.join("runs", "-".join(words))


def override(config: ml_collections.ConfigDict, key: str, text: str) -> None:
  """Sets one leaf from text, in the type it has."""
  node, (*groups, word) = config, key.split(".")
  for group in groups:
    node = _child(node, group, key, config)
  current = _child(node, word, key, config)
  if word in (spec.CALL, spec.BIND):
    raise UserError(f"--config.{key} can only be set in the config file")
  if not isinstance(current, ml_collections.ConfigDict):
    if spec.holds_words(node, word):
      node[word] = _words(text)
    else:
      node[word] = _parsed(key, text, node.get_type(word), current)
    return
  try:
    values = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    values = None
  if not isinstance(values, dict):
    raise UserError(
      f"--config.{key} is a group of settings; set one of them with "
      f"--config.{key}.name=value"
    )
  for name, value in values.items():
    override(config, f"{key}.{name}", str(value))


class Asked(NamedTuple):
  """A cohort to evaluate on.

  label: what the user called it. data: the `data` entry of a config; None
  for the run's own data. evaluation: settings that replace the run's, by name.
  """

  label: str
  data: Any | None
  evaluation: Mapping[str, Any] = {}


def elsewhere(
  given: Sequence[str], overrides: Sequence[str], trained: str
) -> list[Asked]:
  """The cohorts that `--on` names.

  Each is `FILE[:variant]`, perhaps followed by its settings, as in
  `configs/a.py --config.data.path=b.csv`; settings without a FILE change the
  run's config. FILEs without settings may be given as one list with commas.

  overrides: settings for all cohorts, of `data` or those of `JUDGING`.
  trained: the run's config.json. Without `--on` there is one cohort: the data
  of the run's config, after overrides of `data`.
  """
  if not given:
    return [_cohort("", overrides, trained) if overrides else Asked("", None)]
  return [
    _cohort(text, overrides, trained)
    for word in given
    for text in _listed(word)
  ]


def _listed(text: str) -> list[str]:
  """Splits `a.py,b.py`, but not at commas within a variant or a setting."""
  parts = [part.strip() for part in text.split(",")]
  files = [_file(part)[0].is_file() for part in parts]
  return parts if all(files) else [text]


def _cohort(text: str, overrides: Sequence[str], trained: str) -> Asked:
  try:
    words = shlex.split(text)
  except ValueError as error:
    raise UserError(f"--on={text}: {error}".lower()) from None
  flag = "--config."
  if flag not in text and _file(text)[0].is_file():
    words = [text]  # A file whose name holds blanks.
  settings = [w.removeprefix(flag) for w in words if w.startswith(flag)]
  files = [word for word in words if not word.startswith(flag)]
  if len(files) > 1:
    raise UserError(
      f"--on={text}: {files[1]!r} is neither a setting (--config.name=value) "
      "nor a second cohort: give --on once for each cohort"
    )
  (source,) = files or [trained]
  path, _ = _file(source)
  if path.is_dir() or path.suffix not in (".py", ".json"):
    raise UserError(
      f"--on={text} is not a config; for other files of the run's own kind "
      f'give --on="--config.data.path={source}"'
    )
  try:
    every = [*overrides, *settings]
    run = _first_stage(config(source, every))
    return _asked(
      text, run, [word.partition("=")[0] for word in every], not files
    )
  except UserError as error:
    where = f"--on={text}: " if text else ""
    raise UserError(f"{where}{error}") from error


def _asked(
  text: str, run: ml_collections.ConfigDict, keys: Sequence[str], own: bool
) -> Asked:
  """The cohort of a config in which these keys were set.

  own: whether it is the config of the trained run.
  """
  words = [re.sub(r"^stages\.[^.]+\.", "", key) for key in keys]
  of_data = [word.split(".")[0] == "data" for word in words]
  for key, word, fits in zip(keys, words, of_data, strict=True):
    if word not in JUDGING and not fits:
      raise UserError(
        f"--config.{key} changes nothing here: an evaluation uses the settings "
        f"of the run, except those of data and {' and '.join(JUDGING)}"
      )
  names = [word.partition(".")[2] for word in words if word in JUDGING]
  chosen = {name: run.evaluation[name] for name in names}
  if own and not any(of_data):
    return Asked(text, None, chosen)
  if own and "data.path" in words and "data.test_path" not in words:
    _leave_out_second_file(run)
  return Asked(text, run.data, chosen)


def _leave_out_second_file(run: ml_collections.ConfigDict) -> None:
  """Drops the run's test file, which does not belong to another cohort."""
  if run.data.get("test_path"):
    line = f"test_path={run.data.test_path} is the run's, and is not used here"
    print(line, flush=True)
    run.data.test_path = ""


JUDGING = ("evaluation.prevalence", "evaluation.replicates")
"""Settings, beside those of data, that an evaluation may change."""


def data(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The `data` entry of a run, or of a study's first stage."""
  return _first_stage(config).data


def _first_stage(
  config: ml_collections.ConfigDict,
) -> ml_collections.ConfigDict:
  while "stages" in config:
    config = config.stages[next(iter(config.stages))]
  return config


def listing(config: ml_collections.ConfigDict) -> str:
  """One line per setting: key = value (type)."""
  return "\n".join(
    f"{key} = {value!r}  ({'none' if value is None else type(value).__name__})"
    for key, value in spec.flat(config).items()
  )


def _matching(config: ml_collections.ConfigDict, pattern: str) -> list[str]:
  """The keys that a key with `*` in it stands for, such as stages.*.seed."""
  if "*" not in pattern:
    return [pattern]
  keys = fnmatch.filter(spec.flat(config), pattern)
  keys = [key for key in keys if key.count(".") == pattern.count(".")]
  if not keys:
    raise UserError(f"--config.{pattern}: no setting matches")
  return keys


def _child(node: Any, word: str, key: str, config: Any) -> Any:
  if isinstance(node, ml_collections.ConfigDict) and word in node:
    return node[word]
  known = list(spec.flat(config))
  near = spec.nearest(key, known)
  if not near:
    last = {name.rpartition(".")[2]: name for name in known}
    for close in difflib.get_close_matches(word, last, 1, 0.5):
      near = f" (nearest: {last[close]})"
  raise UserError(f"--config.{key}: there is no such key{near}")


def _parsed(key: str, text: str, kind: type, current: Any) -> Any:
  """The value of a text in a setting's type."""
  if current is None and text == "None":
    return None
  if kind is str:
    if text == "None":
      raise UserError(
        f"--config.{key}=None: to give no text, write --config.{key}="
      )
    return text
  try:
    if kind is bool:
      return {"true": True, "false": False}[text.lower()]
    if kind in (int, float):
      return kind(text)
    if kind is tuple:
      return _tuple(text, current or ())
  except (ValueError, SyntaxError, KeyError):
    raise UserError(
      f"--config.{key}={text}: expected {kind.__name__}, such as {current!r}"
    ) from None
  raise UserError(f"--config.{key} cannot be set on the command line")


def _words(text: str) -> tuple[str, ...]:
  """`('a', 'b')` as Python writes it, or `a,b`: each word as it is spelt."""
  try:
    value = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    value = None
  inside = value if isinstance(value, list | tuple) else (value,)
  if all(isinstance(word, str) for word in inside):
    return tuple(inside)
  if isinstance(value, list | tuple):
    text = text.strip()[1:-1] if text.strip()[0] in "([" else text
  words = (word.strip() for word in text.split(","))
  return tuple(filter(None, words))


def _tuple(text: str, current: tuple) -> tuple:
  """`(1, 2)` as Python writes it, or `1,2`; elements as in `current`."""
  try:
    value = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    value = tuple(filter(None, (word.strip() for word in text.split(","))))
  value = tuple(value) if isinstance(value, list | tuple) else (value,)
  kinds = {type(element) for element in current}
  if len(kinds) == 1 and (kind := kinds.pop()) in (int, float, str):
    value = tuple(kind(element) for element in value)
  return value


def _python(path: Path, variant: str) -> Any:
  module_spec = importlib.util.spec_from_file_location(path.stem, path)
  if module_spec is None:
    raise UserError(f"--config={path}: expected a .py or .json file")
  module = importlib.util.module_from_spec(module_spec)
  try:
    module_spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
      raise UserError(f"{path} has no function get_config")
    takes_arg = inspect.signature(module.get_config).parameters
    if variant and not takes_arg:
      raise UserError(f"{path} has no variants, so no {variant!r}")
    return module.get_config(variant) if takes_arg else module.get_config()
  except UserError as error:
    raise UserError(f"{path}: {error}") from error
  except Exception as error:
    raise UserError(f"{path}: {type(error).__name__}: {error}") from error


def _json(path: Path) -> Any:
  try:
    return spec.from_json(jsons.text(path), path)
  except ValueError as error:
    raise UserError(f"{path} is not JSON: {error}") from None
