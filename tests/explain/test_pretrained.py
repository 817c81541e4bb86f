"""What is shown of pre-trained models, and of whose pictures."""

import base64
import dataclasses
import functools
import io

import jax
import numpy as np
import PIL.Image
import pytest

from medfm.explain import pretrained
from medfm.objectives.classify import multiclass
from medfm.objectives.masked_image import masked_image, rescaled
from medfm.types import Split, UserError
from tests import infos
from tests.evals import contexts
from tests.objectives import pictures

SHOWN = {
  "restorations": pretrained.restorations,
  "attention_maps": pretrained.attention_maps,
  "neighbours": pretrained.neighbours,
}


def split_of(batch, prefix):
  ids = np.array([f"{prefix}{i}" for i in batch["id"]])
  return Split({"image": batch["image"]}, ids)


@functools.cache
def context(normalised=True):
  """Of a masked autoencoder, whose test pictures are those of training,
  backwards."""
  info, batch = pictures.images()
  objective = masked_image(
    info,
    model=pictures.VIT,
    width=16,
    depth=1,
    heads=2,
    normalised=normalised,
  )
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  train = split_of(batch, "train")
  splits = {"train": train, "test": train.take(np.arange(8)[::-1])}

  def predict(split):
    pixels = split.arrays["image"].reshape(len(split), -1)
    return {"embedding": pixels.astype(np.float32) - 128}

  return contexts.of(
    info,
    splits,
    objective=objective._replace(predict=jax.jit(objective.predict)),
    variables=variables,
    predict=predict,
  )


def image(findings):
  [block] = findings.shown["test"]
  [shown] = block["pictures"]
  png = io.BytesIO(base64.b64decode(shown["png"]))
  return block, np.asarray(PIL.Image.open(png))


def cells(drawn, columns):
  """[rows][columns] of the pictures of a mosaic."""
  side, gap = pretrained._SIDE, pretrained._GAP
  at = range(0, drawn.shape[0], side + gap)
  return [
    [drawn[y : y + side, x * (side + gap) :][:, :side] for x in range(columns)]
    for y in at
  ]


@pytest.mark.parametrize("name", SHOWN)
def test_pictures_of_ones_own_data_are_shown_only_if_asked(name):
  given = context()
  private = dataclasses.replace(given.data, private=True)
  own = dataclasses.replace(given, data=private)
  assert not SHOWN[name](own).shown
  assert not SHOWN[name](given, show=False).shown
  block, _ = image(SHOWN[name](own, show=True))
  assert block["kind"] == "pictures"


@pytest.mark.parametrize("normalised", [True, False])
def test_visible_patches_are_restored_as_they_are_and_the_others_guessed(
  normalised,
):
  block, drawn = image(pretrained.restorations(context(normalised), count=3))
  assert ("brightness" in block["how"]) == normalised
  rows = cells(drawn, 3)
  assert len(rows) == 3
  for whole, seen, restored in rows:
    hidden = (seen == 128).all(-1)
    assert hidden.mean() == pytest.approx(0.75, abs=0.05)
    assert (seen[~hidden] == whole[~hidden]).all()
    assert (restored[~hidden] == whole[~hidden]).all()
    assert (restored[hidden] != whole[hidden]).any()


def test_a_restoration_is_in_the_units_of_the_picture():
  """A guess of the true scaled pixels is the picture."""
  given = context(normalised=False)
  image = np.asarray(given.data.splits["test"].arrays["image"])
  unit = image.astype(np.float32) / 255
  found = rescaled((unit - 0.3) / 0.2, (unit - 0.3) / 0.2, unit)
  np.testing.assert_allclose(found, unit, atol=1e-5)


def test_the_nearest_training_picture_is_the_same_one():
  block, drawn = image(pretrained.neighbours(context(), count=4))
  assert "8 training pictures" in block["how"]
  for row in cells(drawn, 1 + pretrained.NEAR):
    assert (row[0] == row[1]).all() and (row[0] != row[2]).any()


def test_where_all_keys_are_alike_every_patch_is_looked_at_alike():
  given = context()
  batch = {
    "image": given.data.splits["test"].arrays["image"],
    "id": np.arange(8),
    "weight": np.ones(8, np.float32),
  }
  found = pretrained.attended(given.objective, given.variables, batch)
  assert found.shape == (8, 2, 16) and found.std() > 0
  assert (found > 0).all() and (found.sum(-1) < 1).all()
  flat = jax.tree_util.tree_map_with_path(
    lambda path, leaf: 0 * leaf if "qkv" in str(path) else leaf,
    given.variables,
  )
  even = pretrained.attended(given.objective, flat, batch)
  np.testing.assert_allclose(even, 1 / 17, rtol=1e-5)


def test_the_middle_slice_of_a_volume_is_shown():
  volume = np.zeros((5, 4, 6, 1), np.float32)
  volume[2] = 1.0
  drawn = pretrained.mosaic([[volume, np.zeros((4, 6, 1))]])
  height, width = pretrained._SIDE, round(pretrained._SIDE * 6 / 4)
  assert drawn.shape == (height, 2 * width + pretrained._GAP, 3)
  assert (drawn[:, :width] == 255).all()
  assert (drawn[:, -width:] == 0).all()


def test_models_that_have_nothing_to_show_are_refused():
  info, batch = pictures.images()
  labelled = infos.info("toy", "multiclass", ("p", "q"))
  objective = multiclass(labelled, model=pictures.VIT)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  given = dataclasses.replace(
    context(), objective=objective, variables=variables
  )
  with pytest.raises(UserError, match="restores no pictures"):
    pretrained.restorations(given)
  residual = masked_image(info, model=pictures.VIT)._replace(
    net=pictures.RESNET(outputs=0)
  )
  given = dataclasses.replace(given, objective=residual)
  with pytest.raises(UserError, match="ResNet is no vision transformer"):
    pretrained.attention_maps(given)
