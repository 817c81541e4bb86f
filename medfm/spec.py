"""Config <-> objects: real function references in source, strings on disk.

`spec(resnet.ResNet, depth=18)` is a ConfigDict that names its target and holds
every setting with its default; `build` calls the target. `bind` is the same for
functions that stay functions: building gives a `functools.partial`.

Keyword-only arguments (and the fields of a linen module) are configuration;
positional arguments are data and are never in a config.
"""

import dataclasses
import difflib
import functools
import importlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections
from ml_collections import config_dict

from medfm import jsons
from medfm.types import UserError

CALL, BIND, NOUN = "_call_", "_bind_", "_noun_"
_ALLOWED = ("medfm.", "optax.")
_TYPED = (bool, int, float, str, tuple)
_T = typing.TypeVar("_T")
_Function = typing.TypeVar("_Function", bound=Callable[..., Any])


class _Unknown(UserError):
  """A target or a setting that does not exist, or no longer exists."""


def spec(target: Callable, /, **kwargs: Any) -> ml_collections.ConfigDict:
  """A config entry that `build` turns into `target(**kwargs)`."""
  return _entry(CALL, target, kwargs)


def bind(target: Callable, /, **kwargs: Any) -> ml_collections.ConfigDict:
  """A config entry that `build` turns into `partial(target, **kwargs)`."""
  return _entry(BIND, target, kwargs)


def build(config: Any) -> Any:
  """The object a config describes, built from the leaves up."""
  if isinstance(config, list | tuple):
    return tuple(build(value) for value in config)
  if not isinstance(config, Mapping | ml_collections.ConfigDict):
    return config
  inner = {k: v for k, v in config.items() if k not in (CALL, BIND)}
  built = {key: build(value) for key, value in inner.items()}
  target: Any = config.get(CALL) or config.get(BIND)
  if target is None:
    return built
  if CALL in config:
    return resolve(target)(**built)
  return functools.partial(resolve(target), **built)


def resolve(path: str) -> Callable:
  """The function or class of a dotted name within medfm or optax."""
  module, _, name = path.rpartition(".")
  if not path.startswith(_ALLOWED):
    raise UserError(f"config target {path!r} is outside medfm and optax")
  try:
    target = getattr(importlib.import_module(module), name)
  except (ImportError, AttributeError):
    raise _Unknown(f"config target {path!r} does not exist") from None
  home = getattr(target, "__module__", "") + "."
  if not (callable(target) and home.startswith(_ALLOWED)):
    raise UserError(f"config target {path!r} is not one of medfm's or optax's")
  return target


def to_json(config: ml_collections.ConfigDict) -> str:
  """The config as JSON text that `from_json` rebuilds."""
  return json.dumps(plain(config), indent=2) + "\n"


def from_json(
  text: str, source: Any = "config.json"
) -> ml_collections.ConfigDict:
  """The config of a JSON text, checked against today's signatures.

  source: its path, for the UserError about targets or settings that do not
  exist (any more). ValueError if it is not an object in JSON.
  """
  content = jsons.parsed(text)
  if not isinstance(content, dict):
    raise ValueError("it holds no object")
  try:
    return _respec(content)
  except _Unknown as error:
    raise UserError(
      f"{source} was written by an earlier version of MedFM ({error}): train "
      "again with another --workdir, or use the version that environment.json "
      "beside it names"
    ) from None


def plain(value: Any) -> Any:
  """Configs, containers and dataclasses as JSON-able values.

  `noun` reads back a frozen dataclass that was written this way.
  """
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    kind = type(value)
    fields = dataclasses.fields(value)
    return {
      NOUN: f"{kind.__module__}.{kind.__qualname__}",
      **{each.name: plain(getattr(value, each.name)) for each in fields},
    }
  if isinstance(value, Mapping | ml_collections.ConfigDict):
    return {key: plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [plain(item) for item in value]
  return value


def noun(value: Any) -> Any:
  """The dataclass of medfm that `plain` wrote; lists come back as tuples."""
  if isinstance(value, list):
    return tuple(noun(item) for item in value)
  if not isinstance(value, dict):
    return value
  fields = {key: noun(item) for key, item in value.items() if key != NOUN}
  if NOUN not in value:
    return fields
  kind = resolve(str(value[NOUN]))
  if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
    raise UserError(f"{value[NOUN]!r} is not a description of data")
  try:
    return kind(**fields)
  except TypeError:
    raise UserError(
      f"the fields of {value[NOUN]} come from another version of MedFM"
    ) from None


def forwards(
  target: Callable[..., Any], *names: str, **defaults: Any
) -> Callable[[_Function], _Function]:
  """Decorator for a function whose `**settings` are settings of `target`.

  They are added to the function's signature and config. names: which of the
  target's keyword-only arguments; by default all that the function lacks.
  defaults: values where the function's default differs from the target's.
  """

  def decorated(function: _Function) -> _Function:
    signature = inspect.signature(function, eval_str=True)
    parameters = {
      name: parameter
      for name, parameter in signature.parameters.items()
      if parameter.kind != inspect.Parameter.VAR_KEYWORD
    }
    for name, parameter in _knobs(target).items():
      if name in names or not (names or name in parameters):
        default = defaults.get(name, parameter.default)
        parameters[name] = parameter.replace(default=default)
    merged = signature.replace(parameters=list(parameters.values()))
    function.__dict__["__signature__"] = merged
    return function

  return decorated


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
  """Dotted key -> leaf, in the spelling of the command line's overrides."""
  leaves = {}
  for key in config:
    value = config[key]
    if isinstance(value, ml_collections.ConfigDict | Mapping):
      leaves |= flat(value, f"{prefix}{key}.")
    else:
      leaves[f"{prefix}{key}"] = value
  return leaves


def holds_words(config: Mapping[str, Any], name: str) -> bool:
  """Whether a setting of a config is a tuple of words, by its target."""
  target = config.get(CALL) or config.get(BIND)
  knob = _knobs(resolve(target)).get(name) if target else None
  if knob is None:
    return False
  kinds = typing.get_args(knob.annotation)
  several = (knob.annotation, *kinds) if kinds else (knob.annotation,)
  words = [k for k in several if typing.get_origin(k) is tuple]
  return any(typing.get_args(k)[:1] == (str,) for k in words) and isinstance(
    config[name], tuple
  )


def settings(bound: Any) -> Mapping[str, Any]:
  """The settings that `bind` gave a built function; {} for any other."""
  return bound.keywords if isinstance(bound, functools.partial) else {}


def function(bound: Any) -> Callable[..., Any]:
  """The function that `build` bound settings to; any other unchanged."""
  return bound.func if isinstance(bound, functools.partial) else bound


def nearest(name: str, names: typing.Iterable[str]) -> str:
  """' (nearest: x)' for an error message, or '' if no name is near."""
  close = difflib.get_close_matches(name, list(names), 1, 0.5)
  return f" (nearest: {close[0]})" if close else ""


def chosen(setting: str, name: Any, choices: Mapping[Any, _T]) -> _T:
  """The choice that a setting names; UserError for any other name."""
  if name in choices:
    return choices[name]
  names = [str(choice) for choice in choices]
  raise UserError(
    f"{setting}={name!r}: expected one of {', '.join(names)}"
    f"{nearest(str(name), names)}"
  )


def _entry(
  kind: str, target: Callable, kwargs: dict[str, Any]
) -> ml_collections.ConfigDict:
  path = f"{target.__module__}.{target.__qualname__}"
  if path.startswith("optax._src."):
    path = f"optax.{target.__qualname__}"
  if resolve(path) is not target:
    raise UserError(
      f"config target {path!r} cannot be imported by its name: define it at "
      "the top of a module"
    )
  knobs = _knobs(target)
  for name in kwargs:
    if name not in knobs:
      raise _Unknown(f"{path} has no setting {name!r}{nearest(name, knobs)}")
  entry = ml_collections.ConfigDict({kind: path})
  for name, knob in knobs.items():
    value = kwargs.get(name, knob.default)
    if value is inspect.Parameter.empty:
      if kind == BIND:
        continue  # The caller of the partial gives it.
      raise _Unknown(f"{path} needs the setting {name!r}")
    entry[name] = _value(value, knob.annotation)
  return entry


def _knobs(target: Callable) -> dict[str, inspect.Parameter]:
  """The configuration arguments of a target, by name."""
  kinds, hidden = {inspect.Parameter.KEYWORD_ONLY}, set()
  if isinstance(target, type) or not target.__module__.startswith("medfm."):
    kinds.add(inspect.Parameter.POSITIONAL_OR_KEYWORD)
  bases = getattr(target, "__mro__", ())
  if any(base.__module__.startswith("flax.linen") for base in bases):
    hidden = {"parent", "name"}
  parameters = inspect.signature(target, eval_str=True).parameters
  return {
    name: parameter
    for name, parameter in parameters.items()
    if parameter.kind in kinds and name not in hidden
  }


def _value(value: Any, annotation: Any) -> Any:
  """A value in the form for a config: None typed, functions bound."""
  if value is None:
    kinds = [k for k in typing.get_args(annotation) if k is not type(None)]
    kind = typing.get_origin(kinds[0]) or kinds[0] if kinds else object
    return config_dict.placeholder(kind) if kind in _TYPED else None
  if isinstance(value, list):
    return tuple(value)
  if isinstance(value, Mapping):
    inner = {key: _value(item, None) for key, item in value.items()}
    return ml_collections.ConfigDict(inner)
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    fields = (field.name for field in dataclasses.fields(value))
    return spec(type(value), **{name: getattr(value, name) for name in fields})
  if isinstance(value, functools.partial):
    return bind(value.func, **value.keywords)
  if isinstance(value, types.FunctionType | type):
    return bind(value)
  return value


def _respec(value: Any) -> Any:
  if isinstance(value, dict):
    inner = {key: _respec(item) for key, item in value.items()}
    for key, make in ((CALL, spec), (BIND, bind)):
      if key in inner:
        return make(resolve(inner.pop(key)), **inner)
    return ml_collections.ConfigDict(inner)
  if isinstance(value, list):
    return tuple(_respec(item) for item in value)
  return value
