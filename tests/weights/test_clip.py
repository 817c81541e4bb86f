"""Public weights of CLIP compute here what they compute in `transformers`."""

import functools

import jax
import numpy as np
import pytest

from medfm import spec
from medfm.models.resnet import ResNet
from medfm.models.two_towers import TwoTowers
from medfm.types import UserError
from medfm.weights import clip, images, public, safetensors_file
from tests.weights import reference

FOLDER = reference.GOLDEN / "clip"
INPUTS = {"image": {}, "text": {"vocabulary": 13}}


def model(folder=FOLDER, **settings):
  """Our module for a folder of CLIP's weights, and its variables."""
  _, entry = public.model(str(folder), {"two_towers": TwoTowers})
  given = spec.build(entry)
  made = given(outputs=0, inputs=INPUTS, **settings)
  return made, public.read(folder, made)


def similarities(made, variables):
  """[2,2] of the reference's pairs, as CLIP's loss sees them."""
  own = {"params": variables["params"]["model"]}
  outputs = jax.jit(made.apply)(own, reference.pairs())
  cosines = outputs["image_embedding"] @ outputs["text_embedding"].T
  return np.exp(variables["params"]["decoder"]["log_scale"]) * cosines


@pytest.fixture(scope="module")
def read():
  return model()


def test_similarities_equal_those_kept_from_the_reference(read):
  expected = np.load(FOLDER / "logits.npz")["logits"]
  assert "unread" not in read[1]["params"]
  np.testing.assert_allclose(similarities(*read), expected, atol=1e-4)


def test_what_is_written_is_what_was_read_and_gives_the_same_model(
  read, tmp_path
):
  public.write(tmp_path, read[1], read[0], notes={"eos_token_id": 9})
  old, new = (safetensors_file.read(each) for each in (FOLDER, tmp_path))
  assert set(new) == set(old)
  for key in old:
    np.testing.assert_array_equal(new[key], old[key], key)
  config = safetensors_file.read_config(tmp_path)
  assert config["text_config"]["eos_token_id"] == 9
  again, variables = model(tmp_path)
  assert repr(again) == repr(read[0])
  jax.tree.map(np.testing.assert_array_equal, variables, read[1])


def test_a_tower_that_would_compute_something_else_is_refused(read):
  towers = dict(read[0].encoders)
  towers["image"] = functools.partial(towers["image"], activation="gelu")
  with pytest.raises(
    UserError, match=r"set model\.encoders\.image\.activation"
  ):
    public.read(FOLDER, TwoTowers(outputs=0, encoders=towers, inputs=INPUTS))


def test_other_towers_have_no_public_layout(read, tmp_path):
  towers = {**read[0].encoders, "image": functools.partial(ResNet, depth=10)}
  other = TwoTowers(outputs=0, encoders=towers, inputs=INPUTS)
  with pytest.raises(UserError, match="the image tower is ResNet and cannot"):
    public.write(tmp_path, read[1], other)


def test_images_and_vocabulary_are_those_of_the_weights():
  wanted = images.wanted(str(FOLDER))
  assert (wanted["size"], wanted["channels"]) == (8, 3)
  assert wanted["mean"] == images.CLIP["mean"]
  assert public.vocabulary(FOLDER) == 13


def test_an_entry_left_out_of_the_config_has_clips_default():
  settings = clip.settings({"projection_dim": 512, "text_config": None})
  image, text = (settings["encoders"][role] for role in ("image", "text"))
  assert (image["width"], image["patch"], image["depth"]) == (768, 32, 12)
  assert (text["width"], text["vocabulary"], text["length"]) == (512, 49408, 77)
  assert image["activation"] == text["activation"] == "quick_gelu"


@pytest.mark.reference
def test_transformers_agrees_in_both_directions(tmp_path):
  pytest.importorskip("torch", reason="torch is not installed")
  pytest.importorskip("transformers", reason="transformers is not installed")
  theirs = reference.model("clip")
  theirs.save_pretrained(tmp_path / "theirs")
  expected = reference.similarities(theirs)
  made, variables = model(tmp_path / "theirs")
  np.testing.assert_allclose(similarities(made, variables), expected, atol=1e-4)
  public.write(tmp_path / "ours", variables, made, notes={"eos_token_id": 9})
  again, told = type(theirs).from_pretrained(
    tmp_path / "ours", output_loading_info=True
  )
  assert not any(told.values()), told
  np.testing.assert_allclose(
    reference.similarities(again.eval()), expected, atol=1e-4
  )
