import ast
import pathlib

import jax
import jax.numpy as jnp
import optax
import pytest

from medfm import optim, tree
from medfm.types import UserError

PARAMS = {"a": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
GOLDEN = pathlib.Path(__file__).parent / "golden"
GRADS = jax.tree.map(jnp.ones_like, PARAMS)


def updated(**settings):
  tx, _ = optim.optimizer(PARAMS, 10, **settings)
  updates, _ = tx.update(GRADS, tx.init(PARAMS), PARAMS)
  return optax.apply_updates(PARAMS, updates)["a"]


@pytest.mark.parametrize(
  ("name", "options"),
  [
    ("gradient_descent", {"momentum": 0.9}),
    ("adam", {}),
    ("adamw", {}),
    ("rmsprop", {"decay": 0.9}),
    ("lion", {}),
  ],
)
def test_a_named_optimizer_moves_as_optax_own(name, options):
  new = updated(name=name, lr=0.1, options=options)
  factory = getattr(optax, {"gradient_descent": "sgd"}.get(name, name))
  if name in ("adamw", "lion"):
    options = {"weight_decay": 0.0}
  own = factory(0.1, **options)
  updates, _ = own.update(GRADS, own.init(PARAMS), PARAMS)
  expected = optax.apply_updates(PARAMS, updates)["a"]
  assert jnp.allclose(new["kernel"], expected["kernel"], atol=1e-7)


def test_an_unknown_optimizer_names_the_nearest():
  with pytest.raises(UserError, match=r"'adma' \(nearest: adam"):
    updated(name="adma")


def test_an_unknown_option_names_the_nearest():
  with pytest.raises(UserError, match="no option 'momentun'"):
    updated(name="sgd", options={"momentun": 0.9})


def test_a_multiplier_of_zero_freezes():
  new = updated(name="adam", lr=0.1, lr_rules=(("bias", 0.0),))
  assert jnp.array_equal(new["bias"], PARAMS["a"]["bias"])
  assert not jnp.array_equal(new["kernel"], PARAMS["a"]["kernel"])


def test_a_multiplier_scales_the_step():
  new = updated(name="sgd", lr=0.1, lr_rules=(("bias", 0.5),))
  assert jnp.allclose(new["bias"], 0.95)
  assert jnp.allclose(new["kernel"], 0.9)


def test_a_rule_that_matches_nothing_is_an_error():
  with pytest.raises(UserError, match="decides no parameter"):
    updated(lr_rules=(("nowhere", 0.0),))


def test_weight_decay_spares_what_the_rules_name():
  new = updated(
    name="adamw", lr=0.1, weight_decay=0.5, decay_rules=(("bias", 0.0),)
  )
  plain = updated(name="adamw", lr=0.1)
  assert jnp.allclose(new["bias"], plain["bias"])
  assert jnp.allclose(new["kernel"], plain["kernel"] - 0.05)


def test_coupled_decay_is_added_to_the_gradient():
  new = updated(name="sgd", lr=0.1, weight_decay=0.5)
  assert jnp.allclose(new["kernel"], 1 - 0.1 * 1.5)


def test_gradients_are_clipped_to_the_norm():
  new = updated(name="sgd", lr=1.0, clip_norm=0.6)
  assert jnp.allclose(new["kernel"], 1 - 0.6 / 6**0.5)


def test_the_rate_drops_where_the_schedule_says():
  rate = optim.learning_rate(
    100, lr=1.0, schedule="steps", drops=(0.5, 0.75), drop_factor=0.1
  )
  found = [float(rate(k)) for k in (0, 49, 50, 74, 75, 99)]
  assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_rate_warms_up_and_falls_to_its_end():
  rate = optim.learning_rate(
    100, lr=1.0, schedule="cosine", warmup=0.1, end_factor=0.1
  )
  assert float(rate(0)) == 0
  assert float(rate(10)) == pytest.approx(1)
  assert float(rate(100)) == pytest.approx(0.1)


def test_an_unknown_schedule_is_refused():
  with pytest.raises(UserError, match="schedule='triangle': expected one of"):
    optim.learning_rate(10, lr=1.0, schedule="triangle")


def test_layers_nearer_the_input_learn_more_slowly():
  rules = optim.layerwise(groups=optim.transformer_layers(2), decay=0.5)
  leaf = jnp.zeros(())
  params = {
    "model": {
      "embed_tokens": {"embedding": leaf},
      "block0": {"norm1": {"scale": leaf}},
      "block1": {"norm1": {"scale": leaf}},
      "norm": {"scale": leaf},
      "head": {"bias": leaf},
    }
  }
  found = tree.paths(tree.select(params, (*rules, (".*", 1.0))))
  assert found == {
    "model/block0/norm1/scale": 0.25,
    "model/block1/norm1/scale": 0.5,
    "model/embed_tokens/embedding": 0.125,
    "model/head/bias": 1.0,
    "model/norm/scale": 1.0,
  }


SPARED = {
  "model": {
    "embed_tokens": {"embedding": 0.0},
    "positions": 0.0,
    "cls": 0.0,
    "table": {"scale": 0.0, "level": 0.0, "missing": 0.0, "missing_x": 0.0},
    "blocks": {"norm": {"scale": 0.0, "bias": 0.0}, "kernel": 0.5},
    "cell": {"hidden": 0.5, "hidden_bias": 0.0},
    "head": {"kernel": 0.5, "bias": 0.0},
    "own": 0.5,
    "own_scaling": 0.0,
  }
}
"""What decay of 0.5 takes from each leaf: those of `own` names have no rule."""


def _pulled(params, **settings):
  tx, _ = optim.optimizer(
    params, 10, name="adamw", lr=1.0, weight_decay=0.5, **settings
  )
  zero = jax.tree.map(jnp.zeros_like, params)
  updates, _ = tx.update(zero, tx.init(params), params)
  return jax.tree.map(lambda leaf: -float(leaf.min()), updates)


def test_decay_spares_norms_biases_and_embeddings_unless_told():
  # Stacked blocks give their norms a second axis.
  params = jax.tree.map(lambda _: jnp.ones((2, 3)), SPARED)
  params["model"]["own_scaling"] = jnp.ones(3)
  assert _pulled(params) == SPARED
  everything = _pulled(params, decay_rules=((".*", 1.0),))
  assert set(jax.tree.leaves(everything)) == {0.5}
  cell = _pulled(params, decay_rules=(("cell/", 1.0),))["model"].pop("cell")
  assert cell == {"hidden": 0.5, "hidden_bias": 0.5}


@pytest.mark.parametrize(
  "path", sorted(GOLDEN.glob("*.params.txt")), ids=lambda path: path.stem
)
def test_what_decays_of_each_config_is_a_matrix_that_multiplies(path):
  words = [line.split(None, 1) for line in path.read_text().splitlines()]
  shapes = {
    name: ast.literal_eval(shape[: shape.index(")") + 1])
    for name, shape in words
    if shape.startswith("(")
  }
  params = {n: jax.ShapeDtypeStruct(s, jnp.float32) for n, s in shapes.items()}
  decayed = optim._decayed(params, ())
  last = {name.rpartition("/")[2] for name, falls in decayed.items() if falls}
  assert "kernel" in last
  assert last <= {"kernel", "hidden", "prototypes", "a", "b"}
  assert all(falls for name, falls in decayed.items() if "kernel" in name)
