"""The stages of a trained run on a cohort that they were not trained on.

Nothing is fitted on the cohort except the recalibration, which is shown as
such. The way it is read, the weights and the thresholds are those of the run.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from medfm import (
  jsons,
  predictions,
  scoring,
  settings,
  setup,
  spec,
  stages,
  tasks,
  workdir,
)
from medfm.data import leakage, splits
from medfm.evals import cohorts, shifts, unpaired
from medfm.types import Dataset, Folders, UserError

_OF_TRAINING = ("step", "steps", "params", "select", "label_fraction")
_OF_TRAINING += ("objective", "best", "init")


class Done(NamedTuple):
  """A stage and its results. notes: sentences that a reader must know."""

  stage: str
  cohort: Dataset
  results: dict[str, Any]
  rows: list[predictions.Row]
  notes: list[str]


Open = Callable[[str], stages.Trained]
"""Opens a stage by its name, with the user's evaluation settings."""


def evaluated(
  open_: Open,
  runs: Mapping[str, settings.Run],
  past: Mapping[str, Any],
  factory: Callable[[Folders], Dataset],
  folders: Folders,
) -> list[Done]:
  """The stages on another cohort; those that cannot read it are left out."""
  done: list[Done] = []
  left: dict[str, str] = {}
  read, learnt = _cohort(factory, folders), _Learnt(folders)
  fitted: dict[tuple, Any] = {}
  for name in runs:
    opened = open_(name)
    opened = opened._replace(model=setup.for_new_rows(opened.model))
    try:
      cohort = read(opened)
    except UserError as error:
      left[name] = str(error)
      continue
    done.append(_there(opened, cohort, past, learnt, fitted))
  _tell(left, bool(done))
  return done


def _there(
  opened: stages.Trained,
  cohort: Dataset,
  past: Mapping[str, Any],
  learnt: "_Learnt",
  fitted: dict[tuple, Any],
) -> Done:
  """A stage on a cohort that it reads as it read its training data."""
  before = past.get("stages", {}).get(opened.name) or {}
  trained, notes = _kept(opened.folder)
  data, note = learnt.data(opened, before)
  train = shared = None
  if not before:
    notes.append(
      "the run has not finished, so there are no thresholds and there is no "
      "test split to compare with"
    )
  if data is None:
    notes.append(note)
  else:
    train = setup.seen(opened.model.run, data).splits["train"]
    sides = {**cohort.splits, "train": data.splits["train"]}
    sides = {name: sides[name] for name in ("train", cohorts.SPLIT)}
    shared = leakage.leakage(dataclasses.replace(cohort, splits=sides))
    print(f"{cohort.info.name}: {leakage.line(shared)}", flush=True)
    notes += _seen(shared, cohort.card.get("grouped_by", "patient"))
  for each in dict.fromkeys([*notes, note]):
    print(f"{opened.name}: {each}", flush=True)
  scored = scoring.evaluation(
    opened.model,
    opened.variables,
    cohort,
    train,
    fitted,
    show=False,
    brought=scoring.Brought(
      _decisions(before), trained, before.get("drawn_thresholds") or {}
    ),
  )
  entry = {
    "data": of_data(cohort) | {"leakage": shared},
    "trained_on": before.get("data") or {},
    "answers": shifts.answers(cohort.splits[cohorts.SPLIT], cohort.info),
  }
  results = about(past, opened.name) | entry | _beside(scored.results, before)
  return Done(opened.name, cohort, results, scored.rows(opened.name), notes)


def _beside(
  results: dict[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
  """The results with those of the run's own test split beside them."""
  here = results["splits"][cohorts.SPLIT]["metrics"]
  blocks, tested = results["blocks"], before.get("splits", {}).get("test")
  if tested:
    task = tasks.named(results["task"])
    main = task.headline(here, before.get("select", ""))
    kept = {name: tested.get(name) for name in ("n", "patients", "metrics")}
    results["own_test"] = kept
    results["apart"] = unpaired.differences(here, kept["metrics"])
    blocks = [unpaired.block(results, here, main), *blocks]
  # There is only one split, so no title needs to name it.
  return results | {"blocks": [block | {"split": ""} for block in blocks]}


class _Learnt:
  """The training data of stages, if they are available and unchanged."""

  def __init__(self, folders: Folders):
    self.folders = folders
    self.known: dict[str, Dataset | str] = {}

  def data(
    self, opened: stages.Trained, before: Mapping[str, Any]
  ) -> tuple[Dataset | None, str]:
    """The stage's training data, or None; and a sentence that says which."""
    run = opened.model.run
    if (key := repr(run.data)) not in self.known:
      try:
        self.known[key] = run.data(self.folders)
      except (UserError, OSError) as error:
        self.known[key] = str(error)
    data = self.known[key]
    if isinstance(data, Dataset):
      card = before.get("data", {}).get("card", {})
      if before and card.get("fingerprint") != data.card.get("fingerprint"):
        data = "they or their preparation have changed since"
      elif setup.seen(run, data).info != opened.model.info:
        data = "they are read in another way than in training"
    if isinstance(data, str):
      return None, (
        f"the training data are not available ({data}), so no baseline is "
        "fitted, and shared patients and copies are not looked for"
      )
    return data, "baselines are fitted on the run's training data"


def _cohort(
  factory: Callable[[Folders], Dataset], folders: Folders
) -> Callable[[stages.Trained], Dataset]:
  """stage -> the cohort as the stage reads it; read once if stages agree."""
  known: dict[str, Dataset] = {}

  def read(trained: stages.Trained) -> Dataset:
    reading = stages.reading(trained)
    if (key := repr(reading)) not in known:
      known[key] = _named(cohorts.read(factory, folders, reading), factory)
      print(*cohorts.lines(known[key]), sep="\n", flush=True)
    return known[key]

  return read


def _named(cohort: Dataset, factory: Callable[[Folders], Dataset]) -> Dataset:
  """The cohort, named after the user's file or folder if it has one."""
  path = spec.settings(factory).get("path")
  name = Path(path).resolve().stem if isinstance(path, str) else ""
  info = dataclasses.replace(cohort.info, name=name or cohort.info.name)
  return dataclasses.replace(cohort, info=info)


def _tell(left: Mapping[str, str], any_fits: bool) -> None:
  """Says which stages were left out; UserError if no stage fits."""
  reasons = [f"{name}: left out: {reason}" for name, reason in left.items()]
  if not any_fits:
    alike = set(left.values())
    raise UserError(alike.pop() if len(alike) == 1 else "; ".join(reasons))
  for reason in reasons:
    print(reason, flush=True)


def _kept(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
  """The summary of the training split, or None with a sentence on why."""
  path = folder / shifts.KEPT
  what = "is damaged"
  try:
    return jsons.parsed(workdir.sealed(path)), []
  except FileNotFoundError:
    what = "is missing (an earlier version trained this run)"
  except (UserError, ValueError):
    pass
  return None, [
    f"{path.name} {what}: how the cohort's inputs differ is shown only if "
    "the training data are available"
  ]


def _seen(shared: Mapping[str, Any], whom: str) -> list[str]:
  """A sentence if the cohort shares examples or patients with training."""
  (pair,) = shared["pairs"].values()
  equal, alike = (
    (pair[kind] or {}).get("count", 0) for kind in ("exact", "near")
  )
  patients = pair["patients"]
  if not (equal or alike or (patients and patients["count"])):
    return []
  of_whom = f"their {whom}s are not known"
  if patients is not None:
    of_whom = f"{patients['count']:,} are of {whom}s named in training"
  return [
    f"of this cohort's examples {equal:,} equal a training example, {alike:,} "
    f"are nearly equal to one, and {of_whom}: on these the scores flatter the "
    "model"
  ]


def _decisions(before: Mapping[str, Any]) -> dict[str, float]:
  """The thresholds that the run fixed on its validation split."""
  for split in ("test", "validation"):
    if entry := before.get("splits", {}).get(split):
      return dict(entry["thresholds"])
  return {}


def about(past: Mapping[str, Any], name: str) -> dict[str, Any]:
  """What the run's results say about the training of a stage."""
  before = past.get("stages", {}).get(name) or {}
  return {key: before[key] for key in _OF_TRAINING if key in before}


def of_data(cohort: Dataset) -> dict[str, Any]:
  """What a report says about the data."""
  target = cohort.info.target
  return {
    "name": cohort.info.name,
    "classes": target.names,
    "units": getattr(target, "units", ()),
    "card": cohort.card,
    "splits": splits.manifest(cohort),
  }
