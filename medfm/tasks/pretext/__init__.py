"""Pre-training without labels: scored by its own loss."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Nothing:
  """No target: the data name none."""

  names: tuple[str, ...] = ()
