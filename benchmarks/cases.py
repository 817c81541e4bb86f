"""What is compared: cases, and the tools that run each.

A case needs a model both sides have; add one here, a variant to `configs`
and a model to a peer's module.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

from benchmarks import inputs

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = "medfm"


@dataclasses.dataclass(frozen=True)
class Tool:
  """One program that can run cases.

  title: in tables. module: run as `python -m`; "" is MedFM's launch.py.
  package: the distribution that must be installed, whose version is shown.
  """

  title: str
  package: str
  module: str = ""
  environment: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Span:
  """Which steps are measured: between the lines at or after these two.

  every: steps between lines of progress.
  """

  first: int
  last: int
  every: int


@dataclasses.dataclass(frozen=True)
class Case:
  """tools: name -> the steps it does; slower tools may do fewer.

  model: the word handed to the tools' programs.
  batch: examples per step. unit: what an "example" is here.
  data: writes the case's files into a folder.
  overrides: of `configs.py`, {data} standing for that folder.
  """

  title: str
  model: str
  batch: int
  data: Callable[[pathlib.Path], None]
  tools: dict[str, Span]
  overrides: tuple[str, ...] = ()
  unit: str = "examples"
  training: bool = True


KEPT = {  # What medfm.host sets for itself: glibc keeps freed memory.
  "MALLOC_MMAP_MAX_": "0",
  "MALLOC_TRIM_THRESHOLD_": "17179869184",
  "MALLOC_TOP_PAD_": "134217728",
  "MALLOC_ARENA_MAX": "1",
}
_PEERS = "benchmarks.peers"
TOOLS = {
  OURS: Tool("MedFM", "jax"),
  "torch": Tool("PyTorch", "torch", f"{_PEERS}.torch_training"),
  "torch_kept": Tool(
    "PyTorch, memory kept", "torch", f"{_PEERS}.torch_training", KEPT
  ),
  "keras_tf": Tool(
    "Keras on TensorFlow",
    "tensorflow-cpu",
    f"{_PEERS}.keras_training",
    {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
  ),
  "keras_jax": Tool(
    "Keras on JAX",
    "keras",
    f"{_PEERS}.keras_training",
    {"KERAS_BACKEND": "jax"},
  ),
  "medfm_loader": Tool("MedFM", "jax", "benchmarks.ours.loading"),
  "torch_loader": Tool("torch DataLoader", "torch", f"{_PEERS}.torch_loading"),
  "tf_data": Tool(
    "tf.data",
    "tensorflow-cpu",
    f"{_PEERS}.tf_loading",
    {"TF_CPP_MIN_LOG_LEVEL": "3"},
  ),
  "medfm_scores": Tool("MedFM", "numpy", "benchmarks.ours.scores"),
  "sklearn": Tool(
    "scikit-learn loop", "scikit-learn", f"{_PEERS}.sklearn_scores"
  ),
}


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


_CNN_PEERS = ("keras_tf", "keras_jax", "torch")
_RESNET_PEERS = ("torch", "torch_kept")
_JPEGS = functools.partial(
  inputs.images, count=1024, size=224, channels=3, suffix="jpg"
)
CASES = {
  "cnn_b32": _images(
    "CNN, 28 x 28 x 1, batch 32",
    "cnn", 32, 28, 1, _CNN_PEERS, Span(128, 1024, 64),
  ),
  "cnn_b128": _images(
    "CNN, 28 x 28 x 1, batch 128",
    "cnn", 128, 28, 1, _CNN_PEERS, Span(32, 256, 16),
  ),
  "resnet18_28": _images(
    "ResNet-18, 28 x 28 x 3, batch 32",
    "resnet", 32, 28, 3, _RESNET_PEERS, Span(10, 80, 10), 512,
  ),
  "resnet18_64": _images(
    "ResNet-18, 64 x 64 x 3, batch 32",
    "resnet", 32, 64, 3, _RESNET_PEERS, Span(5, 30, 5), 512,
  ),
  "mlp": _table("MLP, 30 columns, batch 128", "mlp", 128, Span(500, 5000, 250)),
  "transformer": _table(
    "Tabular transformer, 30 columns, batch 128",
    "transformer", 128, Span(20, 120, 10),
  ),
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
