"""What the layouts of Hugging Face's configs have in common."""

from collections.abc import Mapping
from typing import Any

from medfm.types import UserError

ACTIVATIONS = {
  "gelu": "gelu",
  "gelu_new": "gelu_tanh",
  "gelu_pytorch_tanh": "gelu_tanh",
  "relu": "relu",
  "silu": "silu",
  "swish": "silu",
}
LARGEST = 1 << 24
LAYERS = 1024
NAMES = {"gelu": "gelu", "gelu_tanh": "gelu_new"} | {
  name: name for name in ("relu", "silu")
}


def activation(name: str) -> str:
  """Ours, of theirs."""
  if not isinstance(name, str) or name not in ACTIVATIONS:
    raise UserError(f"config.json: the activation {name!r} is not known here")
  return ACTIVATIONS[name]


def needed(config: Mapping[str, Any], keys: Mapping[str, str]) -> dict:
  """Our setting -> the size under their key.

  Raises:
    UserError: a key that is absent or no size, or a width that the heads do
      not share.
  """
  for theirs in keys.values():
    if theirs not in config:
      raise UserError(f"config.json has no {theirs!r}")
  found = {ours: size(theirs, config[theirs]) for ours, theirs in keys.items()}
  if found["width"] % found["heads"]:
    raise UserError(
      f"config.json: {keys['width']}={found['width']} is no multiple of "
      f"{keys['heads']}={found['heads']}"
    )
  if found["depth"] > LAYERS:
    raise UserError(
      f"config.json: {keys['depth']}={found['depth']}; expected at most "
      f"{LAYERS}"
    )
  return found


def size(key: str, value: Any) -> int:
  """The value, found to be a size."""
  if type(value) is not int or not 0 < value <= LARGEST:
    raise UserError(
      f"config.json: {key}={value!r} is no size; expected a whole number from "
      f"1 to {LARGEST:,}"
    )
  return value


def epsilon(config: Mapping[str, Any], key: str, default: float) -> float:
  """The config's value, found to be a small number."""
  value = config.get(key, default)
  if type(value) not in (int, float) or not 0 < value < 1:
    raise UserError(
      f"config.json: {key}={value!r}; expected a number between 0 and 1"
    )
  return float(value)


def expect(config: Mapping[str, Any], **values: Any) -> None:
  """Refuses a config whose value, where it has one, is another."""
  for key, value in values.items():
    if config.get(key, value) != value:
      raise UserError(
        f"config.json: {key}={config[key]!r} is a variant that this model "
        f"does not have; only {value!r} is"
      )
