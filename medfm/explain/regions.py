"""True and predicted regions of the worst, the median and the best case."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.evals.context import Block, Context, Findings
from medfm.tasks import regions
from medfm.tasks.regions import measured
from medfm.types import Arrays, Info, Split

_MOST = 400_000
"""Voxels at most that are kept of a case to be shown."""

_MARGIN = 6
_WINDOW = (1.0, 99.5)
_NAMED = {"dice": "Dice", "mean_ap": "mean AP"}


def overlays(context: Context, *, show: bool | None = None) -> Findings:
  """The cases of the worst, the median and the best patient by Dice.

  Of objects, by their mean average precision. An image is cut to its regions
  and a margin, and thinned out if it is large, which its words say.

  show: None shows cases of published sets only; False shows none.
  """
  private = context.data.private and show is not True
  if show is False or private or not context.first:
    return Findings()
  if context.task is not regions:
    return Findings()
  shown = {}
  for name, split in context.held_out.items():
    predicted = context.predicted[name]
    if "dice" in predicted and "mask" in predicted:
      shown[name] = _blocks(split, predicted, context.info)
  return Findings(shown=shown)


def _blocks(split: Split, predicted: Arrays, info: Info) -> list[Block]:
  by = "mean_ap" if info.target.instances else "dice"
  score = np.asarray(predicted[by], float)
  cases = [
    {
      "words": f"{which}: {split.ids[row]}, {_NAMED[by]} {_mean(score[row])}",
      **packed_case(
        np.asarray(split.arrays["image"][row]),
        info.only.regions(split.arrays, row),
        measured.unpacked(predicted["mask"][row]),
        split.arrays["spacing_mm"][row],
      ),
    }
    for which, row in extremes(score, split.patients)
  ]
  if not cases:
    return []
  block = {
    "kind": "regions",
    "title": "Regions of the worst, the median and the best case",
    "note": "By the mean score of a patient's images. True: solid line; "
    "predicted: dashed line.",
    "cases": cases,
  }
  if info.only.axes == 2:
    return [block]
  median = cases[len(cases) // 2]
  slices = {"title": "Slices of the median case", "cases": [median]}
  note = {"note": "Evenly over the slices in which anything is marked."}
  return [block, {**block, **slices, **note, "montage": True}]


def _mean(score: Any) -> str:
  return f"{np.nanmean(score):.3f}"


def packed_case(
  image: np.ndarray,
  truth: np.ndarray,
  predicted: np.ndarray,
  spacing_mm: Sequence[float],
) -> dict[str, Any]:
  """A case cut to where its regions are, JSON-able.

  image [*S,C] becomes uint8 between two percentiles; of a volume the first
  channel, of a picture grey or three colours.
  """
  either = (truth > 0) | (predicted > 0)
  box = tuple(slice(0, n) for n in truth.shape)
  if truth.ndim == 3:
    box = _around(either)
  extents = np.array([s.stop - s.start for s in box])
  step = 1
  while np.prod(-(-extents // step)) > _MOST:
    step += 1
  cut = tuple(slice(s.start, s.stop, step) for s in box)
  values = image[cut].astype(np.float32)
  low, high = np.percentile(values, _WINDOW)
  shown = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
  shown = np.rint(255 * shown).astype(np.uint8)
  if truth.ndim == 3 or image.shape[-1] not in (1, 3):
    shown = shown[..., :1]
  return {
    "image": _text(shown),
    "truth": _text(truth[cut]),
    "predicted": _text(predicted[cut]),
    "spacing_mm": [float(s) * step for s in spacing_mm]
    if np.isfinite(spacing_mm).all()
    else None,
    "thinned": step,
  }


def extremes(
  score: np.ndarray, patients: np.ndarray | None = None
) -> list[tuple[str, int]]:
  """("worst" | "median" | "best", row) by the mean score of each patient.

  score: [N] or [N,K], more is better; NaN is left out. Of a patient's rows the
  one nearest to the patient's mean. Fewer than three patients give fewer rows.
  """
  score = np.asarray(score, float).reshape(len(score), -1)
  counted = (~np.isnan(score)).sum(1)
  with np.errstate(invalid="ignore"):
    row = np.nansum(score, 1) / counted  # NaN without any value.
  known = np.flatnonzero(counted)
  if not len(known):
    return []
  names = np.arange(len(row)) if patients is None else np.asarray(patients, str)
  _, of = np.unique(names[known], return_inverse=True)
  means = np.bincount(of, row[known]) / np.bincount(of)
  order = np.argsort(means, kind="stable")
  places = {"worst": 0, "median": (len(order) - 1) // 2, "best": len(order) - 1}
  chosen: dict[int, str] = {}
  for name in ("worst", "best", "median"):
    chosen.setdefault(int(order[places[name]]), name)
  by_name = {name: patient for patient, name in chosen.items()}
  made = []
  for name in places:
    if name in by_name:
      mine = known[of == by_name[name]]
      nearest = abs(row[mine] - means[by_name[name]]).argmin()
      made.append((name, int(mine[nearest])))
  return made


def _around(either: np.ndarray) -> tuple[slice, ...]:
  """The box of what is marked, with a margin; everything if nothing is."""
  if not either.any():
    return tuple(slice(0, n) for n in either.shape)
  box = []
  for axis, extent in enumerate(either.shape):
    others = tuple(a for a in range(either.ndim) if a != axis)
    there = np.flatnonzero(either.any(others))
    first, last = max(there[0] - _MARGIN, 0), there[-1] + _MARGIN + 1
    box.append(slice(int(first), int(min(last, extent))))
  return tuple(box)


def _text(array: np.ndarray) -> str:
  return base64.b64encode(measured.packed(array)).decode("ascii")
