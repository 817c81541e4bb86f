"""The pre-training corpus: the text of all training splits, never of a test.

A text that is also held out anywhere goes: by its PMID, by equal content, or
by thirteen words in a row, as in Brown et al., "Language models are few-shot
learners", 2020. Sets with a split of ours are split by `seed`, which is
therefore that of the fine-tuning runs as well.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from medfm.data import disk, files, splits
from medfm.data.datasets import (
  chemprot,
  ddi2013,
  hallmarks_of_cancer,
  iob,
  medical_abstracts,
  pubmed_rct,
  pubmedqa,
)
from medfm.data.text import packing, sequences, text_tables, texts, tokenizers
from medfm.data.text.input import Tokens
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import Tokenizer
from medfm.tasks.pretext import Nothing
from medfm.types import Dataset, Folders, Info, Split, UserError

SETS = (
  "pubmedqa", "hallmarks_of_cancer", "medical_abstracts", "bc5cdr", "bc2gm",
  "linnaeus", "chemprot", "ddi2013",
)  # fmt: skip
RUN = 13
"""Words in a row that make two texts one."""

_WORD = re.compile(r"\w+")
_SEEDED = {
  "pubmedqa": pubmedqa.source,
  "hallmarks_of_cancer": hallmarks_of_cancer.source,
  "medical_abstracts": medical_abstracts.source,
  "ddi2013": ddi2013.source,
}
_GIVEN = {
  "chemprot": chemprot.source,
  "pubmed_rct": pubmed_rct.source,
  **{
    name: functools.partial(iob.source, name=name)
    for name in ("bc5cdr", "bc2gm", "linnaeus")
  },
}
_NAMED = ("pubmedqa", "hallmarks_of_cancer", "pubmed_rct")
"""Sets whose documents are PMIDs."""


@dataclasses.dataclass(frozen=True)
class Documents:
  """The texts to learn from; account: how many came whence, what was removed.

  names: `set/document` of each; fingerprint: of them all.
  """

  names: list[str]
  text: list[str]
  account: dict[str, Any]
  fingerprint: str


def corpus(
  folders: Folders,
  *,
  sets: tuple[str, ...] = SETS,
  path: str = "",
  text: str = "text",
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 128,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.96, 0.02, 0.02),
) -> Dataset:
  """Packed rows [N, length] of documents, each a segment of its own.

  sets: of `SETS` and "pubmed_rct"; path: a file of one's own texts beside
    them (one a line, CSV or JSON lines with the column `text`).
  tokenizer: learnt from the corpus' own training documents. Fine-tuning with
    the same one takes `bind(corpus.tokenizer, ...)`.
  fractions: of the documents, held out for validation and test perplexity.

  `word_start` is 1 where a word begins, for whole-word masking.
  """
  documents = gathered(folders, sets, path, text, seed)
  split = parts(documents, seed, fractions)
  training = [documents.text[i] for i in split["train"]]
  token = tokenizer(training, folders)
  found, changes = {}, []
  for name, rows in split.items():
    found[name], long = _packed(
      token, [documents.text[i] for i in rows], name, length
    )
    what = f"{name}: documents longer than a row, continued in further windows"
    changes += [{"what": what, "count": long}] if long else []
  content = json.dumps(
    [documents.fingerprint, token.sha256, length, seed, tuple(fractions)]
  )
  info = Info(
    name="corpus",
    inputs={"text": Tokens(token.vocabulary, token.special, token.sha256)},
    target=Nothing(),
  )
  return Dataset(
    splits=found,
    info=info,
    card={
      "source": f"the training texts of {', '.join(sets)}",
      "licence": "that of each set",
      "citation": "that of each set",
      "notes": [
        "Texts of a validation or test split are left out: by PMID, by equal "
        f"content, by {RUN} words in a row."
      ],
      "changes": [*documents.account["removed"], *changes],
      "grouped_by": "document",
      "split": f"by document, fractions {tuple(fractions)}, seed {seed}",
      "corpus": documents.account,
      "tokenizer": token.card(),
      "text": texts.measures(found, token),
      "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
    },
    encode=functools.partial(
      texts.encoded,
      info=info,
      tokenizer=token.text,
      length=length,
      too_long="windows",
      text=text,
    ),
  )


def tokenizer(
  texts: Iterable[str],
  folders: Folders,
  *,
  sets: tuple[str, ...] = SETS,
  path: str = "",
  text: str = "text",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.96, 0.02, 0.02),
  learnt: Callable = tokenizers.wordpiece,
) -> Tokenizer:
  """The corpus' own tokenizer, for fine-tuning what was trained on it.

  texts: not read. learnt: the tokenizer given to `corpus`.
  """
  documents = gathered(folders, sets, path, text, seed)
  rows = parts(documents, seed, fractions)["train"]
  return learnt([documents.text[i] for i in rows], folders)


def gathered(
  folders: Folders,
  sets: tuple[str, ...] = SETS,
  path: str = "",
  text: str = "text",
  seed: int = 0,
) -> Documents:
  """The training documents of all sets, those held out anywhere removed."""
  sources = {name: _source(folders, name, seed) for name in sets}
  own = files.of_user(folders, path) if path else None
  if not sources and own is None:
    raise UserError("the corpus needs sets, or the path of a text file")
  content = [RUN, seed, text, {k: v.fingerprint for k, v in sources.items()}]
  content += [disk.digest(own) if own else ""]
  key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
  cache = pathlib.Path(folders.cache).expanduser() / "corpora" / f"{key}.json"
  with disk.locked(cache):
    if cache.exists():
      try:
        return Documents(**json.loads(cache.read_text()))
      except (ValueError, TypeError):
        cache.unlink()
    made = _gathered(sources, own, text, key)
    part = cache.with_name(f"{key}.part")
    part.write_text(json.dumps(dataclasses.asdict(made)))
    os.replace(part, cache)
  return made


def _source(folders: Folders, name: str, seed: int) -> texts.Raw:
  if name in _SEEDED:
    return _SEEDED[name](folders, seed=seed)[0]
  if name in _GIVEN:
    return _GIVEN[name](folders)[0]
  raise UserError(
    f"sets names {name!r}; there are {', '.join((*_SEEDED, *_GIVEN))}"
  )


def _gathered(sources, own, text: str, key: str) -> Documents:
  held = _Held()
  for name, source in sources.items():
    for part in ("validation", "test"):
      held.add(name, source.splits[part])
  names, kept, account = [], [], {}
  removed, seen = collections.Counter(), set()
  for name, document, content in _candidates(sources, own, text):
    why = held.reason(name, document, content)
    if why is None and texts.content(content) in seen:
      why = "documents that repeat another"
    if why is not None:
      removed[why] += 1
      continue
    seen.add(texts.content(content))
    names.append(f"{name}/{document}")
    kept.append(content)
    size = account.setdefault(name, {"documents": 0, "characters": 0})
    size["documents"] += 1
    size["characters"] += len(content)
  if not kept:
    raise UserError("no document of the corpus is left")
  return Documents(
    names,
    kept,
    {
      "documents": len(kept),
      "characters": sum(map(len, kept)),
      "words": sum(len(content.split()) for content in kept),
      "sets": account,
      "removed": [{"what": w, "count": c} for w, c in removed.items()],
    },
    key,
  )


def _candidates(sources, own, text: str) -> Iterator[tuple[str, str, str]]:
  """(set, document's name, text) of all training texts."""
  for name, source in sources.items():
    for document, content in _texts(source.splits["train"]):
      yield name, document, content
  if own is not None:
    table = text_tables.read(str(own), text)
    for row, content in zip(table.rows, table[text], strict=True):
      if content:
        yield "own", f"{own.name}:{row}", content


def _texts(split: Split) -> Iterator[tuple[str, str]]:
  """(document's name, text) of a recorded split, each text once."""
  seen = set()
  documents = split.ids if split.patients is None else split.patients
  for name in ("text", "pair", "words"):
    for document, text in zip(
      documents, split.arrays.get(name, ()), strict=False
    ):
      text = text.replace(texts.SEPARATOR, " ")
      text = tokenizers.unmarked(text)
      content = texts.content(text)  # Marks move spaces.
      if text and content not in seen:
        seen.add(content)
        yield str(document), text


class _Held:
  """What no document of the corpus may hold."""

  def __init__(self):
    self._pmids: set[str] = set()
    self._contents: set[str] = set()
    self._runs: set[int] = set()

  def add(self, name: str, split: Split) -> None:
    for document, text in _texts(split):
      if name in _NAMED:
        self._pmids.add(document)
      self._contents.add(texts.content(text))
      self._runs.update(_runs(text))

  def reason(self, name: str, document: str, text: str) -> str | None:
    """Why a document may not be learnt from, or None."""
    if name in _NAMED and document in self._pmids:
      return "documents with the PMID of a held-out one"
    if texts.content(text) in self._contents:
      return "documents equal to a held-out one"
    if any(run in self._runs for run in _runs(text)):
      return f"documents with {RUN} words in a row of a held-out one"
    return None


def _runs(text: str) -> Iterator[int]:
  words = _WORD.findall(text.casefold())
  for start in range(len(words) - RUN + 1):
    yield hash(tuple(words[start : start + RUN]))


def parts(
  documents: Documents, seed: int, fractions: tuple[float, ...]
) -> dict[str, np.ndarray]:
  """Which documents are for training, validation and test."""
  return splits.by_patient(
    np.array(documents.names), None, None, fractions=fractions, seed=seed
  )


def _packed(
  token: Tokenizer, documents: list[str], name: str, length: int
) -> tuple[Split, int]:
  """Rows of documents, and how many documents did not fit into one row."""
  opening, closing = sequences.ends(token)
  starts = token.starts()
  pieces, long = [], 0
  for ids in token.ids(documents):
    if not len(ids):
      continue
    windows = packing.windows(len(ids), length - 2, full=True)
    long += len(windows) > 1
    start = starts[ids].astype(np.int32)
    for part in windows:
      pieces.append(
        Piece(
          np.concatenate([[opening], ids[part], [closing]]),
          {"word_start": np.concatenate([[1], start[part], [1]])},
        )
      )
  if not pieces:
    raise UserError(f"the corpus has no text for {name}: change fractions")
  arrays, _ = packing.packed(pieces, length)
  n = len(arrays["tokens"])
  names = np.array([f"{name}:{row}" for row in range(n)])
  return Split(arrays, names, lengths=packing.measured(arrays)), long
