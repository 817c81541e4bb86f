"""A user's own images with a text each, from a CSV file."""

from typing import Any

from medfm import spec
from medfm.data.captions import files as caption_files
from medfm.data.images import own as own_images
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

_OF_TEXTS = ("tokenizer", "length", "too_long")


@forwards(own_images.own_images)
@forwards(caption_files.dataset, *_OF_TEXTS)
def own_image_text(
  folders: Folders,
  *,
  path: str,
  text: str = "text",
  task: str = "none",
  name: str = "own_image_text",
  **settings: Any,
) -> Dataset:
  """The rows of a CSV file as image [N,size,size,C] and text.

  text: the CSV's column with a text (caption, report) of each image.
  task: "none" without labels; with "multiclass" and `label`, the texts may be
    asked for the classes (`evals.zero_shot`).
  tokenizer, length, too_long: as in `captions.files.dataset`. The other
    settings are as in `own_images`.

  Raises: UserError, with the row, for a missing image or an empty text.
  """
  if not text:
    raise UserError(f"{path}: text= must name the CSV's column of texts")
  if not path.lower().endswith(".csv"):
    raise UserError(
      f"{path or 'path='}: expected a CSV file with columns for the image and "
      "its text"
    )
  cutting = {k: settings.pop(k) for k in _OF_TEXTS if k in settings}
  of_images, reading = folders, folders.reading
  if reading:
    alone = caption_files.of_images(reading, path)
    of_images = folders._replace(reading=alone)
  data = own_images.own_images(
    of_images, text, path=path, task=task, name=name, **settings
  )
  known = dict(spec.settings(data.encode))
  for decided in ("info", "dtype"):
    known.pop(decided)
  return caption_files.dataset(
    data.splits,
    folders,
    name=name,
    target=data.info.target,
    card=data.card,
    private=True,
    text=text,
    **cutting,
    **known,
  )
