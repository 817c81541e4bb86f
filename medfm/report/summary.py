"""A run in plain sentences that claim no more than its intervals show."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import wording
from medfm.report.reading import COHORT, Run, Stage, target

_BESIDE_A_BASELINE = {
  "better": "the model is better",
  "worse": "the model is worse than the baseline",
  "no difference shown": "no difference shown (the interval includes 0)",
  "not assessed": "the difference was not assessed",
}
_PRETRAINING = {
  "better": "the pre-trained model is better",
  "worse": "the pre-trained model is worse",
  "no difference shown": "no difference is shown",
  "not assessed": "the difference was not assessed",
}


def headline(run: Run) -> Stage | None:
  """The stage the run is about.

  Among the finished stages that predict something, the one with most labels
  that starts from another stage's weights; of equals, the later one.
  """
  stages = [stage for stage in run.stages.values() if stage.final_split]
  predicting = [stage for stage in stages if stage.supervised] or stages
  order = [
    (bool(stage.origin), stage.result.get("label_fraction") or 0, place)
    for place, stage in enumerate(predicting)
  ]
  return predicting[max(order)[2]] if order else None


def question(run: Run) -> str:
  """What the page is about, below its title."""
  if not run.evaluation:
    return run.description
  kind = "External evaluation" if run.evaluation["elsewhere"] else "Evaluation"
  whose = "this cohort" if run.evaluation["elsewhere"] else "its own data again"
  return f"{kind} of the run {run.evaluation['run']} on {whose}."


def sentences(run: Run) -> list[str]:
  """The summary's paragraph, sentence by sentence."""
  lines = list(_unfinished(run))
  stage = headline(run)
  if stage is None:
    return [*lines, "No stage has been evaluated yet."]
  lines.append(_trained(stage))
  if run.evaluation.get("elsewhere"):
    lines += _elsewhere(run)
  lines += [*_reached(stage), *_against_test(stage), *_baselines(stage)]
  verdict = pretraining_verdict(run)
  return [*lines, verdict] if verdict else lines


def _elsewhere(run: Run) -> Iterator[str]:
  """How another cohort was evaluated: only recalibration was fitted on it."""
  yield (
    f"Here it is scored on all rows of {run.name}, which were read as training "
    "read its data."
  )
  yield (
    "Nothing was fitted on this cohort except the recalibration, which is "
    "shown as such; the run chose the thresholds on its validation split."
  )


def _against_test(stage: Stage) -> Iterator[str]:
  """A cohort's main metrics beside those of the run's test split."""
  apart = stage.result.get("apart") or {}
  for metric in stage.main(apart)[:1]:
    internal = wording.spoken(stage.result["own_test"]["metrics"][metric])
    yield (
      f"On the run's own test split its {_name(stage, metric)} was "
      f"{internal}; the difference, this cohort minus that split, which has "
      f"other patients, is {wording.spoken(apart[metric], signed=True)}."
    )


def findings(run: Run) -> list[str]:
  """What each comparison between stages shows, one sentence each."""
  lines = []
  for pair, metric, which, word in _compared(run):
    verdict = word
    if not which and word in ("better", "worse"):
      verdict = f"{pair['a' if word == 'better' else 'b']} is better"
    elif which and word in ("better", "worse"):
      verdict = _PRETRAINING[_turned(word, which)]
    elif which and word == "no difference shown":
      verdict += ", so no benefit of pre-training is established"
    difference = _difference(run.stages[pair["a"]], metric, pair["difference"])
    names = f"{pair['a']} against {pair['b']} ({pair['split']})"
    lines.append(f"{names}: {verdict}. {difference}")
  return lines


def pretraining_verdict(run: Run) -> str:
  """Which model was better, over all comparisons; "" without any.

  About models, not about pre-training: each stage is one model with one seed.
  """
  words = [_turned(word, which) for *_, which, word in _compared(run) if which]
  if not words:
    return ""
  counts = [
    f"{what} in {words.count(word)}"
    for word, what in _PRETRAINING.items()
    if word in words
  ]
  total = wording.count(len(words), "comparisons")
  return (
    f"Against fresh weights, {', '.join(counts)} of {total} (a difference is "
    "shown only if the interval excludes 0). Each comparison is of two trained "
    "models; to see whether pre-training itself helps, run several seeds in a "
    "grid."
  )


def _compared(run: Run) -> Iterator[tuple[Mapping[str, Any], str, int, str]]:
  """Each comparison with the metric that decides it and its verdict.

  The third item is 1 if only the first stage was pre-trained, -1 if only the
  second was, else 0.
  """
  for pair in run.comparisons:
    if first := run.stages.get(pair["a"]):
      second = run.stages.get(pair["b"])
      which = bool(first.origin) - bool(second and second.origin)
      for metric in first.main(pair["difference"])[:1]:
        entry = pair["difference"][metric]
        word = wording.verdict(metric, entry, first.described)
        yield pair, metric, which, word


def _turned(word: str, which: int) -> str:
  """The verdict, from the view of the pre-trained stage of two."""
  opposite = {"better": "worse", "worse": "better"}
  return word if which > 0 else opposite.get(word, word)


def synthetic(stage: Stage) -> bool:
  """Whether the data card says that the data are made up."""
  words = f"{stage.data.get('name', '')} {stage.card.get('source', '')}".lower()
  return bool(stage.card.get("synthetic")) or any(
    word in words for word in ("synthetic", "synthea", "simulated")
  )


def _unfinished(run: Run) -> Iterator[str]:
  if run.finished:
    return
  yield "This run has not finished; this report shows the results so far."
  for stage in run.stages.values():
    if not stage.finished:
      steps = stage.config.get("steps")
      total = f" of {steps:,}" if isinstance(steps, int) else ""
      step = f"step {stage.last_step:,}{total}"
      yield f"Stage {stage.name} is not finished ({step})."


def _trained(stage: Stage) -> str:
  model = target(stage.config, "objective.model").rpartition(".")[2]
  params = stage.result.get("params")
  subject = f"A model{f' ({model})' if model else ''}"
  subject += f" of {params:,} parameters" if params else ""
  origin = stage.origin and f", starting from the weights of {stage.origin},"
  question = "" if stage.figures is None else stage.figures.question(stage)
  kind = "synthetic data set" if synthetic(stage) else "data set"
  data = f"the {kind} {stage.learnt.get('name') or 'its data'}"
  asked = f"to {question} in {data}" if question else f"on {data}"
  prompts = stage.card.get("prompts")
  total, best = stage.result.get("steps"), stage.result.get("best")
  if prompts and not total:
    shots = len(next(iter(prompts["shots"].values())))
    count = wording.count(len(prompts["shots"]), "prompts")
    each = f"of {wording.count(shots, 'labelled examples')} each"
    return (
      f"{subject} was not trained further{origin} and was asked by {count} "
      f"{each if shots else 'without examples'} {asked}."
    )
  how = f" for {total:,} steps" if total else ""
  if total and best:
    how += f" (step {best['step']:,} was best by validation)"
  train, used = stage.learnt.get("splits", {}).get("train") or {}, ""
  if train.get("n"):
    cut = "" if stage.share == 1 else f"{wording.percent(stage.share)} of "
    used = f", on {cut}{train['n']:,} training examples"
    used += _of_whom(stage, train)
  return f"{subject} was trained{how}{origin} {asked}{used}."


def _reached(stage: Stage) -> Iterator[str]:
  split = stage.final_split
  result, metrics = stage.splits[split], stage.part(split, "metrics")
  n = wording.count(result.get("n"), "examples")
  if readings := [_reading(stage, m, metrics[m]) for m in stage.main(metrics)]:
    there = (
      f"the {split} split" if stage.learnt is stage.data else "this cohort"
    )
    where = f"On {there} ({n}{_of_whom(stage, result)})"
    yield f"{where} {'; '.join(readings)}."
  if split not in ("test", COHORT):
    yield (
      "There is no test split: these numbers come from data that may have "
      "guided the training, and may flatter the model."
    )


def _reading(stage: Stage, metric: str, entry: Mapping[str, Any]) -> str:
  name = _name(stage, metric)
  if entry.get("value") is None:
    return f"its {name} is not available ({wording.reason(entry)})"
  in_unit = getattr(stage.figures, "unit", lambda stage, metric: "")
  unit = in_unit(stage, metric)
  return f"its {name}{unit and f' in {unit}'} was {wording.spoken(entry)}"


def _baselines(stage: Stage) -> Iterator[str]:
  for name, rival in stage.part(stage.final_split, "baselines").items():
    metrics, differences = rival["metrics"], rival["difference"]
    for metric in stage.main(metrics)[:1]:
      probe = name.removeprefix("probe_")
      subject = (
        f"The baseline {name}"
        if probe == name
        else f"Its frozen features, by a {probe} probe,"
      )
      reached = f"{subject} reached {wording.interval(metrics[metric])}"
      if metric in differences:
        word = wording.verdict(metric, differences[metric], stage.described)
        verdict = _BESIDE_A_BASELINE[word]
        words = _difference(stage, metric, differences)
        yield f"{reached} on the same examples: {verdict}. {words}"
      else:
        yield f"{reached} ({_name(stage, metric)}) on the same examples."


def _difference(
  stage: Stage, metric: str, differences: Mapping[str, Any]
) -> str:
  entry = differences[metric]
  if entry.get("value") is None:
    return f"Reason: {entry.get('reason') or 'not computed'}."
  words = wording.spoken(entry, signed=True)
  nearer = wording.distance(metric, entry, stage.described)
  words += f"; {nearer}" if nearer else ""
  return f"Paired difference in {_name(stage, metric)} {words}."


def _name(stage: Stage, metric: str) -> str:
  title = stage.title(metric)
  return title if title[:2].isupper() or title == "R²" else title.lower()


def _of_whom(stage: Stage, counted: Mapping[str, Any]) -> str:
  count = counted.get("patients")
  return "" if count is None else f" of {wording.count(count, stage.whom)}"
