"""The public text tasks by name: their data and the metric that scores them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from medfm.data.datasets import (
  chemprot,
  ddi2013,
  hallmarks_of_cancer,
  iob,
  medical_abstracts,
  pubmed_rct,
  pubmedqa,
)
from medfm.tasks import multiclass, multilabel, tags
from medfm.types import Task


class TextTask(NamedTuple):
  """dataset: a factory; settings: its settings.

  metric: that of the published results; it also chooses the best step.
  length: tokens of a row, enough for most texts.
  rows: of a batch; fewer if rows are long.
  epochs: how many a small model from scratch needs.
  """

  dataset: Callable
  task: Task
  metric: str
  length: int
  rows: int = 32
  epochs: int = 10
  settings: Mapping[str, Any] = {}


TASKS = {
  "bc5cdr": TextTask(iob.bc5cdr, tags, "f1", 128, epochs=15),
  "bc5cdr_chemical": TextTask(
    iob.bc5cdr, tags, "f1", 128, epochs=15, settings={"types": "chemical"}
  ),
  "bc5cdr_disease": TextTask(
    iob.bc5cdr, tags, "f1", 128, epochs=15, settings={"types": "disease"}
  ),
  "bc2gm": TextTask(iob.bc2gm, tags, "f1", 128, epochs=8),
  "linnaeus": TextTask(iob.linnaeus, tags, "f1", 128, epochs=5),
  "chemprot": TextTask(
    chemprot.chemprot, multiclass, "accuracy", 256, epochs=12
  ),
  "ddi2013": TextTask(ddi2013.ddi2013, multiclass, "micro_f1", 320, epochs=3),
  "hallmarks_of_cancer": TextTask(
    hallmarks_of_cancer.hallmarks_of_cancer, multilabel, "micro_f1", 384, 16
  ),
  "pubmedqa": TextTask(pubmedqa.pubmedqa, multiclass, "accuracy", 512, 16),
  "medical_abstracts": TextTask(
    medical_abstracts.medical_abstracts, multiclass, "accuracy", 384, 16
  ),
  "pubmed_rct": TextTask(
    pubmed_rct.pubmed_rct, multiclass, "weighted_f1", 64, epochs=3
  ),
}
