"""Texts as datasets: recorded as they are, split by document, then tokenised.

The records hold the texts. Whatever depends on the training split or on the
tokenizer is made when the dataset is loaded, so that another seed, length or
tokenizer needs no new records.
"""

import dataclasses
import functools
import hashlib
import itertools
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import cards, files, records, splits
from medfm.data.tables import encoding, tabular
from medfm.data.tables.labels import Truth
from medfm.data.text import sequences, text_files, token_rows
from medfm.data.text.input import Tokens
from medfm.data.text.sequences import TooLong
from medfm.data.text.tokenizers import Tokenizer, is_code, wordpiece
from medfm.spec import forwards
from medfm.types import (
  Dataset,
  Folders,
  Info,
  Reading,
  Split,
  Target,
  UserError,
)

_SPLIT = {"seed", "fractions"}
_LOOKED_AT = 1000
Builder, Rows = tabular.Builder, tabular.Rows


class Raw(NamedTuple):
  """Recorded texts: splits with the columns of `Rows`, and how they were made.

  names: of the classes, labels, numbers or tags.
  reading: the trained model that they are read for, as in `Folders`.
  """

  splits: dict[str, Split]
  names: tuple[str, ...]
  changes: list[dict[str, Any]]
  how: str
  fingerprint: str
  reading: Reading | None = None


Source = tuple[Raw, dict[str, Any]]
"""Recorded texts and their data card."""


def raw(
  builder: type[Builder],
  folders: Folders,
  *,
  raw: records.Raw,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  stratify: str = "label",
  **settings: Any,
) -> Raw:
  """The texts of a builder; splits that it does not give are made here."""
  prepared = records.prepared(builder, folders, raw=raw, **settings)
  *changes, schema = prepared.changes
  names, reading = tuple(schema["classes"]), prepared.reading
  if reading:
    parts, how = {splits.WHOLE: splits.together(prepared.splits)}, ""
  else:
    parts, how = splits.completed(
      prepared.splits, seed, tuple(fractions), stratify
    )
  how = how.replace("patient", "document").replace("row", "text")
  return Raw(parts, names, changes, how, prepared.fingerprint, reading)


def public(
  builder: type[Builder],
  *names: str,
  url: str,
  card: Mapping[str, Any],
  target: Callable[[Sequence[str], Truth], Target],
  length: int,
  fractions: tuple[float, ...] = (),
  name: str = "",
  parent: bool = False,
  **reads: Any,
) -> tuple[Callable[..., Dataset], Callable[..., Source]]:
  """The functions `<name>` and `source` of the module of a public set.

  The first gives the set's dataset, the second its recorded texts and card.

  names: of the archive, and of its contents, which may be there unpacked.
  url: the page to download it from; the card's `source` is the set's title.
  target: as the task's `columns.target`.
  length: the default. fractions: the default for a set without an official
    split; the set then has the setting `seed` as well.
  name: of the set, if it is not the module's name.
  parent: whether the builder reads the folder that the file is in.
  reads: settings of `dataset` that the set decides, such as its columns.
  """
  module = builder.__module__
  name = name or module.rpartition(".")[2]

  def source(folders: Folders, **split: Any) -> Source:
    what = builder.__name__
    path = files.find(folders, *names, url=url, what=what, download=False)
    place = files.member(folders, path, names[-1])
    place = place.parent if parent else place
    origin = files.origin(path, url=url)
    source = f"{card['source']}, {url}"
    split = {"fractions": fractions, **split} if fractions else split
    recorded = raw(builder, folders, raw=place, **split)
    return recorded, {**card, "source": source, "file": origin}

  @forwards(dataset, "tokenizer", "length", "too_long", length=length)
  def factory(folders: Folders, **settings: Any) -> Dataset:
    split = {k: settings.pop(k) for k in _SPLIT & settings.keys()}
    settings = {"length": length, **settings, **reads}
    recorded = source(folders, **split)
    return dataset(recorded, folders, name=name, target=target, **settings)

  for function, named in ((factory, name), (source, "source")):
    function.__module__, function.__qualname__ = module, named
    if fractions:
      forwards(raw, *_SPLIT, fractions=fractions)(function)
  return factory, source


def dataset(
  source: Source,
  folders: Folders,
  *,
  name: str,
  target: Callable[[Sequence[str], Truth], Target],
  tokenizer: Callable = wordpiece,
  length: int = 128,
  too_long: TooLong = "windows",
  around_markers: bool = False,
  encode: Callable[..., Split] | None = None,
  private: bool = False,
  unit: str = "",
  **columns: Any,
) -> Dataset:
  """The dataset of recorded texts, as tokens.

  target: (names, truth in training) -> description, as the task's
    `columns.target`.
  tokenizer: (training texts, which need not be read; folders) -> `Tokenizer`.
  encode: reads a user's new file: `encode(path, info, tokenizer=, length=,
    too_long=, **columns)`; None takes `encoded`, for text.
  unit: what a text is about, in one word for reports: abstract, molecule,
    patient; "" for document.
  """
  recorded, card = source
  reading, train = recorded.reading, next(iter(recorded.splits.values()))
  settings = {"length": length, "too_long": too_long}
  cutting = {**settings, **({"around_markers": True} if around_markers else {})}
  token = None
  if reading:
    _refuse_pairs(reading, train, name)
    marked = {} if "words" in train.arrays else {"around_markers": False}
    token, cutting = of_training(reading, name, {**marked, **cutting})
    settings = {key: cutting[key] for key in settings}
    card = {**card, cards.READ: _read(settings)}
  token = token or tokenizer(plain(train), folders._replace(reading=None))
  parts, changes = {}, list(recorded.changes)
  for part, split in recorded.splits.items():
    parts[part], new = token_rows.tokenised(
      split, token, recorded.names, **cutting
    )
    of_part = "" if reading else f"{part}: "
    changes += [{**e, "what": f"{of_part}{e['what']}"} for e in new]
  truth = token_rows.truth(train)
  if "tags" in train.arrays:
    truth["label"] = next(iter(parts.values())).arrays["label"]
  whom = unit or card.get("grouped_by", "document")
  how = recorded.how.replace("document", unit or "document")
  made = {"changes": changes, "grouped_by": whom, "split": how}
  if reading:
    spelled = bool(reading.only(Tokens, name).spelling)
  else:
    spelled = _one_word_each(plain(train))
    made |= {cards.READ: _of_whom(parts, token, whom)}
  whole = token_rows.of_tokens(
    parts,
    token,
    name=name,
    spelled=spelled,
    target=target(recorded.names, truth),
    card={**card, **made, **cards.warned(cards.doubts(recorded.names))},
    content=[recorded.fingerprint, token.sha256, settings],
    encode=functools.partial(encode or encoded, **cutting, **columns),
  )
  return dataclasses.replace(whole, private=private)


def of_training(
  reading: Reading, name: str, cutting: Mapping[str, Any]
) -> tuple[Tokenizer | None, dict[str, Any]]:
  """The tokenizer of a trained model, if it was kept, and how it cuts texts.

  name: of the cohort, for errors; cutting: the settings of its config.
  """
  reading.only(Tokens, name)
  known = reading.settings
  cutting = {key: known.get(key, value) for key, value in cutting.items()}
  if "tokenizer" not in known:
    return None, cutting
  return Tokenizer(known["tokenizer"]), cutting


def _refuse_pairs(reading: Reading, split: Split, name: str) -> None:
  """Raises UserError if a model of pairs would read single texts or reverse."""
  known, arrays = reading.settings, split.arrays
  pairs = bool(known.get("pair"))
  if "text" in arrays and "text" in known and pairs != ("pair" in arrays):
    raise UserError(
      f"{name} has {'single texts' if pairs else 'pairs of texts'}; the model "
      f"was trained on {'pairs: set' if pairs else 'single texts: leave out'} "
      "pair="
    )


def _read(settings: Mapping[str, Any]) -> str:
  """How the texts of another cohort are read."""
  shown = ", ".join(f"{key}={value}" for key, value in settings.items())
  return f"texts: read with the tokenizer of training and {shown}, as there"


def _one_word_each(texts: Iterable[str]) -> bool:
  """Whether almost no text has a blank, as in SMILES and sequences."""
  blanks = [" " in text.strip() for text in itertools.islice(texts, _LOOKED_AT)]
  return bool(blanks) and sum(blanks) < 0.05 * len(blanks)


def plain(split: Split) -> Iterator[str]:
  """The texts of a recorded split, each once, as pre-training reads them."""
  arrays = split.arrays
  words = (
    line.replace(token_rows.SEPARATOR, " ") for line in arrays.get("words", ())
  )
  kinds = (arrays.get("text", ()), arrays.get("pair", ()), words)
  yield from dict.fromkeys(itertools.chain(*kinds))


def _of_whom(parts: Mapping[str, Split], token: Tokenizer, unit: str) -> str:
  """How many texts and patients there are, and how texts were tokenised."""
  texts = sum(map(splits.units, parts.values()))
  rows, owners = sum(map(len, parts.values())), set()
  for split in parts.values():
    owners |= {*map(str, () if split.patients is None else split.patients)}
  cut = f" in {cards.amount(rows, 'window')}" if rows > texts else ""
  of = (
    f" of {cards.amount(len(owners), unit)}"
    if owners and "" not in owners
    else ""
  )
  if of and unit == "text":  # Equal texts were grouped.
    of = f" ({len(owners):,} different)" if len(owners) < texts else ""
  card = token.card()
  case = "in lower case" if card["lowercase"] else "with their case"
  kind = f"{card['kind']} tokens from a vocabulary of {card['vocabulary']:,}"
  return f"texts: {texts:,}{of}, read {case} as {kind}{cut}"


@forwards(sequences.texts)
@files.laid_out("text", "pair", "id", "delimiter")
def encoded(
  path: str,
  info: Info,
  *,
  tokenizer: str,
  text: str = "text",
  pair: str = "",
  id: str = "",
  delimiter: str = "",
  **cutting: Any,
) -> Split:
  """New texts without labels: .txt (one per line), CSV or JSON lines file.

  text, pair, id: columns of the file; a .txt has the text alone.
  delimiter: between its cells; "" for the usual one of its suffix.
  """
  table = text_files.read(path, text, delimiter)
  strings = text_files.strings(table, text=text, pair=pair)
  split = Split(
    {name: np.array(cells, object) for name, cells in strings.items()},
    encoding.ids(table, id if id in table.columns else ""),
  )
  return token_rows.tokenised(split, Tokenizer(tokenizer), **cutting)[0]


def content(*strings: str) -> str:
  """A hash of what texts say, whatever their case, spaces and punctuation.

  Composed and decomposed accents are equal too. In a text of one word, such as
  a molecule's SMILES, case and punctuation count.
  """
  letters = [
    composed.strip()
    if is_code(composed)
    else "".join(filter(str.isalnum, composed.casefold())) or composed
    for composed in (unicodedata.normalize("NFC", text) for text in strings)
  ]
  return hashlib.sha256("\n".join(letters).encode()).hexdigest()[:24]
