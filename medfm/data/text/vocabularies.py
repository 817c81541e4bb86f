"""Older vocabulary files, turned into the JSON of a tokenizer.json.

BERT's is a vocab.txt, GPT-2's a vocab.json with a merges.txt beside it. The
tokenizer_config.json of their folder decides about case, accents, Chinese and
leading spaces.
"""

import logging
import pathlib
from typing import Any

from medfm import jsons
from medfm.data.text import text_files
from medfm.types import UserError

WORDPIECE = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_END = "<|endoftext|>"
_LARGEST = 1 << 24
_AGAIN = "save it again with save_pretrained of a fast tokenizer"


def bert(model: Any, **normalizer: Any) -> Any:
  """The library's tokenizer that cuts words as BERT does.

  normalizer: settings of its `BertNormalizer`.
  """
  import tokenizers

  inner = tokenizers.Tokenizer(model)
  inner.normalizer = tokenizers.normalizers.BertNormalizer(**normalizer)
  inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
  inner.decoder = tokenizers.decoders.WordPiece()
  return inner


def gpt2(model: Any, *, add_prefix_space: bool = False) -> Any:
  """The library's tokenizer that cuts bytes as GPT-2 does."""
  import tokenizers

  inner = tokenizers.Tokenizer(model)
  inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
    add_prefix_space=add_prefix_space
  )
  inner.decoder = tokenizers.decoders.ByteLevel()
  return inner


def wordpiece(place: pathlib.Path, text: str, lowercase: bool | None) -> str:
  """The tokenizer of a vocab.txt: one token a line, id = line.

  lowercase: None takes `do_lower_case` of the config or, without it, True if
    the vocabulary has no capital letter.
  """
  import tokenizers

  ids: dict[str, int] = {}
  for line, token in enumerate(text.removesuffix("\n").split("\n"), 1):
    token = token.rstrip("\r")
    if token in ids:
      raise UserError(
        f"{place}, line {line}: the token {token[:20]!r} is also on line "
        f"{ids[token] + 1}; is it a vocab.txt of BERT?"
      )
    ids[token] = line - 1
  for token in WORDPIECE:
    if token not in ids:
      raise UserError(f"{place}: has no {token}; is it a vocab.txt of BERT?")
  config = _config(place)
  if lowercase is None:
    words = ids.keys() - {*WORDPIECE}
    capitals = any(word != word.lower() for word in words)
    lowercase = config.get("do_lower_case", not capitals)
  inner = bert(
    tokenizers.models.WordPiece(ids, unk_token="[UNK]"),
    lowercase=lowercase,
    strip_accents=config.get("strip_accents"),
    handle_chinese_chars=config.get("tokenize_chinese_chars", True),
  )
  inner.add_special_tokens(list(WORDPIECE))
  return inner.to_str()


def byte_bpe(place: pathlib.Path, text: str) -> str:
  """The tokenizer of a vocab.json, token -> id, and its merges.txt."""
  import tokenizers

  try:
    ids = jsons.parsed(text)
    numbers = {*ids.values()}
  except (ValueError, AttributeError, TypeError):
    ids, numbers = {}, {None}
  whole = all(type(i) is int and 0 <= i < _LARGEST for i in numbers)
  if not whole or len(numbers) < len(ids):
    raise UserError(f"{place}: tokens lack a unique number; {_AGAIN}")
  absent = {*tokenizers.pre_tokenizers.ByteLevel.alphabet()} - ids.keys()
  if absent:
    raise UserError(
      f"{place}: lacks {len(absent)} of the 256 bytes, so it is not a "
      f"byte-level BPE of GPT-2; {_AGAIN}"
    )
  beside = place.with_name("merges.txt")
  merges = []  # In the order in which they are merged.
  for row, line in enumerate(text_files.lines(beside), 1):
    pair = line.split(" ")
    if not line.strip() or (row == 1 and line.startswith("#version")):
      continue
    if len(pair) != 2 or not all(pair):
      raise UserError(
        f"{beside}, row {row}: expected two tokens with a space between them, "
        f"not {line[:30]!r}"
      )
    merges.append((pair[0], pair[1]))
  try:
    model = tokenizers.models.BPE(ids, merges)
  except Exception as error:  # The library raises plain Exceptions.
    reason = " ".join(str(error).split())[:120]
    raise UserError(f"{beside} does not fit {place.name}: {reason}") from None
  spaced = _config(place).get("add_prefix_space", False)
  inner = gpt2(model, add_prefix_space=spaced)
  if _END in ids:
    inner.add_special_tokens([_END])
  return inner.to_str()


def _config(place: pathlib.Path) -> dict[str, Any]:
  """The true or false settings in the tokenizer_config.json of a vocabulary.

  Raises:
    UserError: tokens were added that the vocabulary's file lacks.
  """
  if added := _json(place.with_name("added_tokens.json")):
    raise UserError(
      f"{place}: has {len(added)} tokens more in added_tokens.json; {_AGAIN}"
    )
  config = _json(place.with_name("tokenizer_config.json"))
  return {k: value for k, value in config.items() if isinstance(value, bool)}


def _json(path: pathlib.Path) -> dict[str, Any]:
  if not path.exists():
    return {}
  try:
    content = jsons.read(path)
  except (OSError, ValueError):
    content = None
  if isinstance(content, dict):
    return content
  logging.warning("%s is damaged and is not used", path)
  return {}
