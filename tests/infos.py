"""Small descriptions of data sets, for tests."""

from typing import Any

from medfm.data.images.input import Image
from medfm.data.tables.input import Table
from medfm.data.text.input import Tokens
from medfm.tasks.multiclass import Classes
from medfm.tasks.multilabel import Labels
from medfm.tasks.ordered import Ordered
from medfm.tasks.pretext import Nothing
from medfm.tasks.regions import Regions
from medfm.tasks.regression import Numbers
from medfm.tasks.survival import Survival
from medfm.tasks.tags import Tags
from medfm.types import Info, Input, Target


def info(
  name: str,
  task: str = "none",
  classes: tuple[str, ...] = (),
  *,
  counts: tuple[int, ...] = (),
  numeric: tuple[str, ...] = (),
  numeric_mean: tuple[float, ...] = (),
  numeric_std: tuple[float, ...] = (),
  categorical: dict[str, tuple[str, ...]] | None = None,
  target_mean: tuple[float, ...] = (),
  target_std: tuple[float, ...] = (),
  units: tuple[str, ...] = (),
  vocabulary: int = 0,
  special: dict[str, int] | None = None,
  tokenizer: str = "",
  prompts: dict[str, Any] | None = None,
) -> Info:
  """A table where columns are named, tokens with a vocabulary, else images."""
  inputs: dict[str, Input]
  if vocabulary:
    tokens = Tokens(vocabulary, special or {}, tokenizer, prompts or {})
    inputs = {"text": tokens}
  elif numeric or categorical:
    table = Table(numeric, numeric_mean, numeric_std, categorical or {})
    inputs = {"table": table}
  else:
    inputs = {"image": Image()}
  targets: dict[str, Target] = {
    "multiclass": Classes(classes, counts),
    "multilabel": Labels(classes, counts),
    "ordered": Ordered(classes, counts),
    "regression": Numbers(classes, target_mean, target_std, units),
    "tokens": Tags(classes, counts),
    "survival": Survival(
      classes,
      counts,
      unit="months",
      horizons=(2.0,),
      times=(1.0, 2.0, 3.0),
      incidence=((0.1, 0.2, 0.3),) * len(classes),
      censoring=((1.5, 9.0), (0.9, 0.8)),
    ),
    "regions": Regions(classes),
    "none": Nothing(),
  }
  return Info(name, inputs, targets[task])
