"""Who was analysed: from the source to each split, and how many events.

What TRIPOD+AI asks of participants: the flow with its exclusions, their
characteristics by split, and events per variable.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from medfm.data import cards
from medfm.evals import scores, shifts, table_one
from medfm.evals.context import REVIEW, Block, Context, Findings
from medfm.metrics import bootstrap
from medfm.tasks import documents
from medfm.types import Arrays, Info, Split


def participants(context: Context) -> Findings:
  """Blocks of the whole run: flow, characteristics, events per variable."""
  if not context.first:
    return Findings()
  train, name = context.train, _names(context)
  units = {} if train is None else {"train": _units(train)}
  units |= {name(split): rows for split, rows in context.splits.items()}
  blocks = [_flow(context, units), table_one.block(units, context.info)]
  if train is not None and context.asked is context.task:
    blocks.append(_per_variable(context, units["train"]))
  return Findings(blocks={"": [block for block in blocks if block["rows"]]})


def _names(context: Context) -> Callable[[str], str]:
  """What a split is called; another cohort's only split is not a test split."""
  ours = "train" in context.data.splits
  return lambda split: split if ours else "cohort"


def _units(split: Split) -> Split:
  """One row for each text, if rows are windows of texts."""
  return split.take(documents.firsts(split))


def _flow(context: Context, units: Mapping[str, Split]) -> Block:
  """From the source's rows to those analysed in each split."""
  card = context.data.card
  whom = f"{card.get('grouped_by', 'patient')}s".capitalize()
  name = _names(context)
  whole = {name(k): _units(split) for k, split in context.data.splits.items()}
  if context.train is None:
    whole = dict(units)
  lost = [c for c in card.get("changes", ()) if cards.excludes(c)]
  total = sum(map(len, whole.values()))
  rows: list[list[Any]] = []
  if lost and not card.get("parts"):
    source = total + sum(change["count"] for change in lost)
    rows.append(["In the source", source, ""])
  rows += [[f"− {each['what']}", each["count"], ""] for each in lost]
  patients = [_patients(split) for split in whole.values()]
  known = None not in patients
  rows.append(["Read", total, sum(patients) if known else "unknown"])
  analysed = []
  for name, split in whole.items():
    if len(whole) > 1:
      rows.append([f"{name}: in the split", len(split), _told(split)])
    used = units.get(name, split)
    if len(used) < len(split):
      what = f"{name}: left out, to learn from a share of the labels"
      rows.append([what, len(split) - len(used), ""])
    labelled = used.take(np.flatnonzero(_known(context, used)))
    if len(labelled) < len(used):
      without = len(used) - len(labelled)
      rows.append([f"{name}: without a label, not scored", without, ""])
    if len(labelled) < len(split):
      rows.append([f"{name}: analysed", len(labelled), _told(labelled)])
    analysed.append(f"{name} {len(labelled):,}")
  excluded = sum(change["count"] for change in lost)
  return {
    "kind": "table",
    "title": "Participant flow",
    "columns": ["", "Examples", whom],
    "rows": rows,
    "note": "Exclusions made before the files were written are not known here.",
    "section": REVIEW,
    "headline": f"Analysed: {', '.join(analysed)} examples; {excluded:,} were "
    "excluded beforehand.",
  }


def _known(context: Context, split: Split) -> np.ndarray:
  """[N] whether the truth of each unit is known."""
  task = context.asked
  if not task.TARGETS or not set(task.TARGETS) <= split.arrays.keys():
    return np.ones(len(split), bool)
  profile = shifts.target(split, context.info)
  known = np.ones(len(split), bool)
  if len(profile.names):
    known &= np.isfinite(np.asarray(profile.values, float)).any(1)
  if profile.levels:
    codes = [np.asarray(codes) for _, codes in profile.levels.values()]
    known &= (np.stack(codes, 1) >= 0).any(1)
  return known


def _patients(split: Split) -> int | None:
  if split.patients is None:
    return None
  return len(np.unique(bootstrap.clusters(split.patients, len(split))))


def _told(split: Split) -> int | str:
  count = _patients(split)
  return "not known" if count is None else count


def _per_variable(context: Context, train: Split) -> Block:
  """How many events there are for each candidate predictor, and weight."""
  rows = list(_sizes(context, train))
  sizes = dict(rows)
  epv = sizes.get("Events per predictor parameter")
  headline = ""
  if epv is not None:
    events = next(iter(sizes.values()))
    headline = (
      f"{epv} events per candidate predictor parameter ({events:,} "
      f"over {sizes['Candidate predictor parameters']:,})."
    )
  return {
    "kind": "table",
    "title": "Events per variable",
    "columns": ["Of the training examples used", "Count"],
    "rows": [list(row) for row in rows],
    "note": "For a regression without a penalty, 10 or more events per "
    "parameter are advised (Peduzzi 1996; Riley 2020 recommends a specific "
    "calculation). A network usually has more weights than events; early "
    "stopping, weight decay and pre-training restrain it, so this ratio says "
    "little. The classical baseline beside it and the calibration slope show "
    "whether it overfits.",
    "section": REVIEW,
    "headline": headline,
  }


def _sizes(context: Context, train: Split) -> Iterator[tuple[str, Any]]:
  limit = _events(context, train)
  if limit is None:
    return
  what, events = limit
  yield what, events
  columns, params = _predictors(train.arrays, context.info)
  if columns:
    yield "Candidate predictors", columns
    yield "Candidate predictor parameters", params
    yield "Events per predictor parameter", f"{events / max(1, params):.1f}"
  weights = _count((context.variables or {}).get("params", {}))
  if weights:
    yield "Weights of the model", weights
    yield "Events per weight", f"{events / weights:.2g}"


def _events(context: Context, train: Split) -> tuple[str, int] | None:
  """The count that limits learning: the rarest answer's, or of numbers."""
  if not set(context.task.TARGETS) <= train.arrays.keys():
    return None
  target = scores.target_of(context.task, train.arrays)
  profile = context.task.profile(context.info, target)
  if profile.levels and len(profile.names):  # Times, and what ended them.
    (_, codes), *_ = profile.levels.values()
    return "Events", int((np.asarray(codes) > 0).sum())
  counts = {
    f"{name}: {level}" if len(profile.levels) > 1 else level: int(
      (np.asarray(codes) == k).sum()
    )
    for name, (levels, codes) in profile.levels.items()
    for k, level in enumerate(levels)
  }
  if counts:
    rarest = min(counts, key=lambda name: counts[name])
    return f"Events (the rarest answer, {rarest})", counts[rarest]
  values = np.asarray(profile.values, np.float64)
  if values.size:
    return "Examples with a number", int(np.isfinite(values).any(1).sum())
  return None


def _predictors(arrays: Arrays, info: Info) -> tuple[int, int]:
  """Columns of tables, and the parameters that a regression has for them."""
  columns = params = 0
  for (_, profile), each in zip(
    shifts.inputs(arrays, info), info.inputs.values(), strict=True
  ):
    if "trees" in each.suits:  # A list of variables, not pixels or words.
      columns += len(profile.names) + len(profile.levels)
      levels = (len(named) for named, _ in profile.levels.values())
      params += len(profile.names) + sum(max(1, n - 1) for n in levels)
  return columns, params


def _count(tree: Any) -> int:
  """The numbers in nested mappings of arrays."""
  if isinstance(tree, Mapping):
    return sum(map(_count, tree.values()))
  return int(np.size(tree))
