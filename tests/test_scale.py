"""One run on one, two, four and eight devices, however they are arranged."""

import functools

import jax
import numpy as np
import pytest

from medfm import mesh as meshes
from medfm import optim, settings, setup, train, tree
from medfm import step as steps
from medfm.data import loader
from medfm.models import tabular_transformer
from medfm.objectives import classify
from medfm.types import Dataset, Split, UserError
from tests import infos

MODEL = functools.partial(
  tabular_transformer.TabularTransformer, width=16, depth=1, heads=4, hidden=8
)
ROWS = 40


def arranged(data, fsdp, tensor):
  """A mesh of the first devices; a config's takes all there are."""
  return lambda: jax.make_mesh(
    (data, fsdp, tensor),
    meshes.AXES,
    axis_types=(jax.sharding.AxisType.Auto,) * 3,
    devices=jax.devices()[: data * fsdp * tensor],
  )


def dataset():
  generator = np.random.default_rng(0)
  features = generator.standard_normal((ROWS, 5)).astype(np.float32)
  label = (features.sum(1) > 0).astype(np.int32)
  info = infos.info(
    "toy",
    "multiclass",
    classes=("no", "yes"),
    counts=tuple(np.bincount(label)),
    numeric=tuple("abcde"),
    numeric_mean=(0.0,) * 5,
    numeric_std=(1.0,) * 5,
  )
  ids = np.arange(ROWS).astype(str)
  split = Split({"features": features, "label": label}, ids)
  return Dataset({"train": split}, info, {"fingerprint": "toy"})


def job(arrangement, steps=100, **choices):
  """Of 18 rows a step: no number of devices divides them."""
  data, fsdp, tensor = arrangement
  devices = {"sharding": ("transformer",) if tensor > 1 else ()}
  for name in ("sharding", "parallel", "resident"):
    if name in choices:
      devices[name] = choices.pop(name)
  objective = functools.partial(classify.multiclass, model=MODEL)
  run = settings.Run(
    data=lambda folders: dataset(),
    objective=choices.pop("objective", objective),
    optimizer=functools.partial(optim.optimizer, lr=1e-3),
    batch_size=18,
    steps=steps,
    schedule=settings.Schedule(
      log_every=1, checkpoint_every=80, evaluate_every=100
    ),
    devices=settings.Devices(mesh=arranged(data, fsdp, tensor), **devices),
    **choices,
  )
  return setup.job(run, dataset())


def losses(arrangement, steps):
  one = job(arrangement, steps)
  state, found = one.initial(), []
  for k in range(steps):
    batch = setup.placed(one.model, one.batches[k])
    state, scalars = one.step(state, batch)
    found.append(float(scalars["loss"]))
  return np.array(found)


@pytest.fixture(scope="module")
def alone():
  return losses((1, 1, 1), 100)


@pytest.mark.parametrize(
  "arrangement",
  [
    pytest.param(sizes, marks=() if sizes == (2, 2, 2) else pytest.mark.slow)
    for sizes in (
      (8, 1, 1),
      (1, 8, 1),
      (1, 1, 4),
      (2, 2, 2),
    )
  ],
)
def test_a_run_learns_the_same_on_any_mesh(arrangement, alone):
  found = losses(arrangement, 100)
  np.testing.assert_allclose(found[0], alone[0], rtol=1e-6)
  np.testing.assert_allclose(found, alone, rtol=1e-4)


def held(arrangement):
  """Bytes of parameters and optimizer state on the first device."""
  state = job(arrangement).initial()
  leaves = jax.tree.leaves((state.params, state.opt_state))
  device = jax.devices()[0]
  return sum(
    shard.data.nbytes
    for leaf in leaves
    for shard in leaf.addressable_shards
    if shard.device == device
  )


def test_a_device_holds_less_the_longer_the_fsdp_axis():
  whole, halves, quarters, eighths = (held((1, n, 1)) for n in (1, 2, 4, 8))
  assert held((8, 1, 1)) == whole
  assert halves < 0.55 * whole
  assert quarters < 0.30 * whole
  assert eighths < 0.20 * whole


def test_the_transformers_rules_split_its_blocks_over_both_axes():
  params = job((1, 2, 4)).abstract.params
  placed = {
    path.partition("block0/")[2]: tuple(leaf.sharding.spec)
    for path, leaf in tree.paths(params).items()
    if "block0/" in path and "norm" not in path
  }
  assert placed == {
    "attention/qkv/kernel": ("fsdp", None, "tensor", None),
    "attention/qkv/bias": (None, "tensor", None),
    "attention/out/kernel": ("tensor", None, "fsdp"),
    "attention/out/bias": ("fsdp",),
    "mlp/in/kernel": ("fsdp", "tensor"),
    "mlp/in/bias": ("tensor",),
    "mlp/out/kernel": ("tensor", "fsdp"),
    "mlp/out/bias": ("fsdp",),
  }


def test_dots_in_a_rule_stand_for_the_axes_that_scanned_layers_add():
  leaf = jax.ShapeDtypeStruct((6, 4, 8), np.float32)
  rules = ((r"kernel", ("...", "", "tensor")),)
  place = meshes.shardings({"kernel": leaf}, arranged(1, 1, 2)(), rules)
  assert tuple(place["kernel"].spec) == (None, None, "tensor")


def test_an_axis_that_does_not_divide_is_named():
  model = functools.partial(MODEL, hidden=7)
  objective = functools.partial(classify.multiclass, model=model)
  with pytest.raises(UserError, match="tensor=2 does not divide the 7 of"):
    job((1, 1, 2), objective=objective)
  leaf = jax.ShapeDtypeStruct((7,), np.float32)
  place = meshes.shardings({"b": leaf}, arranged(1, 2, 1)(), ())
  assert place["b"].is_fully_replicated


def test_a_name_that_no_rules_have_is_refused():
  with pytest.raises(
    UserError, match=r"sharding=.*expected one of transformer"
  ):
    job((1, 1, 2), sharding=("transformers",))


@pytest.mark.parametrize(
  "devices", [pytest.param(1, marks=pytest.mark.slow), 4]
)
def test_a_run_saved_on_eight_devices_goes_on_with_fewer(
  tmp_path, devices, alone
):
  train.train(job((2, 4, 1), 80), tmp_path, "run", None)
  train.train(job((1, devices, 1), 100), tmp_path, "run", None)
  found = [line["loss"] for line in train.log.read(tmp_path / "metrics.jsonl")]
  np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_a_mesh_gives_the_rows_of_its_devices():
  mesh = arranged(2, 2, 2)()
  np.testing.assert_array_equal(meshes.share(mesh, 8), np.arange(8))
  own = {"x": np.arange(24.0).reshape(8, 3)}
  whole = meshes.assembled(own, np.arange(8), mesh, 8)
  np.testing.assert_array_equal(whole["x"], own["x"])
  assert whole["x"].sharding == meshes.rows(mesh)


@pytest.mark.parametrize("transforms", [(), (lambda e, g: e,)])
def test_shares_of_a_batch_make_up_the_batch(transforms):
  split = dataset().splits["train"]
  asked = {
    "batch_size": 18,
    "steps": 6,
    "seed": 0,
    "transforms": transforms,
  }
  whole = loader.batches(split, **asked)
  places = np.arange(24)
  shares = [
    loader.batches(split, share=share, **asked)
    for share in (
      places[(places // 6) % 2 == 0],
      places[(places // 6) % 2 == 1],
    )
  ]
  for k in range(6):
    built = [batch[k] for batch in shares]
    assert [len(batch["id"]) for batch in built] == [12, 12]
    for name, array in whole[k].items():
      both = np.empty((24, *array.shape[1:]), array.dtype)
      for batch, share in zip(built, shares, strict=True):
        both[share.share] = batch[name]
      n = int(whole[k]["weight"].sum())
      np.testing.assert_array_equal(both[:n], array[:n])
      if name in ("weight", "id"):
        np.testing.assert_array_equal(both[n:18], array[n:])


def test_evaluation_builds_a_share_of_every_batch():
  split = dataset().splits["train"]
  share = np.arange(9, 18)
  batches = list(loader.in_order(split, 18, share))
  ids = np.concatenate([batch["id"] for batch in batches])
  assert [*ids] == [*range(9, 18), *range(27, 36), *[-1] * 9]
  assert batches[-1]["weight"].sum() == 0
  np.testing.assert_array_equal(
    batches[-1]["features"], np.repeat(split.arrays["features"][36:37], 9, 0)
  )


def test_several_processes_are_no_pmap(monkeypatch):
  monkeypatch.setattr(jax, "process_count", lambda: 2)
  with pytest.raises(UserError, match="works in one process only; choose jit"):
    job((1, 1, 1), parallel="pmap")


def shifted(batch, info, keys):
  drawn = jax.vmap(lambda key: jax.random.normal(key, (5,)))(keys)
  assert info.name == "toy"
  return {**batch, "features": batch["features"] + drawn}


def test_a_run_augments_in_training_alone():
  plain, moved = (job((1, 1, 1), augment=each) for each in (None, shifted))
  seen, predicted = [], []
  for made in (plain, moved):
    model, state = made.model, made.initial()
    variables = steps.variables(state)
    predicted.append(setup.predictions(model, variables, made.split)["probs"])
    batch = setup.placed(model, made.batches[0])
    seen.append(float(made.step(state, batch)[1]["loss"]))
  np.testing.assert_array_equal(*predicted)
  assert abs(seen[0] - seen[1]) > 1e-3
