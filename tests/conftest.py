"""Settings of jax for every test, and fixtures any test may ask for."""

import gc
import os
import pathlib
import tempfile

# Before numpy and jax are imported. As many tests run side by side as there are
# cores: threads of BLAS would only wait for each other, in small fits for most
# of their time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)

import jax
import pytest

from medfm.types import Folders
from tests.launching import launched  # noqa: F401  A fixture for all.

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_CACHE = pathlib.Path(
  os.environ.get("XDG_CACHE_HOME", tempfile.gettempdir()), "medfm-tests"
)

jax.config.update("jax_compilation_cache_dir", str(_CACHE / "compiled"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_disable_most_optimizations", True)


_ONCE = {
  "augment", "benchmarks", "cohorts", "data", "docs", "evals", "explain",
  "grid", "metrics", "models", "objectives", "report", "slurm", "tasks",
  "test_annotations.py", "test_golden.py", "test_imports.py",
  "test_nothing_runs.py", "test_own_masks.py", "test_own_volumes.py",
  "test_task_names.py", "test_tutorial.py", "weights",
}  # fmt: skip
"""Folders and files whose tests run on one Python alone. What stays for every
Python, contracts and whole runs, goes through most of the same code."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
  """Long tests and whole runs begin first: none is left alone at the end."""
  here = pathlib.Path(__file__).parent
  for item in items:
    if item.path.relative_to(here).parts[0] in _ONCE:
      item.add_marker(pytest.mark.once)
  items.sort(
    key=lambda item: (
      item.get_closest_marker("slow") is None,
      item.path.parent != here,
    )
  )


def pytest_collection_finish() -> None:
  """What has been imported stays, and need not be looked through again."""
  gc.collect()
  gc.freeze()


@pytest.fixture(scope="session")
def data_dir() -> pathlib.Path:
  """The folder of real data; the test is skipped where there is none."""
  path = pathlib.Path(
    os.environ.get("MEDFM_DATA_DIR", _ROOT.parent / "shared" / "data")
  )
  if not path.is_dir():
    pytest.skip("no real data on this machine (MEDFM_DATA_DIR)")
  return path


@pytest.fixture
def folders(data_dir, tmp_path) -> Folders:
  """The real raw files and a cache of the test's own."""
  return Folders(raw=str(data_dir), cache=str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def shared_cache() -> str:
  """A cache of prepared data and compiled programs that all tests share.

  For this process's runs and, as MEDFM_CACHE_DIR, for those they start.
  """
  return str(_CACHE / "data")


@pytest.fixture(scope="session")
def shared_folders(data_dir, shared_cache) -> Folders:
  """The real raw files and the cache that all tests share."""
  return Folders(raw=str(data_dir), cache=shared_cache)


@pytest.fixture(scope="session")
def regression_run(tmp_path_factory, shared_folders) -> pathlib.Path:
  """A finished run of linear_regression.py:tiny, to be read or copied."""
  from tests.running import run

  place = tmp_path_factory.mktemp("regression") / "a:b"
  run("linear_regression.py:tiny", place, shared_folders)
  return place


@pytest.fixture
def undrawn(monkeypatch) -> None:
  """Figures are composed but not rendered, which takes most of their time."""
  from medfm.report import style

  monkeypatch.setattr(style, "png", lambda figure: b"not drawn")
