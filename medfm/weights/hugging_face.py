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
NAMES = {"gelu": "gelu", "gelu_tanh": "gelu_new"} | {
  name: name for name in ("relu", "silu")
}


def activation(name: str) -> str:
  """Ours, of theirs."""
  if name not in ACTIVATIONS:
    raise UserError(f"config.json: the activation {name!r} is not known here")
  return ACTIVATIONS[name]


def needed(config: Mapping[str, Any], keys: Mapping[str, str]) -> dict:
  """Our setting -> the config's value under their key.

  Raises:
    UserError: a key that is absent.
  """
  for theirs in keys.values():
    if theirs not in config:
      raise UserError(f"config.json has no {theirs!r}")
  return {ours: config[theirs] for ours, theirs in keys.items()}


def expect(config: Mapping[str, Any], **values: Any) -> None:
  """Refuses a config whose value, where it has one, is another."""
  for key, value in values.items():
    if config.get(key, value) != value:
      raise UserError(
        f"config.json: {key}={config[key]!r} is a variant that this model "
        f"does not have; only {value!r} is"
      )
