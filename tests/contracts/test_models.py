"""What every model owes the rest; each model of medfm/models is in CASES."""

import dataclasses
import functools
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import medfm.models
from medfm import tree
from medfm.models.bert import Bert
from medfm.models.cnn import CNN
from medfm.models.fusion import Fusion
from medfm.models.gpt import GPT
from medfm.models.linear import Linear
from medfm.models.mil import MIL
from medfm.models.mlp import MLP
from medfm.models.resnet import ResNet
from medfm.models.rnn import RNN
from medfm.models.tabular_transformer import TabularTransformer
from medfm.models.two_towers import TwoTowers
from medfm.models.unet import UNet
from medfm.models.vit import ViT

ROWS, OUTPUTS = 4, 3
_RESNET = functools.partial(ResNet, depth=10, width=4)
_TRANSFORMER = functools.partial(TabularTransformer, width=8, heads=2, depth=1)
_TEXT = {"vocabulary": 11, "width": 8, "depth": 2}
_BERT = functools.partial(Bert, heads=2, length=6, **_TEXT)
_GPT = functools.partial(GPT, heads=2, length=6, **_TEXT)


@dataclasses.dataclass(frozen=True)
class Case:
  model: functools.partial
  kind: str
  batch_norm: bool = False
  drops: bool = False


CASES = {
  "cnn": Case(
    functools.partial(
      CNN, widths=(4, 6), hidden=5, dropout=0.2, activation="gelu"
    ),
    "image",
    drops=True,
  ),
  "cnn sigmoid, no dense layer": Case(
    functools.partial(CNN, widths=(4,), hidden=0, activation="sigmoid"),
    "image",
  ),
  "resnet batch norm": Case(
    functools.partial(_RESNET, stem="imagenet"), "image", batch_norm=True
  ),
  "resnet group norm": Case(functools.partial(_RESNET, norm="group"), "image"),
  "resnet of volumes": Case(
    functools.partial(_RESNET, norm="group"), "image volume"
  ),
  "resnet bottleneck": Case(
    functools.partial(ResNet, depth=14, width=4, norm="group"), "image"
  ),
  "linear": Case(
    functools.partial(Linear, levels=(2, 3), indicate_missing=True), "table"
  ),
  "linear without categories": Case(functools.partial(Linear), "numeric"),
  "mlp": Case(
    functools.partial(MLP, levels=(2, 3), widths=(8, 6), dropout=0.2),
    "table",
    drops=True,
  ),
  "tabular transformer": Case(
    functools.partial(_TRANSFORMER, levels=(2, 3)), "masked table", drops=True
  ),
  "tabular transformer without features": Case(
    functools.partial(_TRANSFORMER, levels=(2, 3)), "categories", drops=True
  ),
  "tabular transformer without categories": Case(
    _TRANSFORMER, "numeric", drops=True
  ),
  "bert": Case(_BERT, "text", drops=True),
  "bert pre-norm": Case(
    functools.partial(_BERT, pre_norm=True, pooling="mean", scan_layers=True),
    "text",
    drops=True,
  ),
  "gpt": Case(_GPT, "text", drops=True),
  "gpt modern": Case(
    functools.partial(_GPT, rotary=True, norm="rms", gated=True, remat=True),
    "text",
    drops=True,
  ),
  "rnn": Case(functools.partial(RNN, **_TEXT), "text", drops=True),
  "rnn gru": Case(
    functools.partial(
      RNN, cell="gru", bidirectional=False, pooling="last", **_TEXT
    ),
    "text",
    drops=True,
  ),
  "fusion": Case(
    functools.partial(
      Fusion,
      encoders={
        "table": functools.partial(MLP, widths=(6,)),
        "scan": functools.partial(CNN, widths=(4,), hidden=5),
        "notes": _BERT,
      },
      inputs={"table": {"levels": (2, 3)}, "scan": {}, "notes": {}},
      width=7,
      hide=0.2,
      dropout=0.2,
    ),
    "fused",
    drops=True,
  ),
  "two towers": Case(
    functools.partial(
      TwoTowers,
      encoders={
        "scan": functools.partial(CNN, widths=(4,), hidden=5),
        "notes": _GPT,
      },
      inputs={"scan": {}, "notes": {}},
      width=7,
    ),
    "picture and text",
    drops=True,
  ),
  "mil gated": Case(
    functools.partial(MIL, width=8, hidden=4, dropout=0.2), "bag", drops=True
  ),
  "mil attention": Case(
    functools.partial(MIL, pooling="attention", width=8, hidden=4), "bag"
  ),
  "mil mean": Case(functools.partial(MIL, pooling="mean", width=8), "bag"),
  "mil max": Case(functools.partial(MIL, pooling="max", width=8), "bag"),
  "vit": Case(
    functools.partial(ViT, patch=4, width=8, depth=2, heads=2, dropout=0.1),
    "small image",
    drops=True,
  ),
  "vit of visible patches": Case(
    functools.partial(
      ViT, patch=(2, 4), width=8, depth=1, heads=2, pooling="mean"
    ),
    "visible patches",
  ),
  "vit of volumes": Case(
    functools.partial(
      ViT, patch=(1, 4, 4), width=8, depth=1, heads=2, dropout=0.1
    ),
    "volume",
    drops=True,
  ),
}


def _batch(kind):
  """A toy batch in which everything a model reads occurs."""
  generator = np.random.default_rng(0)
  features = generator.standard_normal((ROWS, 3)).astype("float32")
  features[1, 0] = features[2, 1] = features[0, 2] = np.nan
  arrays = {
    "image": generator.standard_normal((ROWS, 10, 11, 2)).astype("float32"),
    "features": features,
    "categories": np.array([[0, 2], [1, -1], [-1, 0], [0, 1]], "int32"),
    "mask_features": np.eye(ROWS, 5, dtype=bool),
    "tokens": generator.integers(1, 11, (ROWS, 6)).astype("int32"),
    "segment": np.array(
      [[1] * 6, [1] * 4 + [0] * 2, [1] * 3 + [0] * 3, [1] * 2 + [2] * 4],
      "int32",
    ),
    "positions": np.array([[*range(6)]] * 3 + [[0, 1, 0, 1, 2, 3]], "int32"),
    "token_type": np.array([[0, 0, 0, 1, 1, 1]] * ROWS, "int32"),
  }
  keys = {
    "image": ["image"],
    "numeric": ["features"],
    "categories": ["categories"],
    "table": ["features", "categories"],
    "masked table": ["features", "categories", "mask_features"],
    "text": ["tokens", "segment", "positions", "token_type"],
  }.get(kind, [])
  shared = {"weight": np.ones(ROWS, "float32"), "id": np.arange(ROWS) + 5}
  if kind == "bag":
    bag = generator.standard_normal((ROWS, 5, 6)).astype("float32")
    size = np.array([5, 2, 4, 1], "int32")
    return {"bag": bag, "bag/size": size} | shared
  if kind == "small image":
    return {"image": arrays["image"][:, :8, :8]} | shared
  if kind == "visible patches":
    order = np.stack([generator.permutation(8)[:3] for _ in range(ROWS)])
    return {"image": arrays["image"][:, :8, :8], "visible": order} | shared
  if kind == "image volume":
    volume = generator.standard_normal((ROWS, 10, 9, 9, 1))
    return {"image": volume.astype("float32")} | shared
  if kind == "volume":
    volume = generator.standard_normal((ROWS, 2, 8, 4, 1))
    return {"volume": volume.astype("float32")} | shared
  if kind == "fused":
    return _fused(arrays) | shared
  if kind == "picture and text":
    told = {k: v for k, v in _fused(arrays).items() if "table" not in k}
    return {k: v for k, v in told.items() if "present" not in k} | shared
  return {key: arrays[key] for key in keys} | shared


def _fused(arrays):
  """Three inputs side by side; each is missing somewhere."""
  inputs = {
    "table": ["features", "categories"],
    "scan": ["image"],
    "notes": ["tokens", "segment", "positions"],
  }
  batch = {
    f"{name}/{key}": arrays[key]
    for name, keys in inputs.items()
    for key in keys
  }
  for row, name in enumerate(inputs):
    batch[f"{name}/present"] = np.arange(ROWS) != row
  return batch


@functools.cache
def _programs(name, dtype="float32"):
  """Variables of a case, and its jitted forward pass and gradient."""
  case = CASES[name]
  model = case.model(outputs=OUTPUTS, dtype=dtype)
  variables = jax.jit(model.init)(jax.random.key(0), _batch(case.kind))

  @functools.partial(jax.jit, static_argnames="train")
  def run(variables, batch, train=False):
    if not train:
      return model.apply(variables, batch), {}
    return model.apply(
      variables,
      batch,
      train=True,
      mutable=["batch_stats"],
      rngs={"dropout": jax.random.key(1)},
    )

  return variables, run


# The tests of a case share its programs, so they stay in one process.
@pytest.fixture(
  params=[
    pytest.param(name, marks=pytest.mark.xdist_group(f"model {name}"))
    for name in CASES
  ]
)
def name(request):
  return request.param


def _close(a, b, rows=slice(None)):
  for key in b:
    np.testing.assert_allclose(
      a[key][rows], b[key][rows], atol=1e-4, err_msg=key
    )


def _altered(batch, row):
  """The batch with other content in one row, but the same name."""
  other = dict(batch)
  for key in set(batch) - {"weight", "id"}:
    array = np.array(batch[key])
    array[row] = array[(row + 1) % ROWS]
    other[key] = array
  return other


def test_every_model_has_a_case():
  covered = {case.model.func for case in CASES.values()}
  covered.add(UNet)  # Gives logits for each place: tests/models/test_unet.py.
  for module in pkgutil.iter_modules(medfm.models.__path__):
    found = importlib.import_module(f"medfm.models.{module.name}")
    for item in vars(found).values():
      own = getattr(item, "__module__", "") == found.__name__
      if own and isinstance(item, type) and issubclass(item, nn.Module):
        fields = {field.name for field in dataclasses.fields(item)}
        assert "outputs" not in fields or item in covered, item


def test_results_have_the_promised_shapes(name):
  variables, run = _programs(name)
  result, _ = run(variables, _batch(CASES[name].kind))
  assert result["logits"].shape == (ROWS, OUTPUTS)
  assert result["embedding"].shape[0] == ROWS
  assert result["embedding"].ndim == 2
  if CASES[name].kind == "text":
    width = result["embedding"].shape[1]
    assert result["tokens"].shape == (ROWS, 6, width)
  if "transformer" in name:
    width = result["embedding"].shape[1]
    columns = _batch(CASES[name].kind)
    total = sum(
      columns[key].shape[1]
      for key in ("features", "categories")
      if key in columns
    )
    assert result["tokens"].shape == (ROWS, total, width)
  assert {array.dtype for array in result.values()} == {jnp.dtype("float32")}


def test_without_outputs_there_is_no_head(name):
  model = CASES[name].model(outputs=0)
  batch = _batch(CASES[name].kind)
  result, variables = jax.eval_shape(
    lambda key: model.init_with_output(key, batch), jax.random.key(0)
  )
  assert "logits" not in result
  assert "head" not in variables.get("params", {})


def test_the_same_call_gives_the_same_result(name):
  variables, run = _programs(name)
  batch = _batch(CASES[name].kind)
  for train in (False, True):
    first, _ = run(variables, batch, train=train)
    second, _ = run(variables, batch, train=train)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_row_says_nothing_about_the_others(name):
  variables, run = _programs(name)
  batch = _batch(CASES[name].kind)
  others = np.array([0, 1, 3])
  for train in {False, not CASES[name].batch_norm}:
    plain, _ = run(variables, batch, train=train)
    changed, _ = run(variables, _altered(batch, 2), train=train)
    _close(changed, plain, others)


def test_a_row_decides_its_own_result(name):
  variables, run = _programs(name)
  if name.startswith("linear"):  # Linear models start at zero.
    variables = jax.tree.map(jnp.ones_like, variables)
  batch = _batch(CASES[name].kind)
  plain, _ = run(variables, batch)
  changed, _ = run(variables, _altered(batch, 2))
  assert (plain["logits"][2] != changed["logits"][2]).any()


def test_padding_changes_nothing(name):
  variables, run = _programs(name)
  batch = _batch(CASES[name].kind)
  batch["weight"] = np.array([1, 1, 0, 1], "float32")
  others = np.array([0, 1, 3])
  plain, updates = run(variables, batch, train=True)
  changed, other_updates = run(variables, _altered(batch, 2), train=True)
  _close(changed, plain, others)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
    updates,
    other_updates,
  )


def test_order_in_the_batch_changes_nothing(name):
  variables, run = _programs(name)
  batch = _batch(CASES[name].kind)
  turned = {key: array[::-1] for key, array in batch.items()}
  plain, _ = run(variables, batch, train=True)
  result, _ = run(variables, turned, train=True)
  _close({key: array[::-1] for key, array in result.items()}, plain)


def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(name):
  variables, run = _programs(name)
  batch = _batch(CASES[name].kind)
  label = jax.nn.one_hot(np.arange(ROWS) % OUTPUTS, OUTPUTS)

  @jax.jit
  def gradient(params):
    def loss(params):
      # Tokens count too: without them the last block's have no reader.
      result, _ = run({**variables, "params": params}, batch, train=True)
      tokens = jnp.square(result.get("tokens", jnp.zeros(()))).sum()
      return ((result["logits"] - label) ** 3).sum() + 0.1 * tokens

    return jax.grad(loss)(params)

  for path, leaf in tree.paths(gradient(variables["params"])).items():
    if path.endswith("mask") and "mask_features" not in batch:
      continue  # Only masked pre-training reads the mask token.
    assert np.isfinite(leaf).all(), path
    assert np.any(leaf), path


def test_bfloat16_keeps_parameters_and_logits_in_float32(name):
  variables, run = _programs(name, dtype="bfloat16")
  result, _ = run(variables, _batch(CASES[name].kind))
  expected, _ = _programs(name)[1](variables, _batch(CASES[name].kind))
  assert result["logits"].dtype == jnp.float32
  kinds = {leaf.dtype for leaf in jax.tree.leaves(variables)}
  assert kinds == {jnp.dtype("float32")}
  scale = max(1, float(jnp.abs(expected["logits"]).max()))
  np.testing.assert_allclose(
    result["logits"] / scale, expected["logits"] / scale, atol=0.1
  )
