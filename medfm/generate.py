"""Lets a trained causal model continue a user's texts."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from medfm import rng, spec, stages, workdir
from medfm.data.tables import encoding
from medfm.data.text import packing, sequences, text_files
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import Tokenizer
from medfm.models.gpt import GPT
from medfm.nn import generation
from medfm.types import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
  """How tokens are chosen, as `--sampling=new=64,temperature=0.8`.

  new: tokens at most; fewer if the model ends the text itself.
  samples: continuations of each text.
  temperature: 0 always takes the likeliest token.
  top_k: draw from this many likeliest tokens only; 0 means all.
  top_p: draw from the likeliest tokens that together have this probability.
  seed: of the draws; the same seed gives the same texts.
  batch_size: texts at a time.
  """

  new: int = 64
  samples: int = 1
  temperature: float = 0.8
  top_k: int = 0
  top_p: float = 0.95
  seed: int = 0
  batch_size: int = 16


def sampling(text: str) -> Sampling:
  """The settings of a flag's text, checked."""
  known = {f.name: f.type for f in dataclasses.fields(Sampling)}
  values: dict[str, Any] = {}
  for part in filter(None, (part.strip() for part in text.split(","))):
    name, _, value = part.partition("=")
    if name not in known:
      raise UserError(
        f"--sampling has no {name!r}{spec.nearest(name, known)}; it has "
        + ", ".join(known)
      )
    try:
      values[name] = known[name](value)
    except ValueError:
      raise UserError(
        f"--sampling={part}: expected {known[name].__name__}"
      ) from None
  chosen = Sampling(**values)
  positive = ("new", "samples", "batch_size", "top_p")
  for name, value in dataclasses.asdict(chosen).items():
    good = value > 0 if name in positive else 0 <= value < float("inf")
    if not good or (name == "top_p" and value > 1):
      raise UserError(f"--sampling={name}={value}: out of range")
  return chosen


def generate(
  place: Path,
  stage: str | None,
  source: str,
  output: str | None,
  chosen: Sampling,
) -> Path:
  """Writes continuations as JSON lines; returns their path.

  A line has `id`, `prompt`, `text` (what is new), `tokens` (how many) and
  `ended` (whether the model ended the text itself).

  place, stage: as in `stages.opened`; the stage must have a causal model that
    has learnt to continue texts.
  source: a .txt (one text per line), CSV or JSON lines file with `text`.
  output: the file to write; generated-<source>.jsonl in the workdir by default.
  """
  trained = stages.opened(place, stage)
  net, params = _model(trained)
  tokenizer = _tokenizer(trained.folder)
  table = text_files.read(source)
  names, prompts = encoding.ids(table).tolist(), table["text"]
  opening, end = sequences.ends(tokenizer)
  tokens = [np.array([opening, *ids]) for ids in tokenizer.ids(prompts)]
  _check_lengths(net, tokens, names, chosen.new)
  continuations = _continued(net, {"params": params}, tokens, end, chosen)
  rows = [
    {
      "id": names[index // chosen.samples],
      "prompt": prompts[index // chosen.samples],
      "text": tokenizer.decoded(new[:size]),
      "tokens": size,
      "ended": size < chosen.new,
    }
    for index, (new, size) in enumerate(continuations)
  ]
  stem = workdir.short(Path(source).stem)
  path = Path(output or place / f"generated-{stem}.jsonl")
  lines = (json.dumps(row, ensure_ascii=False) for row in rows)
  workdir.write(path, "\n".join(lines) + "\n")
  print(f"{len(rows):,} continuations: {path}", flush=True)
  return path


def _continued(
  net: GPT, variables: Any, tokens: list[np.ndarray], end: int, chosen: Sampling
) -> list[tuple[list[int], int]]:
  """(new ids, how many of them are text) for each sample of each prompt.

  All batches have the same shape, so that one program is compiled.
  """
  width = max(map(len, tokens))
  arrays = packing.padded([Piece(ids) for ids in tokens], width)
  rows = np.repeat(np.arange(len(tokens)), chosen.samples)
  size = min(chosen.batch_size, len(rows))
  continued = generation.generation(net, new=chosen.new, end=end)
  continuations: list[tuple[list[int], int]] = []
  for start in range(0, len(rows), size):
    # The last batch is filled with padding rows, discarded at the end.
    ids = np.arange(start, start + size)
    of = rows[np.minimum(ids, len(rows) - 1)]
    result = continued(
      variables,
      arrays["tokens"][of],
      arrays["segment"][of],
      key=rng.stream(chosen.seed, "generate"),
      ids=ids,
      temperature=chosen.temperature,
      top_k=chosen.top_k,
      top_p=chosen.top_p,
    )
    new, lengths = np.asarray(result.tokens), np.asarray(result.lengths)
    continuations += zip(new.tolist(), lengths.tolist(), strict=True)
  return continuations[: len(rows)]


def _model(trained: stages.Trained) -> tuple[GPT, Any]:
  """The causal model of a run that continues texts, and its parameters.

  Its token embedding also predicts the next token, so it has no head; the
  objective has no other parameters.
  """
  outer, params = trained.model.objective, trained.variables["params"]
  objective, params = outer.innermost(params)
  net = objective.net
  if not isinstance(net, GPT) or net.outputs or params.keys() != {"model"}:
    factory = spec.function(trained.model.run.objective)
    kind = f"{factory.__module__}.{factory.__name__}"
    raise UserError(
      f"stage {trained.name} cannot continue texts: its objective is "
      f"{kind.removeprefix('medfm.objectives.')}; generate needs a GPT trained "
      "by language.causal_lm, such as configs/gpt_pretrain.py"
    )
  return net, params["model"]


def _tokenizer(folder: Path) -> Tokenizer:
  path = folder / "tokenizer.json"
  try:
    return Tokenizer(workdir.sealed(path), str(path))
  except OSError:
    raise UserError(
      f"{path} is missing: give --workdir the folder of a run on text"
    ) from None


def _check_lengths(
  net: GPT, tokens: list[np.ndarray], names: list[str], new: int
) -> None:
  size, name = max(zip(map(len, tokens), names, strict=True))
  if not net.rotary and size + new > net.length:
    raise UserError(
      f"{name}: {size} tokens and {new} new ones are more than the "
      f"{net.length} positions of the model: shorten the text or lower "
      "--sampling=new"
    )
