"""The words after the colon in `--config=configs/x.py:breastmnist,fast`."""

from collections.abc import Sequence

from medfm import spec
from medfm.types import UserError


def variants(arg: str, **choices: Sequence[str]) -> dict[str, str]:
  """One word of each kind: those named in `arg`, else each kind's first.

  Raises:
    UserError: a word that no kind knows, or two words of one kind.
  """
  chosen = {kind: words[0] for kind, words in choices.items()}
  named = {}
  for word in filter(None, arg.split(",")):
    kinds = [kind for kind, words in choices.items() if word in words]
    if not kinds:
      known = [word for words in choices.values() for word in words]
      raise UserError(
        f"unknown variant {word!r}{spec.nearest(word, known)}; "
        f"choose among {', '.join(known)}"
      )
    kind = kinds[0]
    if kind in named:
      raise UserError(
        f"variants {named[kind]!r} and {word!r} exclude each other"
      )
    named[kind] = word
  return chosen | named
