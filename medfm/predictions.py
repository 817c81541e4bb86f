"""predictions.csv: one row per example, split and model; written and read.

Columns: stage, split, id, patient, group_<name>..., then by task
multiclass: label, predicted, prob_<class>...
multilabel: label_<name>..., prob_<name>...
regression: label_<target>..., value_<target>...
tokens: label, predicted: the IOB2 tags of the words, with blanks between.
Baselines stand under the stage `<stage>:baseline_<name>`.
"""

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfm.types import Info, Split

Row = dict[str, str]
_TAGS = ("label", "predicted")


@dataclasses.dataclass(frozen=True)
class Held:
  """The predictions of one stage on one split, as arrays.

  label and prediction are in the form the scores take; patients is None
  where no patient is named.
  """

  ids: np.ndarray
  patients: np.ndarray | None
  groups: dict[str, np.ndarray]
  label: np.ndarray
  prediction: dict[str, np.ndarray]


def rows(
  stage: str,
  split_name: str,
  split: Split,
  info: Info,
  outputs: Mapping[str, np.ndarray],
) -> list[Row]:
  """The rows of one split; [] where the outputs are no task's predictions."""
  kind = next((k for k in ("tags", "probs", "value") if k in outputs), None)
  if kind is None:
    return []
  prefix = "prob" if kind == "probs" else "value"
  values = np.asarray(outputs[kind])
  label = split.arrays.get("label")
  made = []
  for i, name in enumerate(split.ids):
    row = {"stage": stage, "split": split_name, "id": str(name)}
    row["patient"] = "" if split.patients is None else str(split.patients[i])
    row |= {f"group_{k}": str(v[i]) for k, v in split.groups.items()}
    if kind == "tags":
      made.append(row | _tags(split, info, values, i))
      continue
    if label is not None:
      row |= _label(info, label[i])
    if info.task == "multiclass":
      row["predicted"] = info.classes[int(values[i].argmax())]
    row |= {
      f"{prefix}_{column}": f"{value:.9g}"
      for column, value in zip(info.classes, values[i], strict=True)
    }
    made.append(row)
  return made


def text(rows: Iterable[Row]) -> str:
  """The rows as CSV, with the union of their columns."""
  rows = list(rows)
  columns = list(dict.fromkeys(name for row in rows for name in row))
  out = io.StringIO()
  writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
  writer.writeheader()
  writer.writerows(rows)
  return out.getvalue()


def read(path: Path) -> list[Row]:
  """The rows of a predictions.csv; [] where there is none yet."""
  if not path.exists():
    return []
  with path.open(newline="") as file:
    return list(csv.DictReader(file))


def held(
  rows: Iterable[Row], stage: str, split: str, classes: tuple[str, ...]
) -> Held | None:
  """One stage's predictions on one split, or None where there are none."""
  chosen = [
    row for row in rows if row["stage"] == stage and row["split"] == split
  ]
  if not chosen:
    return None
  patients = np.array([row["patient"] for row in chosen])
  first = chosen[0]
  words = first.get("predicted") and not first.get(f"prob_{classes[0]}")
  kind = "prob" if chosen[0].get(f"prob_{classes[0]}") else "value"
  values = _columns(chosen, kind, classes)
  if words:
    label, values = (_numbers(chosen, k, classes) for k in _TAGS)
  elif chosen[0].get("predicted"):
    position = {name: i for i, name in enumerate(classes)}
    label = np.array(
      [position.get(row.get("label", ""), -1) for row in chosen], np.int32
    )
  else:
    label = _columns(chosen, "label", classes)
  groups = {
    name.removeprefix("group_"): np.array([row[name] for row in chosen])
    for name in chosen[0]
    if name.startswith("group_")
  }
  return Held(
    ids=np.array([row["id"] for row in chosen]),
    patients=patients if all(patients) else None,
    groups=groups,
    label=label,
    prediction={
      "tags" if words else "probs" if kind == "prob" else "value": values
    },
  )


def _tags(split: Split, info: Info, values: np.ndarray, i: int) -> Row:
  """The tags of one sentence; words without a label are left out of both."""
  shown = {"predicted": values[i]}
  words = np.asarray(split.arrays["words"])[i] >= 0
  if "label" in split.arrays:
    shown = {"label": np.asarray(split.arrays["label"])[i], **shown}
    words = shown["label"] >= 0
  return {
    name: " ".join(info.classes[tag] for tag in tags[words])
    for name, tags in shown.items()
  }


def _numbers(
  chosen: list[Row], column: str, classes: tuple[str, ...]
) -> np.ndarray:
  """[N,W] numbers of the tags of a column, -1 beyond the last word."""
  number = {name: i for i, name in enumerate(classes)}
  tags = [[number[tag] for tag in row[column].split()] for row in chosen]
  found = np.full((len(tags), max(map(len, tags))), -1, np.int32)
  for row, own in enumerate(tags):
    found[row, : len(own)] = own
  return found


def _columns(chosen: list[Row], prefix: str, names: Iterable[str]):
  return np.array(
    [
      [float(row.get(f"{prefix}_{name}") or "nan") for name in names]
      for row in chosen
    ],
    np.float32,
  )


def _label(info: Info, label: Any) -> Row:
  if info.task == "multiclass":
    known = 0 <= int(label) < len(info.classes)
    return {"label": info.classes[int(label)] if known else ""}
  values = np.atleast_1d(label)
  return {
    f"label_{name}": "" if np.isnan(value) else f"{value:.9g}"
    for name, value in zip(info.classes, values, strict=True)
  }
