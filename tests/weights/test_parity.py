"""Public weights compute here what they compute in `transformers`."""

import shutil

import jax
import numpy as np
import pytest

from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.models.resnet import ResNet
from medfm.models.vit import ViT
from medfm.nn.text import vocabulary_logits
from medfm.objectives.language import TiedDecoder
from medfm.types import UserError
from medfm.weights import public, safetensors_file, torch_file
from tests.weights import reference

GOLDEN = reference.NAMES[:-1]
_MODELS = {"bert": Bert, "gpt2": GPT, "vit": ViT, "resnet": ResNet}


def _model(name, folder):
  """Our module for a folder of public weights, and its variables."""
  kind = name.partition("_")[0]
  settings = public.settings(folder)
  if name in ("bert_masked_lm", "bert_tokens"):
    settings["pooling"] = "mean"  # They have no pooler.
  outputs = 0 if name in ("bert_masked_lm", "bert_tokens", "gpt2") else 3
  model = _MODELS[kind](outputs=outputs, **settings)
  return model, public.read(folder, model)


def _logits(name, model, variables, base=False):
  """Of the reference's batch."""

  @jax.jit
  def run(variables, batch):
    own = {key: tree["model"] for key, tree in variables.items()}
    params = variables["params"]
    outputs = model.apply(own, batch)
    if "logits" in outputs:
      return outputs["logits"]
    states = outputs["tokens"]
    table = own["params"]["embed_tokens"]["embedding"]
    if name == "gpt2":
      return vocabulary_logits(states, table)
    if name == "bert_tokens":
      head = params["decoder"]["head"]
      return states @ head["kernel"] + head["bias"].reshape(1, 1, -1)
    decoder = TiedDecoder(len(table))
    return decoder.apply({"params": params["decoder"]}, states, table, None)[0]

  return np.asarray(run(variables, reference.batch(name, base)))


def _compare(name, found, expected, base=False):
  if name in ("bert_masked_lm", "bert_tokens"):  # Padding predicts nothing.
    real = reference.batch(name, base)["segment"] > 0
    found, expected = found[real], expected[real]
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
  return abs(found - expected).max(), abs(expected).max()


@pytest.fixture(params=GOLDEN)
def name(request):
  return request.param


def test_logits_equal_those_kept_from_the_reference(name):
  folder = reference.GOLDEN / name
  expected = np.load(folder / "logits.npz")["logits"]
  found = _logits(name, *_model(name, folder))
  _compare(name, found, expected)


def test_every_tensor_has_its_place(name):
  _, variables = _model(name, reference.GOLDEN / name)
  assert "unread" not in variables["params"]


def test_what_is_written_is_what_was_read(name, tmp_path):
  folder = reference.GOLDEN / name
  model, variables = _model(name, folder)
  public.write(tmp_path, variables, model)
  layout = {"gpt2": public.gpt2, "vit": public.vit, "resnet": public.resnet}
  canonical = layout.get(name, public.bert).canonical
  old = canonical(safetensors_file.read(folder))
  new = canonical(safetensors_file.read(tmp_path))
  assert set(new) == set(old)
  for key in old:
    np.testing.assert_array_equal(new[key], old[key], key)


def test_our_export_is_read_back_with_the_same_settings(name, tmp_path):
  folder = reference.GOLDEN / name
  model, variables = _model(name, folder)
  public.write(tmp_path, variables, model, shard_bytes=3000)
  assert (tmp_path / safetensors_file.INDEX).is_file()
  again, other = _model(name, tmp_path)
  assert again == model
  jax.tree.map(np.testing.assert_array_equal, other, variables)


def test_an_old_torch_file_holds_the_same_tensors():
  folder = reference.GOLDEN / "gpt2"
  old = torch_file.read(folder / "pytorch_model.bin")
  new = safetensors_file.read(folder)
  assert set(old) == set(new)
  for key in new:
    np.testing.assert_array_equal(old[key], new[key], key)


def test_a_folder_of_an_old_torch_file_is_read(tmp_path):
  folder = reference.GOLDEN / "gpt2"
  for file in ("config.json", "pytorch_model.bin"):
    shutil.copy(folder / file, tmp_path / file)
  expected = np.load(folder / "logits.npz")["logits"]
  found = _logits("gpt2", *_model("gpt2", tmp_path))
  _compare("gpt2", found, expected)


@pytest.mark.parametrize(
  ("setting", "value"), [("epsilon", 1e-5), ("activation", "relu")]
)
def test_a_model_that_would_compute_something_else_is_refused(setting, value):
  model = Bert(outputs=3, vocabulary=9, **{setting: value})
  with pytest.raises(UserError, match=rf"set model\.{setting}"):
    public.read(reference.GOLDEN / "bert_classes", model)


def test_torchvision_names_need_no_config(tmp_path):
  tensors = safetensors_file.read(reference.GOLDEN / "resnet")
  renamed = {
    _torchvision(key): array
    for key, array in tensors.items()
    if not key.endswith("tracked")
  }
  safetensors_file.write(tmp_path, renamed, {})
  (tmp_path / "config.json").unlink()
  found = public.read(tmp_path / safetensors_file.NAME)
  expected = public.read(reference.GOLDEN / "resnet")
  jax.tree.map(np.testing.assert_array_equal, found, expected)


def _torchvision(key):
  """Their name of a tensor of a tiny basic ResNet."""
  parts = key.split(".")
  conv = "convolution" in parts
  if "embedder" in parts:
    return f"{'conv' if conv else 'bn'}1.{parts[-1]}"
  if parts[0] == "classifier":
    return f"fc.{parts[-1]}"
  place = f"layer{int(parts[3]) + 1}.{parts[5]}"
  if "shortcut" in parts:
    return f"{place}.downsample.{0 if conv else 1}.{parts[-1]}"
  number = int(parts[7]) + 1
  return f"{place}.{'conv' if conv else 'bn'}{number}.{parts[-1]}"


def test_a_tensor_without_a_place_is_named(tmp_path):
  folder = reference.GOLDEN / "bert_classes"
  tensors = safetensors_file.read(folder)
  tensors["adapter.weight"] = np.zeros(3, np.float32)
  config = safetensors_file.read_config(folder)
  safetensors_file.write(tmp_path, tensors, config)
  variables = public.read(tmp_path)
  assert set(variables["params"]["unread"]) == {"adapter.weight"}


def test_a_leaf_the_layout_does_not_know_is_not_left_behind(tmp_path):
  model, variables = _model("gpt2", reference.GOLDEN / "gpt2")
  variables["params"]["lora"] = {"a": np.zeros(3)}
  with pytest.raises(UserError, match="no place for 1 leaves: params/lora/a"):
    public.write(tmp_path, variables, model)


def test_another_kind_of_model_is_refused(tmp_path):
  safetensors_file.write(
    tmp_path, {"x": np.zeros(1, np.float32)}, {"model_type": "llama"}
  )
  with pytest.raises(UserError, match="model_type='llama'"):
    public.read(tmp_path)


def test_a_config_of_another_variant_is_refused(tmp_path):
  config = safetensors_file.read_config(reference.GOLDEN / "bert_classes")
  tensors = safetensors_file.read(reference.GOLDEN / "bert_classes")
  config["position_embedding_type"] = "relative_key"
  safetensors_file.write(tmp_path, tensors, config)
  with pytest.raises(UserError, match="position_embedding_type"):
    public.read(tmp_path)


@pytest.mark.reference
@pytest.mark.parametrize("name", reference.NAMES)
def test_transformers_agrees_in_both_directions(name, tmp_path):
  _agrees(name, tmp_path, base=False, shard_bytes=3000)


@pytest.mark.reference
@pytest.mark.drill
@pytest.mark.parametrize("name", reference.BASE)
def test_transformers_agrees_in_both_directions_at_base_size(name, tmp_path):
  _agrees(name, tmp_path, base=True, shard_bytes=40 * 10**6)


def _agrees(name, tmp_path, *, base, shard_bytes):
  """HF -> ours -> logits, and ours -> exported shards -> HF -> logits."""
  pytest.importorskip("torch", reason="torch is not installed")
  pytest.importorskip("transformers", reason="transformers is not installed")
  made = reference.model(name, base)
  expected = reference.logits(made, name, base)
  made.save_pretrained(tmp_path / "theirs", max_shard_size=shard_bytes)
  model, variables = _model(name, tmp_path / "theirs")
  assert "unread" not in variables["params"]
  read = _compare(name, _logits(name, model, variables, base), expected, base)
  for folder, size in (("one", 10**12), ("many", shard_bytes)):
    public.write(tmp_path / folder, variables, model, shard_bytes=size)
    again, told = type(made).from_pretrained(
      tmp_path / folder, output_loading_info=True
    )
    assert not any(told.values()), told
    again = reference.logits(again.eval(), name, base)
    written = _compare(name, again, expected, base)
  for folder in ("theirs", "many"):
    assert (tmp_path / folder / safetensors_file.INDEX).is_file()
  print(
    f"{reference.BASE[name] if base else 'tiny'} {name}: logits up to "
    f"{read[1]:.3g}, apart by {read[0]:.1e} in, {written[0]:.1e} out"
  )
