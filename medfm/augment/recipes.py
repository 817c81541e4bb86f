"""Lists of changes for config files, by kind of picture.

Each function gives the bound changes of one view; a config may replace any
setting of them in its file. Settings inside a list of changes have no flag.
"""

import ml_collections

from medfm.augment import colour, geometry, intensity
from medfm.spec import bind

Changes = tuple[ml_collections.ConfigDict, ...]


def crop(
  *, share: tuple[float, float] = (0.3, 1.0), size=(), axes=(-1,)
) -> Changes:
  """A crop and perhaps a flip, with which every recipe begins.

  share, size: of the crop. axes: along which a picture may be mirrored; () for
    none, where sides mean something.
  """
  cut = bind(geometry.resized_crop, share=share, size=size)
  return (cut, bind(geometry.flip, axes=axes)) if axes else (cut,)


def grey(
  *, share: tuple[float, float] = (0.3, 1.0), size=(), axes=(-1,)
) -> Changes:
  """Radiographs, ultrasound, CT and MRI; volumes as well. As `crop`."""
  return (
    *crop(share=share, size=size, axes=axes),
    bind(intensity.brightness_contrast, brightness=0.2, contrast=0.4),
    bind(intensity.gamma),
    bind(intensity.blur, span=(0.1, 1.0)),
  )


def coloured(*, share: tuple[float, float] = (0.2, 1.0), size=()) -> Changes:
  """Photographs, such as of skin or the fundus (as SimCLR's)."""
  return (
    *crop(share=share, size=size),
    bind(colour.jitter),
    bind(colour.greyscale),
    bind(intensity.blur, span=(0.1, 1.0)),
  )


def stained(*, share: tuple[float, float] = (0.3, 1.0), size=()) -> Changes:
  """Stained tissue, which has no up and down."""
  return (
    *crop(share=share, size=size),
    bind(geometry.quarter_turn),
    bind(colour.stain),
    bind(colour.jitter, hue=0.02, saturation=0.2),
    bind(intensity.blur, span=(0.1, 1.0)),
  )
