"""Classes from sentences: no label is learnt from, only texts are compared."""

import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm import spec
from medfm.data.captions import pairs
from medfm.data.text.tokenizers import Tokenizer
from medfm.evals import baselines, paired, probes, scores
from medfm.evals.context import Block, Context, Findings, keeps
from medfm.tasks import multiclass
from medfm.types import Arrays, UserError

IMAGE, TEXT, SCALE = "image_embedding", "text_embedding", "scale"
METRICS = ("accuracy", "balanced_accuracy", "auroc")
RIVAL = "zero_shot_sentences"
PROBE, MAJORITY = "linear probe of the image tower", "majority class"


class Asked(NamedTuple):
  """The vectors of sentences [T,K,E], and what a cosine is multiplied by."""

  vectors: np.ndarray
  scale: float


@keeps("embedding", IMAGE, TEXT, SCALE)
def zero_shot(
  context: Context,
  *,
  templates: tuple[str, ...] = ("{}",),
  classes: tuple[str, ...] = (),
) -> Findings:
  """Which class's sentence is nearest to the picture (Radford et al. 2021).

  Each class is written into every template, and the mean of the sentences'
  vectors, scaled to length 1, stands for it; probabilities are the softmax of
  cosines times the learnt scale. A table shows the mean of the templates, each
  template alone and their spread, beside a linear probe of the frozen image
  tower and the majority class, which both learn from the training labels, and
  the paired differences from these.

  templates: sentences with {} for the class.
  classes: "class=words", what to write for a class; by default its name.
  """
  task, info = context.asked, context.info
  if task is not multiclass:
    raise UserError(
      f"zero_shot: {info.name} has no classes to ask for; give the data a "
      "label, or leave it out of `evaluators`"
    )
  sentences = written(templates, classes, info.target.names)
  asked = embedded(context, sentences)
  train = context.train
  learnt = None if train is None else context.predict(train)
  if not context.first:
    return Findings()
  predicted = {
    name: {"probs": probabilities(outputs, asked)}
    for name, outputs in context.predicted.items()
  }
  rivals = _learnt(context, learnt)
  blocks = {
    name: [_table(context, name, asked, templates, sentences, rivals)]
    for name in context.predicted
  }
  return Findings({RIVAL: predicted}, blocks)


def written(
  templates: Sequence[str], classes: Sequence[str], names: Sequence[str]
) -> list[list[str]]:
  """[T][K] the sentences; UserError for a class that the data do not have."""
  words = {name: name for name in names}
  for each in classes:
    name, equals, said = each.partition("=")
    if name not in words or not equals or not said.strip():
      raise UserError(
        f"zero_shot.classes has {each!r}: expected class=words for one of "
        f"{', '.join(names)}{spec.nearest(name, names)}"
      )
    words[name] = said.strip()
  for template in templates:
    fields = [part[1] for part in _parts(template) if part[1] is not None]
    if fields != [""]:
      raise UserError(
        f"zero_shot.templates has {template!r}: expected a sentence with one "
        "{} for the class"
      )
  if not templates:
    raise UserError("zero_shot needs templates, such as 'a scan of {}'")
  return [[t.format(words[name]) for name in names] for t in templates]


def embedded(context: Context, sentences: list[list[str]]) -> Asked:
  """The sentences as the trained model reads them."""
  settings: Any = spec.settings(context.data.encode)
  if "tokenizer" not in settings:
    raise UserError(f"{context.info.name} has no tokenizer to read sentences")
  flat = [sentence for row in sentences for sentence in row]
  split = pairs.asked(
    Tokenizer(settings["tokenizer"]), flat, context.info, settings["length"]
  )
  outputs = context.predict(split)
  if TEXT not in outputs:
    raise UserError(
      "zero_shot needs a model that embeds pictures and texts: use an "
      "objective of medfm.objectives.image_text"
    )
  vectors = np.asarray(outputs[TEXT], np.float64)
  shape = (len(sentences), len(sentences[0]), -1)
  return Asked(vectors.reshape(shape), float(outputs[SCALE][0]))


def probabilities(outputs: Arrays, asked: Asked) -> np.ndarray:
  """[N,K] float32, from the mean vector of each class over its templates."""
  centre = _unit(_unit(asked.vectors).mean(0))
  logits = asked.scale * (_unit(np.asarray(outputs[IMAGE])) @ centre.T)
  odds = np.exp(logits - logits.max(1, keepdims=True))
  return (odds / odds.sum(1, keepdims=True)).astype(np.float32)


def _learnt(context: Context, outputs: Arrays | None) -> Mapping[str, Any]:
  """title -> split -> predictions of models that learn from the labels."""
  if outputs is None or context.train is None:
    return {}
  task, info, seed = context.asked, context.info, context.settings.seed
  others = {
    name: probes.embedded(task, name, split, context.predicted[name])
    for name, split in context.splits.items()
  }
  train = probes.embedded(task, "train", context.train, outputs)
  majority = baselines.rival(task, "majority", train, others, info, seed)
  return {
    PROBE: probes.linear(task, train, others, info, seed),
    MAJORITY: majority.predicted,
  }


def _table(
  context: Context,
  name: str,
  asked: Asked,
  templates: Sequence[str],
  sentences: list[list[str]],
  rivals: Mapping[str, Any],
) -> Block:
  """A block with every template, the learnt models and the differences."""
  task, info, split = context.asked, context.info, context.splits[name]
  target = scores.target_of(task, split.arrays)
  drawn = {"patients": split.patients, **context.settings._asdict()}
  outputs = context.predicted[name]

  def scored(predicted: Arrays) -> dict[str, Any]:
    return scores.scores(task, info, target, predicted, **drawn)["metrics"]

  whole = {"probs": probabilities(outputs, asked)}
  rows = [("sentences, mean of all templates", scored(whole), True)]
  alone = [
    scored({"probs": probabilities(outputs, asked._replace(vectors=one[None]))})
    for one in asked.vectors
  ]
  if len(alone) > 1:
    rows += [(t, each, False) for t, each in zip(templates, alone, strict=True)]
    rows.append(("from template to template", _spread(alone), True))
  for title, predicted in rivals.items():
    rows.append((title, scored(predicted[name]), True))
    gap = paired.difference(task, info, target, whole, predicted[name], **drawn)
    gap = {key: gap[key] | {"signed": True} for key in METRICS}
    rows.append((f"sentences − {title}, paired", gap, True))
  described = scores.described(task, info, target, whole)
  titles = [described[key].title for key in METRICS]
  said = "; ".join(
    f"{each}: “{sentence}”"
    for each, sentence in zip(info.target.names, sentences[0], strict=True)
  )
  return {
    "kind": "table",
    "title": "Classes from sentences, with 95 % intervals",
    "columns": ["Asked by", *titles],
    "rows": [
      [title, *(cells[key] for key in METRICS)] for title, cells, _ in rows
    ],
    "brief": [place for place, (*_, brief) in enumerate(rows) if brief],
    "note": f"The sentences are such as {said}. The model learnt from texts, "
    "not from labels, but a text that names the class tells as much. The "
    "linear probe and the majority class learn from the training labels.",
    "terminal": True,
  }


def _spread(each: Sequence[Mapping[str, Any]]) -> dict[str, str]:
  """metric -> `0.420 to 0.580` over the templates."""
  told = {}
  for metric in METRICS:
    values = [one[metric]["value"] for one in each]
    known = [value for value in values if value is not None]
    told[metric] = f"{min(known):.3f} to {max(known):.3f}" if known else "n/a"
  return told


def _parts(template: str) -> list[Any]:
  try:
    return list(string.Formatter().parse(template))
  except ValueError:
    return [("", None, None, None)]


def _unit(vectors: np.ndarray) -> np.ndarray:
  length = np.linalg.norm(vectors, axis=-1, keepdims=True)
  return vectors / np.maximum(length, 1e-12)
