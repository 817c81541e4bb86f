import jax.numpy as jnp
import pytest

from medfm import tree
from medfm.types import UserError

TREE = {"model": {"head": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}}}


def test_paths_name_every_leaf():
  assert list(tree.paths(TREE)) == ["model/head/bias", "model/head/kernel"]


def test_the_first_rule_that_matches_decides():
  chosen = tree.select(TREE, [("bias$", 0), ("head", 1), (".*", 2)])
  assert tree.paths(chosen) == {"model/head/bias": 0, "model/head/kernel": 1}


def test_a_rule_that_decides_nothing_is_an_error():
  with pytest.raises(UserError, match="'tail' decides no parameter"):
    tree.select(TREE, [("tail", 0), (".*", 1)])


def test_a_leaf_without_a_rule_is_an_error():
  with pytest.raises(UserError, match="model/head/bias"):
    tree.select(TREE, [("kernel", 0)])


def test_count_adds_up_all_scalars():
  assert tree.count(TREE) == 9
