"""A run in plain sentences, which claim no more than its intervals show."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import wording
from medfm.report.reading import Run, Stage, main, target


def headline(run: Run) -> Stage | None:
  """The stage the run is about.

  Of the finished stages that predict something: one that starts from another
  stage's weights, with the most labels; the later where they tie.
  """
  stages = [stage for stage in run.stages.values() if stage.final_split]
  predicting = [stage for stage in stages if stage.supervised] or stages
  order = [
    (bool(stage.origin), stage.result.get("label_fraction") or 0, place)
    for place, stage in enumerate(predicting)
  ]
  return predicting[max(order)[2]] if order else None


def sentences(run: Run) -> list[str]:
  """The summary's paragraph, sentence by sentence."""
  stage = headline(run)
  unfinished = list(_unfinished(run))
  if stage is None:
    return [*unfinished, "No stage has been evaluated yet."]
  verdict = pretraining_verdict(run)
  return [
    *unfinished,
    _trained(stage),
    *_reached(stage),
    *_baselines(stage),
    *filter(None, [verdict]),
  ]


def findings(run: Run) -> list[str]:
  """What each comparison between stages shows, one sentence each."""
  return [_comparison(run, pair, metric) for pair, metric in _compared(run)]


def pretraining_verdict(run: Run) -> str:
  """Whether pre-training helped, over all comparisons; "" without any."""
  words = []
  for pair, metric in _compared(run):
    which, word = pretraining(run, pair), _verdict(run, pair, metric)
    if which:
      flip = {"better": "worse", "worse": "better"} if which < 0 else {}
      words.append(flip.get(word, word))
  if not words:
    return ""
  counts = [
    f"{what} in {words.count(word)}"
    for word, what in (
      ("better", "helped"),
      ("worse", "did harm"),
      ("no difference shown", "showed no difference"),
      ("not assessed", "was not assessed"),
    )
    if word in words
  ]
  total = wording.count(len(words), "comparisons")
  return (
    f"Against fresh weights, pre-training {', '.join(counts)} of {total} "
    "(it helps or harms only where the interval excludes 0)."
  )


def pretraining(run: Run, pair: Mapping[str, Any]) -> int:
  """1 where only a comparison's first stage was pre-trained, -1 where only
  its second was, else 0."""
  first, second = (
    bool(run.stages[pair[side]].origin) if pair[side] in run.stages else False
    for side in ("a", "b")
  )
  return int(first) - int(second)


def synthetic(stage: Stage) -> bool:
  """Whether the data card says that the data are made up."""
  card = stage.data.get("card") or {}
  words = f"{stage.data.get('name', '')} {card.get('source', '')}".lower()
  return bool(card.get("synthetic")) or any(
    word in words for word in ("synthetic", "synthea", "simulated")
  )


def _unfinished(run: Run) -> Iterator[str]:
  if run.finished:
    return
  yield "This run has not finished; what follows is what there is so far."
  for stage in run.stages.values():
    if not stage.finished:
      steps = stage.config.get("steps")
      total = f" of {steps:,}" if isinstance(steps, int) else ""
      yield (
        f"Stage {stage.name} is not finished (step {stage.last_step:,}{total})."
      )


def _length(stage: Stage) -> str:
  """` for 50 steps`, and which of them was the best, where one was chosen."""
  total, best = stage.result.get("steps"), stage.result.get("best")
  if not total:
    return ""
  chosen = f" (step {best['step']:,} was best by validation)" if best else ""
  return f" for {total:,} steps{chosen}"


def _trained(stage: Stage) -> str:
  model = target(stage.config, "objective.model").rpartition(".")[2]
  params = stage.result.get("params")
  size = f" of {params:,} parameters" if params else ""
  start = (
    f", starting from the weights of {stage.origin}," if stage.origin else ""
  )
  name = stage.data.get("name") or "its data"
  kind = "synthetic data set" if synthetic(stage) else "data set"
  question = "" if stage.figures is None else stage.figures.question(stage)
  asked = f" to {question} in" if question else " on"
  subject = f"A model{f' ({model})' if model else ''}{size}"
  prompts = (stage.data.get("card") or {}).get("prompts")
  if prompts and not stage.result.get("steps"):
    shots = next(iter(prompts["shots"].values()))
    count = wording.count(len(prompts["shots"]), "prompts")
    each = f" of {wording.count(len(shots), 'labelled examples')} each"
    return (
      f"{subject} was not trained further{start} and was asked by {count}"
      f"{each if shots else ' without examples'}{asked} the {kind} {name}."
    )
  length, used = _length(stage), _used(stage)
  return f"{subject} was trained{length}{start}{asked} the {kind} {name}{used}."


def _used(stage: Stage) -> str:
  """`, on 10.0 % of 80 training examples of 40 patients`."""
  train = stage.data.get("splits", {}).get("train") or {}
  if not train.get("n"):
    return ""
  share = stage.result.get("label_fraction") or 1.0
  cut = "" if share == 1 else f"{wording.percent(share)} of "
  return f", on {cut}{train['n']:,} training examples{_of_whom(stage, train)}"


def _reached(stage: Stage) -> Iterator[str]:
  split = stage.final_split
  result = stage.splits[split]
  n = wording.count(result.get("n"), "examples")
  where = f"On the {split} split ({n}{_of_whom(stage, result)})"
  metrics = result.get("metrics") or {}
  readings = [_reading(stage, m, metrics[m]) for m in stage.main(metrics)]
  if readings:
    yield f"{where} {'; '.join(readings)}."
  if split != "test":
    yield (
      "There is no test split: these numbers come from data that may have "
      "guided the training, and may flatter the model."
    )


def _reading(stage: Stage, metric: str, entry: Mapping[str, Any]) -> str:
  name = _name(stage, metric)
  if entry.get("value") is None:
    reason = entry.get("reason") or "no reason was given"
    return f"its {name} is not available ({reason})"
  in_unit = getattr(stage.figures, "unit", lambda stage, metric: "")
  unit = in_unit(stage, metric)
  return f"its {name}{unit and f' in {unit}'} was {wording.spoken(entry)}"


def _baselines(stage: Stage) -> Iterator[str]:
  beside = stage.splits[stage.final_split].get("baselines") or {}
  for name, rival in beside.items():
    metrics = rival.get("metrics") or {}
    shown = main(stage.result, metrics, rival.get("task") or "")
    for metric in (shown or list(metrics))[:1]:
      value = wording.interval(metrics[metric])
      probe = name.removeprefix("probe_")
      subject = (
        f"The baseline {name}"
        if probe == name
        else f"Its frozen features, by a {probe} probe,"
      )
      reached = f"{subject} reached {value}"
      entry = (rival.get("difference") or {}).get(metric)
      if entry is None:
        yield f"{reached} ({_name(stage, metric)}) on the same examples."
      else:
        shown_by = _shown(stage, metric, entry, "the model", "the baseline")
        yield f"{reached} on the same examples: {shown_by}"


def _comparison(run: Run, pair: Mapping[str, Any], metric: str) -> str:
  where = f"{pair['a']} against {pair['b']} ({pair['split']}): "
  which, word = pretraining(run, pair), _verdict(run, pair, metric)
  if which and word in ("better", "worse"):
    helped = (word == "better") == (which > 0)
    verdict = "pre-training helped" if helped else "pre-training did harm"
  elif which and word == "no difference shown":
    verdict = f"{word}, so no benefit of pre-training is established"
  else:
    verdict = {
      "better": f"{pair['a']} is better",
      "worse": f"{pair['b']} is better",
    }.get(word, word)
  stage, entry = run.stages[pair["a"]], pair["difference"][metric]
  return f"{where}{verdict}. {_difference(stage, metric, entry)}"


def _verdict(run: Run, pair: Mapping[str, Any], metric: str) -> str:
  described = run.stages[pair["a"]].described
  return wording.verdict(metric, pair["difference"][metric], described)


def _shown(
  stage: Stage, metric: str, entry: Mapping[str, Any], a: str, b: str
) -> str:
  """A verdict and the numbers behind it, as a clause."""
  verdict = {
    "better": f"{a} is better",
    "worse": f"{a} is worse than {b}",
    "no difference shown": "no difference shown (the interval includes 0)",
  }.get(
    wording.verdict(metric, entry, stage.described),
    "the difference was not assessed",
  )
  return f"{verdict}. {_difference(stage, metric, entry)}"


def _difference(stage: Stage, metric: str, entry: Mapping[str, Any]) -> str:
  if entry.get("value") is None:
    return f"Reason: {entry.get('reason') or 'not computed'}."
  words = (
    f"Paired difference in {_name(stage, metric)} "
    f"{wording.spoken(entry, signed=True)}"
  )
  nearer = wording.distance(metric, entry, stage.described)
  return f"{words}{nearer and f'; {nearer}'}."


def _name(stage: Stage, metric: str) -> str:
  title = stage.title(metric)
  return title if title[:2].isupper() or title == "R²" else title.lower()


def _of_whom(stage: Stage, counted: Mapping[str, Any]) -> str:
  count = counted.get("patients")
  return "" if count is None else f" of {wording.count(count, stage.whom)}"


def _compared(run: Run) -> Iterator[tuple[Mapping[str, Any], str]]:
  """Each comparison with the metric that decides it."""
  for pair in run.comparisons:
    if stage := run.stages.get(pair["a"]):
      for metric in stage.main(pair["difference"])[:1]:
        yield pair, metric
