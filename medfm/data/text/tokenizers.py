"""Tokenizers: trained here, or from a `tokenizer.json` or vocabulary file.

A tokenizer is the text of a Hugging Face `tokenizer.json`, which is saved with
a run, hashed, and read back. WordPiece is BERT's (Devlin et al. 2019),
byte-level BPE is GPT-2's (Radford et al. 2019).
"""

import collections
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from medfm import jsons
from medfm.data import disk, files
from medfm.data.text import trial, vocabularies
from medfm.types import Folders, UserError

MARKERS = ("<<", ">>", "[[", "]]")
"""Around the first and the second entity of a relation; each one token in a
tokenizer trained here, and ordinary text to any other."""

_ROLES = {
  "pad": ("[PAD]", "<pad>", "<|pad|>"),
  "unk": ("[UNK]", "<unk>"),
  "cls": ("[CLS]", "<s>"),
  "sep": ("[SEP]", "</s>"),
  "mask": ("[MASK]", "<mask>"),
  "bos": ("<|startoftext|>", "<|endoftext|>", "<s>", "[CLS]"),
  "eos": ("<|endoftext|>", "</s>", "[SEP]"),
}
_BYTE_BPE = ("<|pad|>", "<|endoftext|>")
FILES = ("tokenizer.json", "vocab.txt", "vocab.json")
"""Files that may hold a tokenizer; the first that a folder has is taken."""

_MAX_BYTES = 1 << 27
_BATCH = 1000
_HOLES = 10_000
"""Ids without a token; each would be a row of the model's embedding."""
_ALPHABET = 1000  # Rarer characters are unknown, as in BERT.


class Tokenizer:
  """text <-> token ids, from the JSON text of a `tokenizer.json`.

  text: the JSON, as saved; sha256: its hash.
  vocabulary: the number of ids, holes included.
  special: role (pad, unk, cls, sep, mask, bos, eos) -> id, those it has.
  """

  def __init__(self, text: str, where: str = "the tokenizer"):
    import tokenizers

    try:
      content = jsons.parsed(text)
    except ValueError as error:
      raise UserError(trial.refusal(where, str(error))) from None
    trial.refuse(text, where)
    self._inner = tokenizers.Tokenizer.from_str(text)
    # MedFM cuts and pads itself, and counts it.
    self._inner.no_truncation()
    self._inner.no_padding()
    # A text that spells out "[SEP]" does not end there.
    self._inner.encode_special_tokens = True
    self.text = text
    self.sha256 = hashlib.sha256(text.encode()).hexdigest()
    known = self._inner.get_vocab(with_added_tokens=True)
    if not known:
      raise UserError(f"{where}: the tokenizer has no vocabulary")
    self.vocabulary = max(known.values()) + 1
    if self.vocabulary > 2 * len(known) + _HOLES:
      raise UserError(
        f"{where}: the ids of {len(known)} tokens go up to "
        f"{self.vocabulary - 1}; number them without gaps"
      )
    self.special = {  # A role's first name wins, so it is set last.
      role: known[name]
      for role, names in _ROLES.items()
      for name in reversed(names)
      if name in known
    }
    cutting = json.dumps(content.get("pre_tokenizer"))
    self._spaced = "ByteLevel" in cutting
    self._word = functools.lru_cache(maxsize=1 << 17)(self._word_ids)

  def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
    """Each text's tokens as int32, without [CLS], [SEP] or the like."""
    ids = []
    for start in range(0, len(texts), _BATCH):
      batch = self._inner.encode_batch_fast(
        list(texts[start : start + _BATCH]), add_special_tokens=False
      )
      ids += [np.array(each.ids, np.int32) for each in batch]
    return ids

  def words(self, words: Sequence[str]) -> list[tuple[int, ...]]:
    """The ids of each word of a sentence, at least one for each.

    The words are cut as in their sentence with single spaces between them; a
    word that leaves no token (a control character) becomes an unknown token.
    """
    return [
      self._word(f" {word}" if self._spaced and i else word)
      for i, word in enumerate(words)
    ]

  def decoded(self, ids: Iterable[int]) -> str:
    """The text of ids, special tokens left out."""
    return self._inner.decode([int(i) for i in ids], skip_special_tokens=True)

  def token(self, index: int) -> str:
    """The token of one id, as the vocabulary spells it."""
    return self._inner.id_to_token(int(index)) or ""

  def pieces(self, ids: Iterable[int]) -> list[tuple[str, bool]]:
    """Each token as people read it, and whether a space comes before it."""
    pieces = []
    for index in ids:
      token = self.token(index)
      text = token.removeprefix("##")
      if self._spaced:
        text = self._inner.decode([int(index)], skip_special_tokens=False)
        text = text.strip()
      pieces.append((text, self._starts_word(token)))
    return pieces

  def starts(self) -> np.ndarray:
    """[vocabulary] bool: whether a token begins a word."""
    tokens = map(self.token, range(self.vocabulary))
    return np.array([self._starts_word(token) for token in tokens])

  def card(self) -> dict:
    """For the data card."""
    content = jsons.parsed(self.text)
    return {
      "kind": content["model"].get("type", ""),
      "lowercase": _folds_case(content.get("normalizer")),
      "vocabulary": self.vocabulary,
      "sha256": self.sha256,
      "special": dict(self.special),
    }

  def _starts_word(self, token: str) -> bool:
    return token.startswith("Ġ") if self._spaced else token[:2] != "##"

  def _word_ids(self, word: str) -> tuple[int, ...]:
    ids = self._inner.encode(word, add_special_tokens=False).ids
    unknown = self.special.get("unk", self.special.get("eos", 0))
    return tuple(ids) or (unknown,)


def marked(text: str, first: tuple[int, int], second: tuple[int, int]) -> str:
  """The text with << >> around one stretch [a, b) and [[ ]] around another.

  If one stretch lies within the other, so do its marks.
  """
  marks = []
  for (start, stop), left, right in zip(
    (first, second), MARKERS[::2], MARKERS[1::2], strict=True
  ):
    size = stop - start
    # At the same place: ends come before beginnings, the shorter goes inside.
    marks.append((start, 1, -size, f" {left} "))
    marks.append((stop, 0, size, f" {right} "))
  for place, _, _, mark in sorted(marks, reverse=True):
    text = text[:place] + mark + text[place:]
  return text


def unmarked(text: str) -> str:
  """The text without << >> [[ ]]."""
  for mark in MARKERS:
    text = text.replace(mark, " ")
  return " ".join(text.split())


def wordpiece(
  texts: Iterable[str],
  folders: Folders,
  *,
  vocabulary: int = 8192,
  lowercase: bool | None = None,
  markers: tuple[str, ...] = MARKERS,
) -> Tokenizer:
  """BERT's WordPiece, learnt from the training texts.

  Ids 0 to 4 are [PAD], [UNK], [CLS], [SEP] and [MASK]; then `markers`.

  lowercase: None keeps the case only of codes (`are_codes`) such as SMILES, in
    which c and C are different atoms.
  """
  texts = list(texts)
  if lowercase is None:
    lowercase = not are_codes(texts)
  special = (*vocabularies.WORDPIECE, *markers)
  settings = {
    "kind": "wordpiece", "vocabulary": vocabulary, "lowercase": lowercase,
    "markers": list(markers),
  }  # fmt: skip

  def learnt(texts: list[str]) -> str:
    return _wordpiece_text(texts, special, vocabulary, lowercase)

  return _cached(texts, folders, settings, len(special), learnt)


def byte_bpe(
  texts: Iterable[str],
  folders: Folders,
  *,
  vocabulary: int = 8192,
  markers: tuple[str, ...] = (),
) -> Tokenizer:
  """GPT-2's byte-level BPE, learnt from the training texts.

  Ids 0 and 1 are <|pad|> and <|endoftext|>, which begins and ends a text;
  the last ids are the `markers`.
  """
  settings = {
    "kind": "byte_bpe", "vocabulary": vocabulary, "markers": list(markers),
  }  # fmt: skip

  def learnt(texts: list[str]) -> str:
    import tokenizers

    inner = vocabularies.gpt2(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(
      vocab_size=vocabulary - len(markers),
      special_tokens=list(_BYTE_BPE),
      initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
      show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    inner.add_tokens(list(markers))
    return inner.to_str()

  count = len(_BYTE_BPE) + len(markers)
  return _cached(texts, folders, settings, count, learnt)


def loaded(
  texts: Iterable[str],
  folders: Folders,
  *,
  path: str = "",
  lowercase: bool | None = None,
) -> Tokenizer:
  """A tokenizer from its file or folder.

  path: a Hugging Face `tokenizer.json` (a finished run's stage folder has one),
    BERT's `vocab.txt`, or GPT-2's `vocab.json` with a `merges.txt` beside it.
  lowercase: of a vocab.txt; see `vocabularies.wordpiece`.
  """
  if not path:
    raise UserError(f"the tokenizer needs path=: a {' or '.join(FILES)}")
  place = files.of_user(folders, path, folder=True)
  if place.is_dir():
    held = [place / name for name in FILES if (place / name).is_file()]
    if not held:
      raise UserError(f"{place}: no {' or '.join(FILES)}")
    place = held[0]
  if place.stat().st_size > _MAX_BYTES:
    raise UserError(f"{place}: is too large for a tokenizer")
  try:
    text = place.read_text(encoding="utf-8")
  except UnicodeDecodeError:
    raise UserError(f"{place}: is not UTF-8 text") from None
  if place.name == "vocab.json":
    text = vocabularies.byte_bpe(place, text)
  elif place.suffix != ".json":
    text = vocabularies.wordpiece(place, text, lowercase)
  return Tokenizer(text, str(place))


def is_code(text: str) -> bool:
  """Whether it is one word, such as a molecule, a sequence or an identifier."""
  return len(text.split(maxsplit=1)) < 2


def are_codes(texts: Sequence[str]) -> bool:
  """Whether most of these are codes (`is_code`) and not prose."""
  return 2 * sum(map(is_code, texts)) > len(texts)


def _folds_case(normalizer: Any) -> bool:
  """Whether a tokenizer's normalizer, as JSON, makes letters lower case."""
  held = normalizer or {}
  if held.get("type") == "Sequence":
    return any(map(_folds_case, held.get("normalizers", ())))
  return held.get("type") == "Lowercase" or bool(held.get("lowercase"))


def _wordpiece_text(
  texts: list[str], special: Sequence[str], vocabulary: int, lowercase: bool
) -> str:
  """The JSON of a WordPiece learnt by merging the commonest pairs.

  The library's trainer numbers the characters in the order of a hash map,
  which differs from run to run and decides ties; here they are numbered
  first, in sorted order.
  """
  import tokenizers

  model = tokenizers.models.BPE(
    unk_token="[UNK]", continuing_subword_prefix="##"
  )
  merging = vocabularies.bert(model, lowercase=lowercase)
  letters = collections.Counter()
  for text in texts:
    letters.update(merging.normalizer.normalize_str(text))
  commonest = sorted(letters, key=lambda c: (-letters[c], c))
  alphabet = sorted(c for c in commonest[:_ALPHABET] if not c.isspace())
  first = [*special, *alphabet, *(f"##{c}" for c in alphabet)]
  trainer = tokenizers.trainers.BpeTrainer(
    vocab_size=max(vocabulary, len(first)),
    special_tokens=first,
    initial_alphabet=alphabet,
    limit_alphabet=len(alphabet),
    continuing_subword_prefix="##",
    show_progress=False,
  )
  merging.train_from_iterator(texts, trainer)
  # Another tokenizer, without the tokens that were added for the training.
  vocab = merging.get_vocab(with_added_tokens=True)
  model = tokenizers.models.WordPiece(vocab, unk_token="[UNK]")
  inner = vocabularies.bert(model, lowercase=lowercase)
  inner.add_special_tokens(list(vocabularies.WORDPIECE))
  inner.add_tokens(list(special[len(vocabularies.WORDPIECE) :]))
  return inner.to_str()


def _cached(
  texts: Iterable[str],
  folders: Folders,
  settings: dict[str, Any],
  special: int,
  learnt: Callable[[list[str]], str],
) -> Tokenizer:
  """The tokenizer of these texts and settings, learnt once.

  special: how many of its tokens are special.
  """
  if settings["vocabulary"] < special + 256:
    raise UserError(
      f"vocabulary={settings['vocabulary']}: expected at least {special + 256}"
    )
  texts = list(texts)
  if not any(texts):
    raise UserError("a tokenizer cannot be learnt from no text at all")
  digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
  for text in texts:
    digest.update(len(text).to_bytes(8, "little"))
    digest.update(text.encode())
  cache = pathlib.Path(folders.cache).expanduser() / "tokenizers"
  path = cache / f"{digest.hexdigest()}.json"
  return disk.remembered(
    path, lambda: learnt(texts), lambda text: Tokenizer(text, str(path))
  )
