"""The tokenizers of public weights; a run's tokenizer for `transformers`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfm import jsons
from medfm.data.text import input as text_input
from medfm.data.text import sequences, tokenizers
from medfm.data.text.tokenizers import Tokenizer
from medfm.types import Folders, Info, UserError
from medfm.weights import public

_ADVICE = "set data.tokenizer to tokenizers.loaded with the weights' tokenizer"
_ROLES = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")


def check(path: Path, info: Info) -> None:
  """Raises UserError if the weights' token numbers mean other tokens.

  If there is a tokenizer beside the weights, it decides; the weights may then
  have more rows than it has tokens. Without one the numbers must agree.
  """
  rows = public.vocabulary(path)
  text = text_input.among(info)
  if text is None or not text.tokenizer or rows is None:
    return
  folder = path.parent if path.is_file() else path
  known = any((folder / name).is_file() for name in tokenizers.FILES)
  if known:
    theirs = tokenizers.loaded((), Folders(None, ""), path=str(folder)).sha256
    expect(path, theirs, info)
  if text.vocabulary > rows or (not known and text.vocabulary != rows):
    raise UserError(
      f"the weights of {path} have {rows} tokens, the tokenizer of {info.name} "
      f"has {text.vocabulary}: {_ADVICE}"
    )


def expect(path: Path, theirs: str | None, info: Info) -> None:
  """Raises UserError if weights have another tokenizer, by its sha256."""
  text = text_input.among(info)
  if text and theirs and text.tokenizer not in ("", theirs):
    raise UserError(
      f"the weights of {path} have the tokenizer {theirs[:12]}, {info.name} "
      f"has {text.tokenizer[:12]}: {_ADVICE}"
    )


def write(folder: Path, text: str, info: Info, *, length: int) -> None:
  """Writes tokenizer.json, tokenizer_config.json and, for WordPiece, vocab.txt.

  With them `transformers` tokenizes a text as the run did, ends included.

  text: of the run's tokenizer.json. length: the model's positions; 0 for any.
  """
  tokenizer = Tokenizer(text)
  roles = [role for role in _ROLES if role in tokenizer.special]
  special = {role: tokenizer.token(tokenizer.special[role]) for role in roles}
  bert = "cls" in special and "sep" in special
  if bert or info.target.names or len(info.inputs) > 1:
    text = _with_ends(text, tokenizer)
  (folder / "tokenizer.json").write_text(text, encoding="utf-8")
  inputs = ["input_ids", "attention_mask"]
  settings: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    # A text that spells out "[SEP]" does not end there.
    "split_special_tokens": True,
    "model_input_names": [*inputs, "token_type_ids"] if bert else inputs,
    **{f"{role}_token": token for role, token in special.items()},
  }
  if length:
    settings["model_max_length"] = length
  content = jsons.parsed(text)
  normalizer = content.get("normalizer") or {}
  if "lowercase" in normalizer:
    settings["do_lower_case"] = normalizer["lowercase"]
  public.note(folder / "tokenizer_config.json", settings)
  if content["model"].get("type") == "WordPiece":
    tokens = [tokenizer.token(index) for index in range(tokenizer.vocabulary)]
    if all(tokens):
      lines = "\n".join(tokens) + "\n"
      (folder / "vocab.txt").write_text(lines, encoding="utf-8")
  if "pad" not in special:
    print(
      "the tokenizer has no padding token: fill rows on the right with token "
      f"{padding(tokenizer.special)}"
    )


def padding(special: Mapping[str, int]) -> int:
  """The token that fills rows; not the closing one, which marks their end."""
  return special.get("pad", int(special.get("eos") == 0))


def _with_ends(text: str, tokenizer: Tokenizer) -> str:
  """The JSON with the tokens that `data.text.sequences` puts around a text."""
  from tokenizers import Tokenizer as Inner
  from tokenizers import processors

  ids = sequences.ends(tokenizer)
  first, last = (tokenizer.token(index) for index in ids)
  inner = Inner.from_str(text)
  inner.post_processor = processors.TemplateProcessing(
    single=f"{first} $A {last}",
    pair=f"{first} $A {last} $B:1 {last}:1",
    special_tokens=list({first: ids[0], last: ids[1]}.items()),
  )
  return inner.to_str()
