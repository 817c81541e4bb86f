"""Two towers: which input is which, and what they refuse."""

import jax
import numpy as np
import pytest

from medfm.models.two_towers import TwoTowers, unit
from medfm.types import UserError
from tests.objectives import pictures


def shapes(**settings):
  _, batch = pictures.pairs()
  given = {
    **pictures.TOWERS,
    "inputs": {"image": {}, "text": {"vocabulary": 11}},
    **settings,
  }
  model = TwoTowers(outputs=0, **given)
  return jax.eval_shape(model.init_with_output, jax.random.key(0), batch)


def test_both_towers_end_in_the_same_space_and_the_probe_reads_the_tower():
  outputs, variables = shapes()
  assert outputs["image_embedding"].shape == (8, 8)
  assert outputs["text_embedding"].shape == (8, 8)
  width = outputs["embedding"].shape[1]
  kernel = variables["params"]["project_image"]["kernel"]
  assert kernel.shape == (width, 8)
  assert "bias" not in variables["params"]["project_text"]


def test_encoders_must_be_those_of_the_inputs():
  with pytest.raises(UserError, match=r"model\.encoders are for image, text"):
    shapes(inputs={"image": {}, "note": {"vocabulary": 11}})


def test_two_pictures_are_refused():
  encoders = dict.fromkeys(("image", "other"), pictures.VIT)
  with pytest.raises(UserError, match="read a picture and a text"):
    shapes(encoders=encoders, inputs={name: {} for name in encoders})


def test_a_vector_of_zero_has_a_finite_gradient():
  slope = jax.grad(lambda x: unit(x).sum())(np.zeros((2, 3), "f"))
  assert np.isfinite(slope).all()
