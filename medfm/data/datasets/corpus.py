"""The pre-training corpus: the text of all training splits, never of a test.

A text that shares its PMID, its content, or thirteen words in a row with any
held-out text is removed, as in Brown et al., "Language models are few-shot
learners", 2020. Sets without an official split are split by `seed`; use the
same seed in the fine-tuning runs.
"""

import collections
import dataclasses
import functools
import hashlib
import inspect
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from medfm import jsons
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
from medfm.data.text import (
  packing,
  sequences,
  text_files,
  texts,
  token_rows,
  tokenizers,
)
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import Tokenizer
from medfm.spec import chosen, forwards
from medfm.tasks.pretext import Nothing
from medfm.types import Dataset, Folders, Split, UserError

RUN = 13
"""Texts that share this many words in a row count as the same."""

_WORD = re.compile(r"\w+")
_SOURCES = {
  "pubmedqa": pubmedqa.source,
  "hallmarks_of_cancer": hallmarks_of_cancer.source,
  "medical_abstracts": medical_abstracts.source,
  **{
    name: functools.partial(iob.source, name=name)
    for name in ("bc5cdr", "bc2gm", "linnaeus")
  },
  "chemprot": chemprot.source,
  "ddi2013": ddi2013.source,
  "pubmed_rct": pubmed_rct.source,
}
SETS = tuple(name for name in _SOURCES if name != "pubmed_rct")
"""The sets of a corpus by default."""

_NAMED = ("pubmedqa", "hallmarks_of_cancer", "pubmed_rct")
"""Sets whose documents are PMIDs."""


@dataclasses.dataclass(frozen=True)
class Documents:
  """The texts to learn from.

  names: `set/document` of each. account: how many came from which set, and how
    many were removed. fingerprint: of all texts.
  """

  names: list[str]
  text: list[str]
  account: dict[str, Any]
  fingerprint: str

  def parts(
    self, seed: int, fractions: tuple[float, ...]
  ) -> dict[str, list[str]]:
    """The texts for training, validation and test."""
    parts = splits.by_patient(
      np.array(self.names), None, None, fractions=fractions, seed=seed
    )
    return {part: [self.text[i] for i in rows] for part, rows in parts.items()}


def packed(
  token: Tokenizer, texts: list[str], part: str, length: int, seed: int
) -> tuple[packing.Arrays, list[dict[str, Any]]]:
  """Rows of documents, and for the card how many did not fit into one."""
  del seed
  opening, closing = sequences.ends(token)
  starts = token.starts()
  pieces, long = [], 0
  for ids in filter(len, token.ids(texts)):
    windows = packing.windows(len(ids), length - 2, full=True)
    long += len(windows) > 1
    start = starts[ids].astype(np.int32)
    for window in windows:
      row = np.concatenate([[opening], ids[window], [closing]])
      begins = np.concatenate([[1], start[window], [1]])
      pieces.append(Piece(row, {"word_start": begins}))
  if not pieces:
    raise UserError(f"the corpus has no text for {part}: change fractions")
  what = f"{part}: documents longer than a row, continued in further windows"
  changes = [{"what": what, "count": long}] if long else []
  return packing.packed(pieces, length)[0], changes


def corpus(
  folders: Folders,
  cut: Callable[..., tuple[packing.Arrays, list[dict[str, Any]]]] = packed,
  *,
  sets: tuple[str, ...] = SETS,
  path: str = "",
  text: str = "text",
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 128,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.96, 0.02, 0.02),
) -> Dataset:
  """Packed rows [N, length] of documents, each in its own segment.

  cut: turns the texts of a part into rows, as `packed` does.
  sets: names from `SETS` and "pubmed_rct"; path: a file of further texts (one
    per line, or CSV or JSON lines with the column `text`).
  tokenizer: learnt from the corpus' training documents. To fine-tune with the
    same tokenizer, use `bind(corpus.tokenizer, ...)`.
  fractions: shares of the documents for training, validation and test.

  `word_start` is 1 where a word begins, for whole-word masking.
  """
  reading, folders = folders.reading, folders._replace(reading=None)
  documents = gathered(folders, sets, path, text, seed)
  strings, token = {splits.WHOLE: documents.text}, None
  if reading:
    token, cutting = texts.of_training(
      reading, "the corpus", {"length": length}
    )
    length = cutting["length"]
  if token is None:
    parts = documents.parts(seed, fractions)
    token = tokenizer(parts["train"], folders)
    strings = strings if reading else parts
  parts, changes = {}, list(documents.account["removed"])
  for part in strings:
    arrays, new = cut(token, strings[part], part, length, seed)
    ids = np.array([f"{part}:{row}" for row in range(len(arrays["tokens"]))])
    parts[part] = Split(arrays, ids, lengths=packing.measured(arrays))
    changes += new
  return token_rows.of_tokens(
    parts,
    token,
    name="corpus",
    target=Nothing(),
    card={
      "source": f"the training texts of {', '.join(sets)}",
      "licence": "that of each set",
      "citation": "that of each set",
      "notes": [
        "Texts of a validation or test split are left out: by PMID, by equal "
        f"content, by {RUN} words in a row."
      ],
      "changes": changes,
      "grouped_by": "document",
      "split": f"by document, fractions {tuple(fractions)}, seed {seed}",
      "corpus": documents.account,
    },
    content=[documents.fingerprint, token.sha256, length, seed, fractions],
    encode=functools.partial(
      texts.encoded, length=length, too_long="windows", text=text
    ),
  )


@forwards(corpus, "sets", "path", "text")
def tokenizer(
  texts: Iterable[str],
  folders: Folders,
  *,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.96, 0.02, 0.02),
  learnt: Callable = tokenizers.wordpiece,
  **read: Any,
) -> Tokenizer:
  """The corpus' tokenizer, to fine-tune a model that was trained on the corpus.

  texts: not read. learnt: the tokenizer given to `corpus`.
  """
  documents = gathered(folders, seed=seed, **read)
  return learnt(documents.parts(seed, fractions)["train"], folders)


def gathered(
  folders: Folders,
  sets: tuple[str, ...] = SETS,
  path: str = "",
  text: str = "text",
  seed: int = 0,
) -> Documents:
  """The training documents of all sets, without those held out anywhere."""
  sources = {name: _source(folders, name, seed) for name in sets}
  file = files.of_user(folders, path) if path else None
  if not sources and file is None:
    raise UserError("the corpus needs sets, or the path of a text file")
  content = [RUN, seed, text, {k: v.fingerprint for k, v in sources.items()}]
  content += [disk.digest(file) if file else ""]
  key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
  cache = pathlib.Path(folders.cache).expanduser() / "corpora" / f"{key}.json"
  return disk.remembered(
    cache,
    lambda: json.dumps(_gathered(sources, file, text, key)),
    lambda content: Documents(**jsons.parsed(content)),
  )


def _source(folders: Folders, name: str, seed: int) -> texts.Raw:
  """A set's recorded texts; a set with an official split takes no seed."""
  source = chosen("sets", name, _SOURCES)
  seeded = "seed" in inspect.signature(source).parameters
  return source(folders, **({"seed": seed} if seeded else {}))[0]


def _gathered(
  sources: dict[str, texts.Raw], file: pathlib.Path | None, text: str, key: str
) -> dict[str, Any]:
  """The fields of `Documents`."""
  candidates, held_out = (
    [
      (name, *document)
      for name, source in sources.items()
      for part in parts
      for document in _texts(source.splits[part])
    ]
    for parts in (("train",), ("validation", "test"))
  )
  pmids = {document for name, document, _ in held_out if name in _NAMED}
  contents = {texts.content(string) for *_, string in held_out}
  runs = {run for *_, string in held_out for run in _runs(string)}
  if file is not None:
    table = text_files.read(str(file), text)
    for row, string in zip(table.rows, table[text], strict=True):
      if string:
        candidates.append(("own", f"{file.name}:{row}", string))
  kept, sizes = {}, {}
  removed = collections.Counter()
  for name, document, string in candidates:
    content = texts.content(string)
    if name in _NAMED and document in pmids:
      removed["documents with the PMID of a held-out one"] += 1
    elif content in contents:
      removed["documents equal to a held-out one"] += 1
    elif not runs.isdisjoint(_runs(string)):
      removed[f"documents with {RUN} words in a row of a held-out one"] += 1
    elif content in kept:
      removed["documents that repeat another"] += 1
    else:
      kept[content] = (f"{name}/{document}", string)
      size = sizes.setdefault(name, {"documents": 0, "characters": 0})
      size["documents"] += 1
      size["characters"] += len(string)
  if not kept:
    raise UserError(
      "no document of the corpus is left, since all share text with held-out "
      "ones: give other sets or another path"
    )
  names, strings = map(list, zip(*kept.values(), strict=True))
  account = {
    "documents": len(strings),
    "characters": sum(map(len, strings)),
    "words": sum(len(string.split()) for string in strings),
    "sets": sizes,
    "removed": [{"what": w, "count": c} for w, c in removed.items()],
  }
  return dict(names=names, text=strings, account=account, fingerprint=key)


def _texts(split: Split) -> Iterator[tuple[str, str]]:
  """(document's name, text) of a recorded split, each text once."""
  seen = set()
  documents = split.ids if split.patients is None else split.patients
  for name in ("text", "pair", "words"):
    strings = split.arrays.get(name, ())
    for document, string in zip(documents, strings, strict=False):
      string = tokenizers.unmarked(string.replace(token_rows.SEPARATOR, " "))
      content = texts.content(string)  # Marks move spaces.
      if string and content not in seen:
        seen.add(content)
        yield str(document), string


def _runs(text: str) -> Iterator[int]:
  words = _WORD.findall(text.casefold())
  for start in range(len(words) - RUN + 1):
    yield hash(tuple(words[start : start + RUN]))
