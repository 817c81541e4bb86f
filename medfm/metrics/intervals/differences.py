"""The difference of two entries measured on different patients."""

import math

from medfm.metrics.bootstrap import Entry, without


def difference(a: Entry, b: Entry, names: tuple[str, str]) -> Entry:
  """a - b, with an interval that combines those of a and b.

  Newcombe's square-and-add (1998, Statistics in Medicine), which Zou & Donner
  (2008) call the method of variance estimates recovery. If some patients are
  in both it is a little wide.

  names: of the two sides, for the reason if one has no value or interval.
  """
  for entry, name in zip((a, b), names, strict=True):
    if entry["value"] is None:
      return without(f"{name}: {entry.get('reason') or 'no value'}")
  value = a["value"] - b["value"]
  for entry, name in zip((a, b), names, strict=True):
    if entry["low"] is None or entry["high"] is None:
      return without(f"{name}: {entry.get('reason') or 'no interval'}", value)
  down = math.hypot(a["value"] - a["low"], b["high"] - b["value"])
  up = math.hypot(a["high"] - a["value"], b["value"] - b["low"])
  return {"value": value, "low": value - down, "high": value + up}
