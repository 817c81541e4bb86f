"""What a model pre-trained on pictures has learnt, shown on a few of them.

Three evaluators: patches that a masked autoencoder restores, where a
transformer looks, and which training pictures lie nearest by a model's
embedding. None shows pictures of the user's own data unless asked. Of a volume
the middle slice across its first axis is shown.
"""

import base64
import inspect
import io
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from medfm import processes
from medfm.augment import views
from medfm.data import loader
from medfm.evals.context import Context, Findings, keeps
from medfm.nn import patches
from medfm.types import Arrays, Objective, Split, UserError, Variables

COUNT = 6
AMONG = 2000
"""Of how many training pictures, the first ones, the nearest are found."""
NEAR = 5
_SIDE = 112  # Pixels, at least, of a shown picture.
_GAP = 6
_HIDDEN = 0.5

_RESTORED = (
  "Held-out pictures, a row each. From left to right: the picture, the patches "
  "that the model saw, and what it made of the others (He et al. 2022)."
)
_STANDARDISED = (
  " The model restores each patch up to its brightness and contrast; here "
  "these are the true ones, so that the hidden patches look better than the "
  "model alone could make them."
)
_LOOKS = (
  "Held-out pictures, a row each. First the picture, then each head of the "
  "last layer: the lighter a patch, the more {who} attends to it. Attention "
  "shows where a layer looks, not what decides."
)
_NEAREST = (
  "Held-out pictures, a row each. First the picture, then the {near} of "
  "{among:,} training pictures whose embedding is nearest, by cosine."
)


def restorations(
  context: Context, *, show: bool | None = None, count: int = COUNT
) -> Findings:
  """Pictures, their visible patches and their restoration (masked_image).

  show: None shows pictures of published sets only; False shows none.
  """
  rows = _shown_rows(context, show, count)
  if rows is None:
    return Findings()
  variables = processes.gathered(context.variables)
  if not context.first:
    return Findings()
  outputs = _predicted(context.objective, variables, rows)
  if "restored" not in outputs:
    raise UserError("restorations: the objective restores no pictures")
  original, hidden = pictures_of(rows), outputs["hidden"][..., None] > 0
  seen = np.where(hidden, _HIDDEN, original)
  filled = np.where(hidden, np.clip(outputs["restored"], 0, 1), original)
  how = _RESTORED + _STANDARDISED * bool(outputs["standardised"].all())
  table = list(zip(original, seen, filled, strict=True))
  return _findings("Restored pictures", how, rows, table)


def attention_maps(
  context: Context, *, show: bool | None = None, count: int = COUNT
) -> Findings:
  """Where the last layer of a vision transformer looks, head by head.

  show: as of `restorations`.
  """
  rows = _shown_rows(context, show, count)
  if rows is None:
    return Findings()
  net = context.objective.net
  if not (hasattr(net, "patch") and hasattr(net, "heads")):
    raise UserError(
      f"attention_maps: {type(net).__name__} is no vision transformer"
    )
  variables = processes.gathered(context.variables)
  if not context.first:
    return Findings()
  maps = attended(context.objective, variables, _batch(rows))
  original = pictures_of(rows)
  counts = patches.grid(original.shape, net.patch)
  looks = maps / maps.max(-1, keepdims=True)
  looks = looks.reshape(*looks.shape[:2], *counts, 1)
  table = [[one, *heads] for one, heads in zip(original, looks, strict=True)]
  who = "[CLS]" if net.pooling == "cls" else "the average patch"
  return _findings("Attention", _LOOKS.format(who=who), rows, table)


@keeps("embedding")
def neighbours(
  context: Context, *, show: bool | None = None, count: int = COUNT
) -> Findings:
  """The training pictures whose embedding is nearest to held-out ones.

  show: as of `restorations`.
  """
  rows = _shown_rows(context, show, count)
  if rows is None or context.train is None:
    return Findings()
  train = context.train.take(np.arange(min(AMONG, len(context.train))))
  keys = _unit(context.predict(train)["embedding"])
  queries = _unit(context.predict(rows)["embedding"])
  if not context.first:
    return Findings()
  near = np.argsort(-queries @ keys.T, 1, kind="stable")[:, :NEAR]
  table = [
    [one, *pictures_of(train.take(found))]
    for one, found in zip(pictures_of(rows), near, strict=True)
  ]
  how = _NEAREST.format(near=near.shape[1], among=len(train))
  return _findings("Nearest training pictures", how, rows, table)


def attended(
  objective: Objective, variables: Variables, batch: Arrays
) -> np.ndarray:
  """[B,heads,P]: how much [CLS], or the mean patch, attends to each patch.

  Of the last layer, in the pass that `predict` makes last. Without the state
  of [CLS] itself the values of a head sum to less than 1.
  """
  net = objective.net
  if net.scan_layers:
    raise UserError("attention_maps needs model.scan_layers=False")
  predict = inspect.unwrap(objective.predict)  # A compiled one shows nothing.

  @jax.jit
  def found(variables: Variables, batch: Arrays) -> jax.Array:
    passes = []

    def noted(call: Any, args: Any, kwargs: Any, about: Any) -> Any:
      if about.module.path == () and type(about.module) is type(net):
        passes.append(args[0])
      return call(*args, **kwargs)

    with nn.intercept_methods(noted):
      predict(variables, batch)
    _, kept = net.apply(
      {"params": variables["params"]["model"]},
      passes[-1],
      capture_intermediates=lambda module, _: module.name == "qkv",
      mutable=["intermediates"],
    )
    last = kept["intermediates"][f"block{net.depth - 1}"]["attention"]["qkv"]
    query, key = last["__call__"][0][:, :, 0], last["__call__"][0][:, :, 1]
    scale = math.sqrt(query.shape[-1])
    weight = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key) / scale)
    asked = (
      weight[:, :, 0] if net.pooling == "cls" else weight[:, :, 1:].mean(2)
    )
    return asked[:, :, 1:]

  return np.asarray(jax.device_get(found(variables, batch)), np.float32)


def pictures_of(rows: Split) -> np.ndarray:
  """[N,*S,C] float32 from 0 to 1."""
  whole = np.asarray(rows.arrays[_name(rows)])
  top = 1.0
  if np.issubdtype(whole.dtype, np.integer):
    top = float(np.iinfo(whole.dtype).max)
  return np.clip(whole.astype(np.float32) / top, 0, 1)


def mosaic(table: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
  """Rows of pictures [*S,C] from 0 to 1, as one of uint8 [H,W,3].

  All are enlarged to the height of the tallest, pixel by pixel.
  """
  flat = [[_flat(picture) for picture in row] for row in table]
  height = max(_SIDE, *(one.shape[0] for row in flat for one in row))
  lines = [
    _joined([_enlarged(one, height) for one in row], axis=1) for row in flat
  ]
  width = max(line.shape[1] for line in lines)
  blank = [(0, 0), (0, 0), (0, 0)]

  def padded(line: np.ndarray) -> np.ndarray:
    blank[1] = (0, width - line.shape[1])
    return np.pad(line, blank, constant_values=255)

  return _joined([padded(line) for line in lines], axis=0)


def _shown_rows(context: Context, show: bool | None, count: int):
  """The first pictures of the test split, if any may be shown."""
  hidden = context.data.private if show is None else not show
  split = context.data.splits.get("test")
  if hidden or split is None or not len(split):
    return None
  views.pictures(context.info)  # Refuses data without pictures.
  return split.take(np.arange(min(count, len(split))))


def _findings(title: str, how: str, rows: Split, table: Sequence) -> Findings:
  from PIL import Image

  names = ", ".join(map(str, rows.ids))
  packed = io.BytesIO()
  Image.fromarray(mosaic(table)).save(packed, "PNG", optimize=True)
  picture = {
    "words": f"From top to bottom: {names}.",
    "alt": f"{title} of {names}",
    "png": base64.b64encode(packed.getvalue()).decode("ascii"),
  }
  block = {"kind": "pictures", "title": title, "how": how}
  return Findings(shown={"test": [block | {"pictures": [picture]}]})


def _predicted(
  objective: Objective, variables: Variables, rows: Split
) -> dict[str, np.ndarray]:
  outputs = jax.jit(objective.predict)(variables, _batch(rows))
  return {k: np.asarray(v) for k, v in jax.device_get(outputs).items()}


def _batch(rows: Split) -> Arrays:
  """All rows as one batch."""
  batch = next(iter(loader.in_order(rows, len(rows))))
  return {name: jnp.asarray(array) for name, array in batch.items()}


def _name(rows: Split) -> str:
  return next(name for name in views.PICTURES if name in rows.arrays)


def _unit(embedding: np.ndarray) -> np.ndarray:
  embedding = np.asarray(embedding, np.float32)
  norm = np.linalg.norm(embedding, axis=1, keepdims=True)
  return embedding / np.maximum(norm, 1e-12)


def _flat(picture: np.ndarray) -> np.ndarray:
  """[H,W,3] of an image, or of the middle slice of a volume."""
  if picture.ndim == 4:
    picture = picture[picture.shape[0] // 2]
  if picture.shape[-1] != 3:
    picture = np.repeat(picture[..., :1], 3, -1)
  return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _enlarged(picture: np.ndarray, height: int) -> np.ndarray:
  """To this height, with each pixel repeated."""
  rows, columns = picture.shape[:2]
  width = max(round(columns * height / rows), 1)
  down = np.arange(height) * rows // height
  across = np.arange(width) * columns // width
  return picture[down][:, across]


def _joined(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
  """Side by side, with white between."""
  size = list(parts[0].shape)
  size[axis] = _GAP
  white = np.full(size, 255, np.uint8)
  shown = [piece for part in parts for piece in (part, white)]
  return np.concatenate(shown[:-1], axis)
