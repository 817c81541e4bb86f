"""A run in plain sentences, which claim no more than its intervals show."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import wording
from medfm.report.reading import Run, Stage, target


def headline(run: Run) -> Stage | None:
  """The stage the run is about.

  Of the finished stages that predict something: one that starts from another
  stage's weights, with the most labels; the later where they tie.
  """
  stages = [stage for stage in run.stages.values() if stage.final_split]
  predicting = [stage for stage in stages if stage.task != "none"] or stages
  order = [
    (bool(stage.origin), stage.result.get("label_fraction") or 0, place)
    for place, stage in enumerate(predicting)
  ]
  return predicting[max(order)[2]] if order else None


def sentences(run: Run) -> list[str]:
  """The summary's paragraph, sentence by sentence."""
  stage = headline(run)
  said = list(_unfinished(run))
  if stage is None:
    return [*said, "No stage has been evaluated yet."]
  said.append(_trained(stage))
  said += _reached(stage)
  said += _baselines(stage)
  if verdict := pretraining_verdict(run):
    said.append(verdict)
  return said


def findings(run: Run) -> list[str]:
  """What each comparison between stages shows, one sentence each."""
  return [_comparison(run, found, metric) for found, metric in _compared(run)]


def pretraining_verdict(run: Run) -> str:
  """Whether pre-training helped, over all comparisons; "" without any."""
  words = []
  for found, metric in _compared(run):
    which = pretraining(run, found)
    word = wording.verdict(metric, found["difference"][metric])
    if which:
      flip = {"better": "worse", "worse": "better"} if which < 0 else {}
      words.append(flip.get(word, word))
  if not words:
    return ""
  told = [
    f"{said} in {words.count(word)}"
    for word, said in (
      ("better", "helped"),
      ("worse", "did harm"),
      ("no difference shown", "showed no difference"),
      ("not assessed", "was not assessed"),
    )
    if word in words
  ]
  total = wording.count(len(words), "comparisons")
  return (
    f"Against fresh weights, pre-training {', '.join(told)} of {total} "
    "(it helps or harms only where the interval excludes 0)."
  )


def pretraining(run: Run, found: Mapping[str, Any]) -> int:
  """1 where only a comparison's first stage was pre-trained, -1 where only
  its second was, else 0."""
  first, second = (
    bool(run.stages[found[side]].origin) if found[side] in run.stages else False
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
  steps = _length(stage)
  start = (
    f", starting from the weights of {stage.origin}," if stage.origin else ""
  )
  train = stage.data.get("splits", {}).get("train") or {}
  used = ""
  if train.get("n"):
    share = stage.result.get("label_fraction") or 1.0
    cut = "" if share == 1 else f"{wording.percent(share)} of "
    used = f", on {cut}{train['n']:,} training examples{_of_whom(stage, train)}"
  name = stage.data.get("name") or "its data"
  made_up = "synthetic data set" if synthetic(stage) else "data set"
  called = f"A model{f' ({model})' if model else ''}{size}"
  asked = (stage.data.get("card") or {}).get("prompts")
  if asked and not stage.result.get("steps"):
    shots = next(iter(asked["shots"].values()))
    count = wording.count(len(asked["shots"]), "prompts")
    each = f" of {wording.count(len(shots), 'labelled examples')} each"
    return (
      f"{called} was not trained further{start} and was asked by {count}"
      f"{each if shots else ' without examples'} to {_question(stage)} in the "
      f"{made_up} {name}."
    )
  return (
    f"{called} was trained{steps}{start} "
    f"to {_question(stage)} in the {made_up} {name}{used}."
  )


def _question(stage: Stage) -> str:
  classes = [wording.short(name) for name in stage.classes]
  if stage.task == "none" or not classes:
    return "reconstruct its inputs, without labels,"
  if stage.task == "regression":
    return f"predict {_listed(classes)}"
  if stage.task == "tokens":
    kinds = [name.partition("-")[2] for name in stage.classes]
    found = list(dict.fromkeys(filter(None, kinds)))
    return f"find entities ({_listed(found)})"
  if stage.task == "multilabel":
    return f"predict the {len(classes)} labels {_listed(classes)}"
  if len(classes) == 2:
    return f"tell {classes[1]} from {classes[0]}"
  return f"tell {len(classes)} classes apart ({_listed(classes)})"


def _reached(stage: Stage) -> Iterator[str]:
  split = stage.final_split
  result = stage.splits[split]
  n = wording.count(result.get("n"), "examples")
  where = f"On the {split} split ({n}{_of_whom(stage, result)})"
  metrics = result.get("metrics", {})
  said = [
    _reading(stage, metric, metrics[metric])
    for metric in wording.main(stage.task, metrics, stage.select)
  ]
  if said:
    yield f"{where} {'; '.join(said)}."
  if split != "test":
    yield (
      "There is no test split: these numbers come from data that may have "
      "guided the training, and may flatter the model."
    )


def _reading(stage: Stage, metric: str, entry: Mapping[str, Any]) -> str:
  if entry.get("value") is None:
    reason = entry.get("reason") or "no reason was given"
    return f"its {_name(metric)} is not available ({reason})"
  units = list(stage.data.get("units") or ())
  in_unit = len(units) == 1 and metric in ("rmse", "mae") and units[0]
  unit = f" in {units[0]}" if in_unit else ""
  return f"its {_name(metric)}{unit} was {wording.spoken(entry)}"


def _baselines(stage: Stage) -> Iterator[str]:
  split = stage.final_split
  for name, found in (stage.splits[split].get("baselines") or {}).items():
    metrics = found.get("metrics") or {}
    differences = found.get("difference") or {}
    for metric in wording.main(stage.task, metrics, stage.select)[:1]:
      value = wording.interval(metrics[metric])
      entry = differences.get(metric) or {}
      yield (
        f"The baseline {name} reached {value} on the same examples: "
        + _shown(metric, entry, "the model", "the baseline")
      )


def _comparison(run: Run, found: Mapping[str, Any], metric: str) -> str:
  entry = found["difference"][metric]
  where = f"{found['a']} against {found['b']} ({found['split']}): "
  which = pretraining(run, found)
  word = wording.verdict(metric, entry)
  if which and word in ("better", "worse"):
    helped = (word == "better") == (which > 0)
    told = "pre-training helped" if helped else "pre-training did harm"
  elif which and word == "no difference shown":
    told = "no difference shown, so no benefit of pre-training is established"
  else:
    told = {
      "better": f"{found['a']} is better",
      "worse": f"{found['b']} is better",
    }.get(word, word)
  return f"{where}{told}. {_difference(metric, entry)}"


def _shown(metric: str, entry: Mapping[str, Any], a: str, b: str) -> str:
  """A verdict and the numbers behind it, as a clause."""
  told = {
    "better": f"{a} is better",
    "worse": f"{a} is worse than {b}",
    "no difference shown": "no difference shown (the interval includes 0)",
  }.get(wording.verdict(metric, entry), "the difference was not assessed")
  return f"{told}. {_difference(metric, entry)}"


def _difference(metric: str, entry: Mapping[str, Any]) -> str:
  if entry.get("value") is None:
    return f"Reason: {entry.get('reason') or 'not computed'}."
  return (
    f"Paired difference in {_name(metric)} "
    f"{wording.spoken(entry, signed=True)}."
  )


def _name(metric: str) -> str:
  title = wording.title(metric)
  return title if title[:2].isupper() or title == "R²" else title.lower()


def _of_whom(stage: Stage, counted: Mapping[str, Any]) -> str:
  count = counted.get("patients")
  return "" if count is None else f" of {wording.count(count, stage.whom)}"


def _listed(names: list[str], most: int = 5) -> str:
  shown = names[:most]
  if len(names) > most:
    return ", ".join(shown) + f" and {len(names) - most} more"
  if len(shown) < 2:
    return "".join(shown)
  return ", ".join(shown[:-1]) + " and " + shown[-1]


def _compared(run: Run) -> Iterator[tuple[Mapping[str, Any], str]]:
  """Each comparison with the metric that decides it."""
  for found in run.comparisons:
    stage = run.stages.get(found["a"])
    task, select = (stage.task, stage.select) if stage else ("none", "")
    for metric in wording.main(task, found["difference"], select)[:1]:
      yield found, metric
