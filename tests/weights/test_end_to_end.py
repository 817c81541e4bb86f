"""A folder `transformers` wrote is fine-tuned, exported, and read there."""

import csv
import functools
import json
import pathlib

import jax
import numpy as np
import pytest

from medfm import command, export, predict, stages, study, workdir
from medfm import step as steps
from medfm.types import Folders
from medfm.weights import images
from tests.weights import folders as made

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEW = (
  "Cough, fever & an infiltrate.",
  "A fall: the bone is displaced [SEP] swelling",
  "Ménière 患者 😀\troutine and healthy",
  "clear",
)
pytestmark = [pytest.mark.reference, pytest.mark.slow]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  """A folder of the data and of what `transformers` saves."""
  pytest.importorskip("torch", reason="torch is not installed")
  pytest.importorskip("transformers", reason="transformers is not installed")
  place = tmp_path_factory.mktemp("theirs")
  made.notes(place / "notes.csv")
  made.sentences(place / "train.iob")
  made.scans(place / "scans")
  for kind, write in WRITERS.items():
    write(place / kind)
  return place


def bert(folder, kind="BertForPreTraining"):
  import transformers as t

  words = sorted({w for text, _ in made.texts() for w in text.lower().split()})
  letters = sorted({c for word in words for c in word})
  tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]
  tokens += [f"##{letter}" for letter in letters]
  folder.mkdir(exist_ok=True)
  text = "\n".join(dict.fromkeys(tokens)) + "\n"
  (folder / "vocab.txt").write_text(text, encoding="utf-8")
  own = t.BertTokenizer.from_pretrained(folder)
  own.save_pretrained(folder)
  config = t.BertConfig(
    vocab_size=len(own),
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=48,
  )
  getattr(t, kind)(config).save_pretrained(folder)


def gpt2(folder):
  import transformers as t
  from tokenizers import Tokenizer, models, pre_tokenizers, trainers

  inner = Tokenizer(models.BPE())
  inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  trainer = trainers.BpeTrainer(
    vocab_size=320,
    special_tokens=["<|endoftext|>"],
    initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    show_progress=False,
  )
  inner.train_from_iterator([text for text, _ in made.texts()], trainer)
  folder.mkdir()
  inner.model.save(str(folder))
  t.GPT2Tokenizer.from_pretrained(folder).save_pretrained(folder)
  config = t.GPT2Config(
    vocab_size=inner.get_vocab_size(),
    n_embd=16,
    n_layer=2,
    n_head=2,
    n_positions=48,
    bos_token_id=0,
    eos_token_id=0,
  )
  t.GPT2LMHeadModel(config).save_pretrained(folder)


def vit(folder):
  import transformers as t

  config = t.ViTConfig(
    image_size=32,
    patch_size=8,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
  )
  t.ViTForImageClassification(config).save_pretrained(folder)
  processor(folder)


def resnet(folder):
  import transformers as t

  config = t.ResNetConfig(
    embedding_size=4,
    hidden_sizes=[4, 8, 16, 32],
    depths=[1, 1, 1, 1],
    layer_type="basic",
  )
  t.ResNetForImageClassification(config).save_pretrained(folder)
  processor(folder)


def processor(folder):
  scaling = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
  content = images.described(32, scaling)
  (folder / images.NAME).write_text(json.dumps(content))


WRITERS = {
  "bert": bert,
  "tagger": functools.partial(bert, kind="BertForTokenClassification"),
  "gpt2": gpt2,
  "vit": vit,
  "resnet": resnet,
}


def trained(here, place, argument, *overrides):
  """The run's info, its module, and variables for `logits`."""
  config = command.config(str(ROOT / "configs" / argument), overrides)
  study.study(config, place, Folders(None, str(here / "cache")))
  (run,) = stages.chosen(place, None).values()
  info = workdir.info(place)
  variables = steps.variables(stages.weights(place))
  return run, info, variables


def exported(tmp_path, kind):
  """The run's weights as transformers reads them, each in its place."""
  out = tmp_path / "out"
  export.export(tmp_path / "run", None, str(out))
  model, told = kind.from_pretrained(out, output_loading_info=True)
  assert not any(told.values()), told
  return model


def logits(run, info, variables, batch):
  """Of the run's model, which has a head [K]."""
  net = run.objective(info).net
  own = {key: tree["model"] for key, tree in variables.items()}
  return np.asarray(jax.jit(net.apply)(own, batch)["logits"])


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_text_model_goes_there_and_back(kind, here, tmp_path):
  import torch
  import transformers as t

  place = tmp_path / "run"
  run, info, variables = trained(
    here,
    place,
    f"own_text.py:tiny,weights={here / kind}",
    f"data.path={here / 'notes.csv'}",
    "data.text=note",
    "data.label=diagnosis",
  )
  model = exported(tmp_path, t.AutoModelForSequenceClassification)
  (tmp_path / "new.txt").write_text("\n".join(NEW) + "\n", encoding="utf-8")
  split = stages.read_encode(place)(str(tmp_path / "new.txt"), info)
  batch = {**split.arrays, "id": np.arange(len(NEW))}
  found = logits(run, info, variables, batch)

  cutter = t.AutoTokenizer.from_pretrained(tmp_path / "out")
  if cutter.pad_token is None:
    own = cutter.convert_ids_to_tokens(model.config.pad_token_id)
    cutter.pad_token = own
  asked = cutter(list(NEW), padding=True, return_tensors="pt")
  length = asked["input_ids"].shape[1]
  real = split.arrays["segment"] > 0
  assert real.sum(1).max() == length
  np.testing.assert_array_equal(
    np.where(real, split.arrays["tokens"], -1)[:, :length],
    np.where(asked["attention_mask"] > 0, asked["input_ids"], -1),
  )
  with torch.no_grad():
    expected = model.eval()(**asked).logits.numpy()
  np.testing.assert_allclose(found, expected, atol=1e-5)
  check_predictions(place, tmp_path, found, info)


def check_predictions(place, tmp_path, found, info):
  """What --mode=predict writes of the new texts are those probabilities."""
  new, written = tmp_path / "new.txt", tmp_path / "new.csv"
  predict.predict(place, None, str(new), str(written))
  probs = np.asarray(jax.nn.softmax(found))
  for row, cells in enumerate(csv.DictReader(written.open())):
    said = [float(cells[f"prob_{name}"]) for name in info.target.names]
    np.testing.assert_allclose(said, probs[row], atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "tagger"])
def test_a_tagger_goes_there_and_back(kind, here, tmp_path):
  import torch
  import transformers as t

  run, info, variables = trained(
    here,
    tmp_path / "run",
    f"own_iob.py:tiny,weights={here / kind}",
    f"data.path={here / 'train.iob'}",
  )
  model = exported(tmp_path, t.AutoModelForTokenClassification)
  assert list(model.config.id2label.values()) == list(info.target.names)
  tokens = np.arange(1, 25, dtype=np.int32).reshape(2, 12)
  batch = {"tokens": tokens, "segment": np.ones_like(tokens)}
  batch |= {"id": np.arange(2)}
  said = run.objective(info).predict(variables, batch)
  with torch.no_grad():
    asked = torch.tensor(tokens).long()
    expected = model.eval()(input_ids=asked).logits
  probs = torch.softmax(expected, -1).numpy()
  np.testing.assert_allclose(said["probs"], probs, atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_an_image_model_goes_there_and_back(kind, here, tmp_path):
  import torch
  import transformers as t

  run, info, variables = trained(
    here,
    tmp_path / "run",
    f"own_images.py:tiny,weights={here / kind}",
    f"data.path={here / 'scans'}",
  )
  model = exported(tmp_path, t.AutoModelForImageClassification)
  pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
  said = run.objective(info).predict(
    variables, {"image": pixels, "id": np.arange(2)}
  )
  described = json.loads((tmp_path / "out" / images.NAME).read_text())
  scaled = pixels * described["rescale_factor"] - described["image_mean"]
  scaled = (scaled / described["image_std"]).astype(np.float32)
  with torch.no_grad():
    asked = torch.tensor(scaled).permute(0, 3, 1, 2)
    expected = model.eval()(pixel_values=asked).logits
  probs = torch.softmax(expected, -1).numpy()
  np.testing.assert_allclose(said["probs"], probs, atol=1e-5)
