"""Public weights that are damaged, hostile or of another model, as users meet
them: one line that names the file, nothing run, no workdir left."""

import json
import os
import pathlib
import pickle
import re
import shutil
import struct
import zipfile

import numpy as np
import pytest

from medfm import command, study
from medfm.data.text import tokenizers
from medfm.types import Folders, UserError
from medfm.weights import safetensors_file
from tests.weights import folders as made

pytestmark = pytest.mark.xdist_group("bad weights")

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILE, INDEX = safetensors_file.NAME, safetensors_file.INDEX
WORDS = "bert.embeddings.word_embeddings.weight"
LAYER = "bert.encoder.layer.0"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  """Sound folders, the data, and a cache for them all."""
  place = tmp_path_factory.mktemp("sound")
  made.notes(place / "notes.csv")
  made.scans(place / "scans")
  for kind in made.MODELS:
    made.public_folder(kind, place / kind)
  return place


def start(here, folder, kind, run):
  """Goes as far as a run from this folder of weights goes."""
  if kind in ("vit", "resnet"):
    name, overrides = "own_images.py", [f"data.path={here / 'scans'}"]
  else:
    name, overrides = "own_text.py", [f"data.path={here / 'notes.csv'}"]
    overrides += ["data.text=note", "data.label=diagnosis"]
  argument = f"{ROOT / 'configs' / name}:tiny,weights={folder}"
  config = command.config(argument, overrides)
  study.study(config, run, Folders(None, str(here / "cache")))


def refused(here, tmp_path, kind, spoil):
  """The line about a copy of the kind's folder that `spoil` has changed."""
  folder = tmp_path / kind
  shutil.copytree(here / kind, folder)
  spoil(folder)
  with pytest.raises(UserError) as caught:
    start(here, folder, kind, tmp_path / "run")
  line = str(caught.value)
  assert "\n" not in line
  assert str(folder) in line
  assert not (tmp_path / "run").exists()
  return line


def cut(size):
  """The file's first bytes alone."""

  def spoil(folder):
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:size])

  return spoil


def header(length, content=b"{}", size=None):
  """A file whose header claims a length; `size` makes it as long as that."""

  def spoil(folder):
    with (folder / FILE).open("wb") as file:
      file.write(struct.pack("<Q", length) + content)
      if size:
        file.truncate(size)

  return spoil


def overlapping():
  entry = {"dtype": "F32", "shape": [2]}
  entries = {
    name: {**entry, "data_offsets": [begin, begin + 8]}
    for name, begin in (("a", 0), ("b", 4))
  }
  text = json.dumps(entries).encode()
  return header(len(text), text + bytes(12))


def settings(**changed):
  """config.json with other entries; None takes one away."""

  def spoil(folder):
    content = safetensors_file.read_config(folder) | changed
    content = {k: v for k, v in content.items() if v is not None}
    (folder / "config.json").write_text(json.dumps(content))

  return spoil


def tensor(name, array):
  """The file with another array under a name; None takes one away."""

  def spoil(folder):
    tensors = safetensors_file.read(folder)
    assert name in tensors
    tensors[name] = array
    if array is None:
      del tensors[name]
    config = safetensors_file.read_config(folder)
    safetensors_file.write(folder, tensors, config)

  return spoil


def shaped(name, *shape):
  return tensor(name, np.zeros(shape, np.float32))


def file(name, content):
  def spoil(folder):
    content_bytes = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(content_bytes)

  return spoil


def sharded(then):
  def spoil(folder):
    tensors = safetensors_file.read(folder)
    config = safetensors_file.read_config(folder)
    (folder / FILE).unlink()
    safetensors_file.write(folder, tensors, config, shard_bytes=8000)
    then(folder)

  return spoil


def lost_shard(folder):
  sorted(folder.glob("model-*.safetensors"))[1].unlink()


def index(*files):
  placed = {f"t{number}": name for number, name in enumerate(files)}
  return sharded(file(INDEX, json.dumps({"weight_map": placed})))


def larger_tokenizer(folder):
  """Of more tokens than the weights have rows."""
  text = [" ".join(f"w{i}x{i * 7}z" for i in range(900))]
  own = tokenizers.wordpiece(
    text, Folders(None, str(folder.parent / "cache")), vocabulary=500
  )
  (folder / "tokenizer.json").write_text(own.text)


def without(*names):
  def spoil(folder):
    for name in names:
      (folder / name).unlink()

  return spoil


QUERY = f"{LAYER}.attention.self.query.weight"
OUT = f"{LAYER}.attention.output.dense.weight"
FAULTS = {
  "half a file": ("bert", cut(9000), f"{FILE} is truncated"),
  "four bytes": ("bert", cut(4), f"{FILE} is truncated"),
  "no bytes": ("bert", cut(0), f"{FILE} is truncated"),
  "a header beyond the file": ("bert", header(10**12), "claims 1000000000000"),
  "a header beyond the limit": (
    "bert",
    header(40 << 20, size=41 << 20),
    "header claims 41943040",
  ),
  "overlapping tensors": ("bert", overlapping(), "b overlaps another tensor"),
  "half a file of GPT-2": ("gpt", cut(9000), "get the file again"),
  "half a file of ViT": ("vit", cut(3000), "get the file again"),
  "half a file of ResNet": ("resnet", cut(3000), "get the file again"),
  "fewer words": ("bert", shaped(WORDS, 7, 16), r"has shape \(7, 16\)"),
  "another width": ("bert", shaped(QUERY, 16, 12), r"query.weight \(16, 12\)"),
  "a row too few": ("bert", shaped(QUERY, 15, 16), r"query.weight \(15, 16\)"),
  "one number": ("bert", shaped(QUERY), r"query.weight \(\).*config.json"),
  "one number again": ("bert", shaped(OUT), r"output.dense.weight \(\)"),
  "other heads": ("bert", shaped(OUT, 16, 12), "attention/out/kernel"),
  "a missing tensor": ("bert", tensor(QUERY, None), f"lacks {QUERY}"),
  "not a number": (
    "bert",
    tensor(OUT, np.full((16, 16), np.nan, np.float32)),
    f"{OUT} has values that are not finite",
  ),
  "another GPT-2": (
    "gpt",
    shaped("transformer.h.0.attn.c_attn.weight", 16, 40),
    r"c_attn.weight \(16, 40\)",
  ),
  "a shard that is missing": (
    "bert",
    sharded(lost_shard),
    "00002-of-.*miss",
  ),
  "an index outside": ("bert", index("/etc/passwd"), "outside its folder"),
  "an index above": ("bert", index(".."), "outside its folder"),
  "an index of numbers": ("bert", index(3), "names 3, which is missing"),
  "an index with a zero": ("bert", index("a\0b"), "outside its folder"),
  "half an index": ("bert", sharded(file(INDEX, "{")), "has no weight_map"),
  "a larger tokenizer": ("bert", larger_tokenizer, "have .* tokens, the token"),
  "a damaged tokenizer": ("bert", file("tokenizer.json", "{"), "save it again"),
  "no tokenizer": (
    "bert",
    without("tokenizer.json", "vocab.txt"),
    "no tokenizer.json or vocab.txt or vocab.json",
  ),
  "no config": ("bert", without("config.json"), "has no config.json"),
  "half a config": ("bert", file("config.json", "{x"), "not JSON text"),
  "a config of bytes": ("bert", file("config.json", b"\xff\xfe"), "not JSON"),
  "a list for a config": ("bert", file("config.json", "[]"), "no JSON object"),
  "another kind": ("bert", settings(model_type="llama"), "'llama'; expected"),
  "a list of kinds": ("bert", settings(model_type=["bert"]), "expected"),
  "no kind": ("bert", settings(model_type=None), "expected bert"),
  "an image model": (
    "vit",
    settings(model_type="bert"),
    "expected resnet or vit",
  ),
  "a size in words": ("bert", settings(vocab_size="many"), "vocab_size='many'"),
  "a size of zero": ("bert", settings(hidden_size=0), "hidden_size=0"),
  "a size below zero": ("bert", settings(hidden_size=-16), "hidden_size=-16"),
  "half a size": ("bert", settings(hidden_size=16.5), "a whole number"),
  "an absurd size": ("bert", settings(vocab_size=10**12), "from 1 to"),
  "a billion layers": ("bert", settings(num_hidden_layers=10**7), "1 to 1,024"),
  "heads that do not share": (
    "bert",
    settings(num_attention_heads=3),
    "hidden_size=16 is not a multiple of num_attention_heads=3",
  ),
  "no heads": (
    "bert",
    settings(num_attention_heads=0),
    "num_attention_heads=0",
  ),
  "a wider model": ("bert", settings(hidden_size=32), "weights of this model"),
  "a deeper model": ("bert", settings(num_hidden_layers=3), "block2.*missing"),
  "a flatter model": (
    "bert",
    settings(num_hidden_layers=1),
    "layer.1.*no place",
  ),
  "no such activation": ("bert", settings(hidden_act="x"), "activation 'x'"),
  "activations": ("bert", settings(hidden_act=["gelu"]), "activation"),
  "epsilon in words": ("bert", settings(layer_norm_eps="x"), "layer_norm_eps"),
  "fewer places": (
    "bert",
    settings(max_position_embeddings=10),
    r"embed_positions/embedding \(10, 16\)",
  ),
  "other positions": (
    "bert",
    settings(position_embedding_type="relative_key"),
    "relative_key",
  ),
  "heads of GPT-2": ("gpt", settings(n_head=3), "n_embd=16 is not a multiple"),
  "inner of GPT-2": ("gpt", settings(n_inner="x"), "n_inner='x'"),
  "heads of ViT": ("vit", settings(num_attention_heads=5), "not a multiple"),
  "patches of ViT": ("vit", settings(patch_size=4), "embed_patches/kernel"),
  "channels of ViT": ("vit", settings(num_channels="3"), "num_channels='3'"),
  "images of words": ("vit", settings(image_size="x"), "size and scaling"),
  "huge images": ("vit", settings(image_size=10**6), "expected 1 to 4096"),
  "a list for a processor": (
    "vit",
    file("preprocessor_config.json", "[]"),
    "preprocessor_config.json does not say",
  ),
  "no spread": (
    "resnet",
    file("preprocessor_config.json", '{"image_mean": [0], "image_std": [0]}'),
    "expected numbers above 0",
  ),
  "stages of ResNet": ("resnet", settings(depths=[1, 1, 1, 2]), "of stages"),
  "stages in words": ("resnet", settings(depths=[["x"]]), "config.json"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_names_the_file(fault, here, tmp_path):
  kind, spoil, message = FAULTS[fault]
  line = refused(here, tmp_path, kind, spoil)
  assert re.search(message, line), line


class Payload:
  """Unpickled it makes a file."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_pickle_is_refused_and_does_not_run(zipped, here, tmp_path):
  planted = tmp_path / "planted"
  content = pickle.dumps({"w": Payload(planted)}, 2)

  def spoil(folder):
    (folder / FILE).unlink()
    path = folder / "pytorch_model.bin"
    path.write_bytes(content)
    if zipped:
      with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", content)

  line = refused(here, tmp_path, "bert", spoil)
  assert ("posix.system" if zipped else "as safetensors") in line
  assert not planted.exists()
  pickle.loads(content)
  assert planted.exists()  # What would have happened.


def test_the_command_says_it_in_one_line_and_leaves_nothing(
  launched, here, tmp_path
):
  shutil.copytree(here / "bert", tmp_path / "bert")
  cut(9000)(tmp_path / "bert")
  done = launched(
    f"--config=configs/own_text.py:tiny,weights={tmp_path / 'bert'}",
    f"--config.data.path={here / 'notes.csv'}",
    "--config.data.text=note",
    "--config.data.label=diagnosis",
    f"--workdir={tmp_path / 'run'}",
    MEDFM_CACHE_DIR=str(here / "cache"),
  )
  assert done.returncode == 2, done.stderr
  assert done.stderr.startswith(f"error: {tmp_path / 'bert' / FILE} is trunc")
  assert done.stderr.count("\n") == 1
  assert not (tmp_path / "run").exists()
