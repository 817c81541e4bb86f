"""What is compared: cases, and the tools that run each.

A case needs a model both sides have; add one here, a variant to `configs`
and a model to a peer's module.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

from benchmarks import counted, inputs
from benchmarks.tools import OURS


@dataclasses.dataclass(frozen=True)
class Span:
  """Which steps are measured: between the lines at or after these two.

  every: steps between lines of progress.
  """

  first: int
  last: int
  every: int

  def scaled(self, scale: float) -> int:
    """The last step of a longer or shorter measurement, told of as well."""
    lines = (self.last - self.first) * scale / self.every
    return self.first + max(1, round(lines)) * self.every


@dataclasses.dataclass(frozen=True)
class Case:
  """tools: name -> the steps it does; slower tools may do fewer.

  model: the word handed to the tools' programs.
  batch: examples per step. unit: what an "example" is here.
  data: writes the case's files into a folder.
  overrides: of `configs.py`, {data} standing for that folder.
  length: tokens of a row, where rows are of tokens.
  flops: of an example's training step, where they are counted by hand; else
    XLA counts them.
  """

  title: str
  model: str
  batch: int
  data: Callable[[pathlib.Path], None]
  tools: dict[str, Span]
  overrides: tuple[str, ...] = ()
  unit: str = "examples"
  training: bool = True
  length: int = 0
  flops: float = 0.0


def _training(
  title: str,
  model: str,
  batch: int,
  data: Callable[[pathlib.Path], None],
  peers: tuple[str, ...],
  span: Span,
  overrides: tuple[str, ...],
) -> Case:
  tools = dict.fromkeys((OURS, *peers), span)
  return Case(title, model, batch, data, tools, overrides)


def _images(title, model, batch, size, channels, peers, span, count=2048):
  data = functools.partial(
    inputs.images, count=count, size=size, channels=channels, suffix="png"
  )
  overrides = (
    "data.path={data}/files",
    f"data.size={size}",
    f"data.channels={channels}",
  )
  return _training(title, model, batch, data, peers, span, overrides)


def _table(title, model, batch, span):
  data = functools.partial(inputs.table, count=8192)
  overrides = ("data.path={data}/table.csv",)
  return _training(title, model, batch, data, ("torch",), span, overrides)


def _language(title, model, peers, *overrides):
  data = functools.partial(inputs.corpus, count=1500, length=128)
  overrides = (
    "data.path={data}/corpus.txt",
    "data.tokenizer.path={data}/vocab.txt",
    *overrides,
  )
  case = _training(title, model, 16, data, peers, Span(5, 35, 5), overrides)
  return dataclasses.replace(case, length=128)


def _generation(batch, ours, theirs):
  """ours, theirs: generations of 96 tokens a row that are measured."""
  new = 96 * batch
  return Case(
    f"GPT of 4 layers, prompt of 32 tokens, 96 new, batch {batch}",
    "generate", batch,
    functools.partial(inputs.prompts, count=batch, length=32),
    {
      "medfm_generation": Span(1, 1 + ours * new, new),
      "transformers_generation": Span(1, 1 + theirs * new, new),
    },
    unit="tokens", training=False,
  )  # fmt: skip


_CNN_PEERS = ("keras_tf", "keras_jax", "torch")
_GIVEN_BACK = "medfm_given_back"
_PRODUCTS = "medfm_products"
_TORCH = ("torch", "torch_kept")
_JPEGS = functools.partial(
  inputs.images, count=1024, size=224, channels=3, suffix="jpg"
)
_PATCH = (40, 56, 40)
CASES = {
  "cnn_b32": _images(
    "CNN, 28 x 28 x 1, batch 32",
    "cnn", 32, 28, 1, _CNN_PEERS, Span(128, 1024, 64),
  ),
  "cnn_b128": _images(
    "CNN, 28 x 28 x 1, batch 128",
    "cnn", 128, 28, 1, ("medfm_pool", "medfm_ynnpack", *_CNN_PEERS),
    Span(32, 256, 16),
  ),
  "resnet18_28": _images(
    "ResNet-18, 28 x 28 x 3, batch 32",
    "resnet", 32, 28, 3, ("medfm_conv", *_TORCH), Span(10, 80, 10), 512,
  ),
  "resnet18_64": _images(
    "ResNet-18, 64 x 64 x 3, batch 32",
    "resnet", 32, 64, 3, (_GIVEN_BACK, *_TORCH), Span(5, 30, 5), 512,
  ),
  "mlp": _table("MLP, 30 columns, batch 128", "mlp", 128, Span(500, 5000, 250)),
  "transformer": _table(
    "Tabular transformer, 30 columns, batch 128",
    "transformer", 128, Span(20, 120, 10),
  ),
  "lstm": dataclasses.replace(
    _training(
      "LSTM, hidden 128, 200 tokens, batch 64",
      "lstm", 64, functools.partial(inputs.texts, count=2048, length=200),
      ("medfm_scan", _GIVEN_BACK, *_TORCH), Span(20, 240, 20),
      (
        "data.path={data}/texts.csv",
        "data.tokenizer.path={data}/vocab.txt",
      ),
    ),
    length=200, flops=counted.lstm(length=200, embed=128, width=128),
  ),
  "bert": _language(
    "BERT, 4 layers of width 256, 128 tokens, batch 16, masked LM",
    "bert",
    (
      _PRODUCTS,
      _GIVEN_BACK,
      "transformers",
      "transformers_kept",
      "transformers_masked",
    ),
  ),
  "bert_bf16": _language(
    "BERT, the same, bf16",
    "bert", (_PRODUCTS, "transformers_bf16", "transformers_bf16_masked"),
    "objective.model.dtype=bfloat16",
  ),
  "gpt": _language(
    "GPT, 4 layers of width 256, 128 tokens, batch 16",
    "gpt",
    (_PRODUCTS, _GIVEN_BACK, "transformers", "transformers_kept"),
  ),
  "gpt_bf16": _language(
    "GPT, the same, bf16",
    "gpt", (_PRODUCTS, "transformers_bf16"), "objective.model.dtype=bfloat16",
  ),
  "mae": _images(
    "Masked autoencoder, ViT of 6 layers, 96 x 96 x 3, batch 32",
    "mae", 32, 96, 3,
    ("medfm_order", "transformers_mae", "transformers_mae_kept"),
    Span(10, 80, 10), 512,
  ),
  "simclr": _images(
    "SimCLR, ResNet-18 of width 32, 32 x 32 x 3, batch 128",
    "simclr", 128, 32, 3,
    ("medfm_order", "torch_simclr", "torch_simclr_kept"),
    Span(2, 14, 2), 1024,
  ),
  "unet3d": _training(
    "Residual 3-D U-Net, patches of 40 x 56 x 40, batch 2",
    "unet3d", 2, functools.partial(inputs.volumes, count=32, shape=_PATCH),
    ("medfm_planes", "monai", "monai_last", "monai_kept", "monai_alike"),
    Span(4, 28, 4),
    ("data.path={data}/pairs.csv",),
  ),
  "windows3d": Case(
    "3-D U-Net by windows over a volume of 96 x 112 x 96",
    "windows", 1,
    functools.partial(inputs.volumes, count=1, shape=(96, 112, 96)),
    dict.fromkeys(
      ("medfm_windows", "monai_windows", "monai_windows_last",
       "monai_windows_kept", "monai_windows_alike"),
      Span(1, 6, 1),
    ),
    unit="volumes", training=False,
  ),
  "volumes": Case(
    "Patches of 40 x 56 x 40 of the hippocampus, batch 2",
    "volumes", 2, inputs.hippocampus,
    {
      "medfm_volumes": Span(1, 18001, 180),
      "monai_volumes": Span(1, 1801, 180),
      "monai_volumes_plain": Span(1, 3601, 180),
      "monai_volumes_workers": Span(1, 3601, 180),
    },
    unit="crops", training=False,
  ),
  "generate_b1": _generation(1, 80, 20),
  "generate_b8": _generation(8, 40, 20),
  "loading_first": Case(
    "Loading 224 x 224 JPEG at 64 x 64, first pass",
    "first", 64, _JPEGS,
    dict.fromkeys(("medfm_loader", "torch_loader", "tf_data"),
                  Span(1, 1025, 1024)),
    unit="images", training=False,
  ),
  "loading_again": Case(
    "Loading 224 x 224 JPEG at 64 x 64, later passes",
    "again", 64, _JPEGS,
    {
      "medfm_loader": Span(1025, 40961, 1024),
      "medfm_resident_loader": Span(1025, 40961, 1024),
      "torch_loader": Span(1025, 3073, 1024),
      "tf_data": Span(1025, 20481, 1024),
    },
    unit="images", training=False,
  ),
  "scores": Case(
    "2,000 predictions of 10 classes, bootstrap",
    "scores", 1, functools.partial(inputs.predictions, count=2000),
    {"medfm_scores": Span(1, 1001, 1000), "sklearn": Span(1, 41, 10)},
    unit="replicates", training=False,
  ),
}  # fmt: skip
