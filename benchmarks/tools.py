"""The programs that run cases: MedFM's own, and the peers'."""

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = "medfm"


@dataclasses.dataclass(frozen=True)
class Tool:
  """One program that can run cases.

  title: in tables. module: run as `python -m`; "" is MedFM's launch.py.
  packages: the distributions that must be installed; the first one's version
    is shown. options: further words of its command line.
  without: launch.py with this choice of `nn.backend` refused.
  compiles: keeps compiled programs, so that a start without them is measured
    as well.
  """

  title: str
  packages: tuple[str, ...]
  module: str = ""
  environment: dict[str, str] = dataclasses.field(default_factory=dict)
  options: tuple[str, ...] = ()
  compiles: bool = False
  without: str = ""


KEPT = {  # What medfm.host sets for itself: glibc keeps freed memory.
  "MALLOC_MMAP_MAX_": "0",
  "MALLOC_TRIM_THRESHOLD_": "17179869184",
  "MALLOC_TOP_PAD_": "134217728",
  "MALLOC_ARENA_MAX": "1",
}
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
_PEERS, _OURS = "benchmarks.peers", "benchmarks.ours"
_TORCH = f"{_PEERS}.torch_training"
_SIMCLR = f"{_PEERS}.torch_simclr"
_HF = f"{_PEERS}.transformers_training"
_MAE = f"{_PEERS}.transformers_mae"
_HF_PACKAGES = ("transformers", "torch")


def _transformers(title: str, *options: str, **environment: str) -> Tool:
  title = ", ".join(filter(None, ("transformers on PyTorch", title)))
  return Tool(title, _HF_PACKAGES, _HF, environment, options)


def _monai(title: str, module: str, *options: str, **environment: str) -> Tool:
  packages = ("monai", "torch", "nibabel")
  title = ", ".join(filter(None, ("MONAI", title)))
  return Tool(title, packages, f"{_PEERS}.{module}", environment, options)


def _without(title: str, **settings) -> Tool:
  return Tool(f"MedFM, {title}", ("jax",), **settings)


TOOLS = {
  OURS: Tool("MedFM", ("jax",), compiles=True),
  "medfm_given_back": _without(
    "memory given back", environment={"MEDFM_KEEP_FREED_MEMORY": "0"}
  ),
  "medfm_pool": _without("XLA's pooling gradient", without="pool_by_index"),
  "medfm_conv": _without("XLA's convolutions", without="conv_as_dot"),
  "medfm_ynnpack": _without(
    "YNNPACK's convolutions", without="eigen_convolutions"
  ),
  "medfm_planes": _without(
    "single planes of 3-D convolutions", without="planes_by_pairs"
  ),
  "medfm_order": _without("XLA's order of operations", without="least_memory"),
  "medfm_scan": _without("XLA's gradient of the scan", without="lstm_by_hand"),
  "medfm_products": _without(
    "XLA's products", options=("--config.devices.onednn=false",)
  ),
  "torch": Tool("PyTorch", ("torch",), _TORCH),
  "torch_kept": Tool("PyTorch, memory kept", ("torch",), _TORCH, KEPT),
  "keras_tf": Tool(
    "Keras on TensorFlow",
    ("tensorflow-cpu", "keras"),
    f"{_PEERS}.keras_training",
    {"KERAS_BACKEND": "tensorflow", **_QUIET},
  ),
  "keras_jax": Tool(
    "Keras on JAX",
    ("keras", "jax"),
    f"{_PEERS}.keras_training",
    {"KERAS_BACKEND": "jax"},
  ),
  "transformers": _transformers(""),
  "transformers_kept": _transformers("memory kept", **KEPT),
  "transformers_masked": _transformers(
    "logits at masked places alone", "--masked"
  ),
  "transformers_bf16": _transformers("bf16 autocast", "--bf16"),
  "transformers_bf16_masked": _transformers(
    "bf16 autocast, logits at masked places alone", "--bf16", "--masked"
  ),
  "transformers_mae": Tool("transformers on PyTorch", _HF_PACKAGES, _MAE),
  "transformers_mae_kept": Tool(
    "transformers on PyTorch, memory kept", _HF_PACKAGES, _MAE, KEPT
  ),
  "torch_simclr": Tool("PyTorch", ("torch",), _SIMCLR),
  "torch_simclr_kept": Tool("PyTorch, memory kept", ("torch",), _SIMCLR, KEPT),
  "monai": _monai("", "monai_training"),
  "monai_last": _monai("channels last", "monai_training", "--last"),
  "monai_kept": _monai("memory kept", "monai_training", **KEPT),
  "monai_alike": _monai("MedFM's decoder", "monai_training", "--alike"),
  "medfm_windows": Tool("MedFM", ("jax",), f"{_OURS}.windows", compiles=True),
  "monai_windows": _monai("", "monai_windows"),
  "monai_windows_last": _monai("channels last", "monai_windows", "--last"),
  "monai_windows_kept": _monai("memory kept", "monai_windows", **KEPT),
  "monai_windows_alike": _monai("MedFM's decoder", "monai_windows", "--alike"),
  "medfm_volumes": Tool("MedFM", ("jax",), f"{_OURS}.volumes"),
  "monai_volumes": _monai("", "monai_volumes"),
  "monai_volumes_plain": _monai("without metadata", "monai_volumes", "--plain"),
  "monai_volumes_workers": _monai(
    "without metadata, two workers", "monai_volumes", "--plain", "--workers"
  ),
  "medfm_generation": Tool(
    "MedFM", ("jax",), f"{_OURS}.generation", compiles=True
  ),
  "transformers_generation": Tool(
    "transformers on PyTorch",
    _HF_PACKAGES,
    f"{_PEERS}.transformers_generation",
  ),
  "medfm_resident": Tool("MedFM, bf16", ("jax",), f"{_OURS}.resident"),
  "torch_resident": Tool(
    "PyTorch, compiled, bf16",
    ("torch", "transformers"),
    f"{_PEERS}.torch_resident",
  ),
  "medfm_loader": Tool("MedFM", ("jax",), f"{_OURS}.loading"),
  "medfm_resident_loader": Tool(
    "MedFM, on the device",
    ("jax",),
    f"{_OURS}.loading",
    options=("--resident",),
  ),
  "torch_loader": Tool(
    "torch DataLoader", ("torch",), f"{_PEERS}.torch_loading"
  ),
  "tf_data": Tool(
    "tf.data", ("tensorflow-cpu",), f"{_PEERS}.tf_loading", _QUIET
  ),
  "medfm_scores": Tool("MedFM", ("numpy",), f"{_OURS}.scores"),
  "sklearn": Tool(
    "scikit-learn loop", ("scikit-learn",), f"{_PEERS}.sklearn_scores"
  ),
}
