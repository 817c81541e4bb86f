"""Tags as recorded texts have them; no table has a column of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from medfm.tasks import tags
from medfm.tasks.tags import Tags


def target(names: Sequence[str], truth: Mapping[str, np.ndarray]) -> Tags:
  """The tags, counted in training."""
  return tags.fitted(names, truth["label"])
