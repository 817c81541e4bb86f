"""Whether subgroups differ: a metric in a group minus that in the others.

Overlapping intervals do not show that two groups are alike, and separate
intervals do not show by how much they differ. The interval of the difference
shows both.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from medfm.evals import scores
from medfm.evals.context import REVIEW, Block, Context, Findings
from medfm.metrics import bootstrap
from medfm.metrics.bootstrap import Entry
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.differences import difference
from medfm.metrics.intervals.entries import entries
from medfm.tasks import binary
from medfm.tasks.panel import stem

_SIDES = ("in the first", "in the second")


def subgroups(
  context: Context, *, metrics: tuple[str, ...] | None = None
) -> Findings:
  """A block of differences for each split whose examples have groups.

  metrics: by name; by default those that answer the task's question and, for
    two answers, sensitivity, specificity and observed / expected.
  """
  if not context.first or context.asked is not context.task:
    return Findings()
  blocks = {}
  for name, split in context.splits.items():
    if split.groups and context.task.TARGETS:
      block = _block(context, name, metrics)
      blocks[name] = [block] if block["rows"] else []
  return Findings(blocks=blocks)


def _block(
  context: Context, name: str, metrics: tuple[str, ...] | None
) -> Block:
  """Every group of a split: how many, how many events, and differences."""
  task, info, split = context.task, context.info, context.splits[name]
  target = scores.target_of(task, split.arrays)
  rows, target, predicted = task.known(info, target, context.predicted[name])
  specificity = context.settings.specificity
  how: dict[str, Any] = {"decisions": context.decisions}
  panel = task.panel(info, target, predicted, specificity=specificity, **how)
  wanted = metrics
  if wanted is None:
    wanted = (
      *task.headline(panel.described, ""),
      *binary.of_groups(specificity),
    )
  wanted = tuple(w for w in dict.fromkeys(wanted) if w in panel.described)
  patients = None if split.patients is None else split.patients[rows]
  cluster = bootstrap.clusters(patients, int(rows.sum()))
  known = patients is not None
  events = task.events(info, target)

  def measured(side: np.ndarray) -> dict[str, Entry]:
    """The wanted metrics of these rows."""
    part = [
      {key: array[side] for key, array in arrays.items()}
      for arrays in (target, predicted)
    ]
    panel = task.panel(info, *part, specificity=specificity, **how)
    means = {w: panel.means[w] for w in wanted if w in panel.means}
    needed = {c for mean in means.values() for c in mean.columns.values()}
    needed |= {w for w in wanted if w not in means}
    named = None if patients is None else patients[side]
    sample = Sample(
      bootstrap.clusters(named, int(side.sum())),
      "patients" if known else "examples",
      context.settings.replicates,
      context.settings.seed,
    )
    return entries({n: panel.metrics[n] for n in needed}, sample, means=means)

  compared = []
  for group, levels in split.groups.items():
    for title, inside, others in _sides(group, np.asarray(levels, str)[rows]):
      sides = inside, others
      gaps = _differences(measured, wanted, sides, cluster)
      cells = [_pair(sides, np.ones(len(inside), bool))]
      cells += [_owners(sides, cluster)] if known else []
      cells += [] if events is None else [_pair(sides, events)]
      compared.append([title, *cells, *(gaps[w] for w in wanted)])
  counts = ["n", *(["Patients"] if known else [])]
  counts += [] if events is None else ["Events"]
  titles = [panel.described[stem(w)].title for w in wanted]
  return {
    "kind": "table",
    "title": "Differences between subgroups",
    "columns": ["Subgroups", *counts, *titles],
    "rows": compared,
    "note": "The first minus the second, with 95 % intervals from those of "
    "both (Newcombe's square-and-add); counts are of the first / the second. "
    "Intervals are not corrected for the number of comparisons.",
    "section": REVIEW,
    "headline": _in_words(compared, titles),
  }


def _sides(
  group: str, levels: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
  """(title, the first [N], the second [N]) of each comparison.

  Two levels are compared with each other; of three or more, each is compared
  with all others. Examples whose level is not known are in neither.
  """
  names = [name for name in np.unique(levels) if name]
  if len(names) == 2:
    first, second = names
    yield f"{group}: {first} − {second}", levels == first, levels == second
  elif len(names) > 2:
    for name in names:
      others = (levels != name) & (levels != "")
      yield f"{group}: {name} − the others", levels == name, others


def _differences(
  measured: Callable[[np.ndarray], dict[str, Entry]],
  wanted: Sequence[str],
  sides: tuple[np.ndarray, np.ndarray],
  cluster: np.ndarray,
) -> dict[str, Entry]:
  """The difference in each metric, by name."""
  fewest = min(len(np.unique(cluster[side])) for side in sides)
  if fewest < scores.MIN_GROUP:
    reason = f"fewer than {scores.MIN_GROUP} patients or examples"
    return {name: bootstrap.without(reason) for name in wanted}
  first, second = (measured(side) for side in sides)
  return {
    w: difference(first[w], second[w], _SIDES) | {"signed": True}
    for w in wanted
  }


def _pair(sides: tuple[np.ndarray, ...], counted: np.ndarray) -> str:
  return " / ".join(f"{int((side & counted).sum()):,}" for side in sides)


def _owners(sides: tuple[np.ndarray, ...], cluster: np.ndarray) -> str:
  return " / ".join(f"{len(np.unique(cluster[side])):,}" for side in sides)


def _in_words(compared: list[list[Any]], titles: list[str]) -> str:
  """Which differences have intervals that exclude 0."""
  differing, count = [], 0
  for title, *cells in compared:
    for metric, entry in zip(titles, cells[-len(titles) :], strict=True):
      low, high = entry.get("low"), entry.get("high")
      if low is not None and high is not None:
        count += 1
        differing += [f"{title} in {metric}"] if low > 0 or high < 0 else []
  if not count:
    return ""
  if not differing:
    return (
      f"Of {count} differences between subgroups, none has an interval that "
      "excludes 0."
    )
  shown = "; ".join(differing[:3]) + ("; …" if len(differing) > 3 else ".")
  return (
    f"Of {count} differences between subgroups, {len(differing)} "
    f"{'has' if len(differing) == 1 else 'have'} an interval that excludes 0 "
    f"(about {0.05 * count:.2g} would by chance): {shown}"
  )
