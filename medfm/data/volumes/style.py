"""How the files of images with regions are read."""

from typing import NamedTuple

UNKNOWN = 255
"""A place whose structure is not known, in `regions` of structures."""

STYLES = ("labels", "structures", "objects", "instances")


class Style(NamedTuple):
  """How the files of a data set are read; JSON-able.

  axes: 3 for volumes, 2 for pictures.
  masks: what a mask's file holds. labels: `values`, of the structures in their
    order; structures: one file for each, in their order, marked where it is
    not 0; objects: one file for each object; instances: a number for each.
  values: labels of the structures in the files; () for 1, 2, ...
  structures: how many there are.
  ignored: the value of places that are not known; -1 without.
  threshold: from which value on a mask of one structure or object is marked, as
    those with soft edges need it (JPEG); 0 takes numbers as labels, or marks
    all but 0.
  channels: of pictures, 1 or 3; volumes have as many as files.
  dtype: of the image; integers are rounded and cut at the ends of the range.
  spacing_mm: that volumes are resampled to; () leaves them.
  side: the longer side, in pixels, that pictures are resized to; 0 leaves them.
  frame, window: of files of several, and of grey DICOM; see `reading.read`.
  """

  axes: int = 3
  masks: str = "labels"
  values: tuple[int, ...] = ()
  structures: int = 1
  ignored: int = -1
  threshold: int = 0
  channels: int = 1
  dtype: str = "float32"
  spacing_mm: tuple[float, ...] = ()
  side: int = 0
  frame: str = ""
  window: tuple[float, ...] = ()

  @property
  def resamples(self) -> bool:
    """Whether images leave the grid of their file."""
    return bool(self.spacing_mm or self.side)
