"""Tiny folders of public weights with their tokenizers, and data for them."""

import csv
import functools
import pathlib

import jax
import numpy as np
import PIL.Image
from flax import linen as nn

from medfm.data.text import tokenizers
from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.models.resnet import ResNet
from medfm.models.vit import ViT
from medfm.nn import forward
from medfm.types import Folders
from medfm.weights import images, public, tokenizer_files
from tests import infos

WORDS = {
  "pneumonia": ("consolidation", "fever", "cough", "infiltrate"),
  "fracture": ("fall", "bone", "displaced", "swelling"),
  "normal": ("clear", "unremarkable", "routine", "healthy"),
}
ENTITIES = {"aspirin": "Drug", "warfarin": "Drug", "asthma": "Disease"}
MODELS = {
  "bert": functools.partial(Bert, width=16, depth=2, heads=2, length=40),
  "gpt": functools.partial(GPT, width=16, depth=2, heads=2, length=40),
  "vit": functools.partial(ViT, patch=8, width=16, depth=2, heads=2),
  "resnet": functools.partial(ResNet, depth=10, width=4, stem="imagenet"),
}


def texts(count: int = 90) -> list[tuple[str, str]]:
  """(text, class) of synthetic notes."""
  generator = np.random.default_rng(0)
  found = []
  for index in range(count):
    label = list(WORDS)[index % 3]
    words = generator.choice(WORDS[label], 3)
    found.append((f"Note {index}: {' and '.join(words)}.", label))
  return found


def notes(path: pathlib.Path) -> pathlib.Path:
  """A CSV of notes with a class, two labels and a number."""
  with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["note", "diagnosis", "sick", "urgent", "days"])
    for index, (text, label) in enumerate(texts()):
      sick = int(label != "normal")
      writer.writerow([text, label, sick, index % 2, 3 + 2 * sick + index % 3])
  return path


def sentences(path: pathlib.Path, count: int = 60) -> pathlib.Path:
  """An IOB file of synthetic sentences."""
  names = list(ENTITIES)
  lines = []
  for index in range(count):
    name = names[index % 3]
    lines += [f"patient{index}\tO", "takes\tO", f"{name}\tB-{ENTITIES[name]}"]
    lines += ["daily\tO", ""]
  path.write_text("\n".join(lines) + "\n")
  return path


def scans(folder: pathlib.Path, each: int = 14) -> pathlib.Path:
  """A folder of synthetic images in two classes."""
  generator = np.random.default_rng(0)
  for label, shade in (("dark", 60), ("light", 180)):
    (folder / label).mkdir(parents=True)
    for index in range(each):
      pixels = generator.normal(shade, 20, (30, 34, 3)).clip(0, 255)
      image = PIL.Image.fromarray(pixels.astype(np.uint8))
      image.save(folder / label / f"{index}.png")
  return folder


def tokenizer(kind: str, cache: pathlib.Path) -> tokenizers.Tokenizer:
  """Learnt from the notes."""
  learn = tokenizers.wordpiece if kind == "bert" else tokenizers.byte_bpe
  read = [text for text, _ in texts()]
  return learn(read, Folders(None, str(cache)), vocabulary=320)


def public_folder(kind: str, folder: pathlib.Path) -> pathlib.Path:
  """Random weights of a kind, as others publish them: no head, a tokenizer."""
  folder.mkdir(parents=True)
  settings, info = {}, infos.info(kind, "none")
  batch = {"image": np.zeros((1, 32, 32, 3), np.float32), "id": np.arange(1)}
  if kind in ("bert", "gpt"):
    own = tokenizer(kind, folder.parent / "cache")
    settings = {"vocabulary": own.vocabulary}
    info = infos.info(
      kind, "none", vocabulary=own.vocabulary, special=own.special
    )
    batch = {"tokens": np.zeros((1, 8), np.int32), "id": np.arange(1)}
  net: nn.Module = MODELS[kind](outputs=0, **settings)
  variables = jax.jit(functools.partial(forward.init, net))(
    jax.random.key(0), batch
  )
  public.write(folder, variables, net)
  if kind in ("bert", "gpt"):
    tokenizer_files.write(folder, own.text, info, length=40)
  else:
    scaling = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    public.note(folder / images.NAME, images.described(32, scaling))
  return folder
