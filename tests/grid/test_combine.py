import pytest

from medfm.grid import combine
from medfm.types import UserError


def test_a_product_has_every_value_with_every_other():
  found = combine.product({"a": (1, 2)}, {"b": ("x", "y")})
  assert [tuple(one.values()) for one in found] == [
    (1, "x"),
    (1, "y"),
    (2, "x"),
    (2, "y"),
  ]


def test_keys_of_one_dict_multiply_too():
  assert len(combine.product({"a": (1, 2), "b": (1, 2, 3)})) == 6


def test_a_product_takes_a_text_as_one_value():
  assert combine.product({"config": "ab"}) == [{"config": "ab"}]


def test_zipped_values_go_along_with_each_other():
  found = combine.zipped({"a": (1, 2), "b": (3, 4)})
  assert found == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]


def test_zipped_parts_of_different_lengths_are_refused():
  with pytest.raises(UserError, match="different lengths"):
    combine.zipped({"a": (1, 2)}, {"b": (3,)})


def test_a_chain_is_one_part_after_the_other():
  found = combine.chain({"a": (1,)}, [{"b": 2}])
  assert found == [{"a": 1}, {"b": 2}]


def test_seeds_count_from_zero_under_any_key():
  assert combine.seeds(2, "stages.*.seed") == [
    {"stages.*.seed": 0},
    {"stages.*.seed": 1},
  ]


def test_a_key_set_by_two_parts_is_refused():
  with pytest.raises(UserError, match="two parts of a grid set a"):
    combine.product({"a": (1,)}, {"a": (2,)})


def test_a_sweep_divides_lists_at_their_commas():
  found = combine.sweep(["optimizer.lr=1e-4,1e-3", "seed=1"])
  assert found == [
    {"optimizer.lr": "1e-4", "seed": "1"},
    {"optimizer.lr": "1e-3", "seed": "1"},
  ]


def test_a_sweep_leaves_commas_in_brackets_and_quotes_alone():
  found = combine.sweep(["widths=(16,),(32,16)", "name='a,b'"])
  assert [one["widths"] for one in found] == ["(16,)", "(32,16)"]
  assert found[0]["name"] == "'a,b'"


RANGES = {"lr": combine.Between(1e-5, 1e-1, log=True), "name": ("a", "b")}


def test_a_random_search_stays_within_its_ranges():
  found = combine.sampled(50, RANGES)
  assert all(1e-5 <= one["lr"] <= 1e-1 for one in found)
  assert {one["name"] for one in found} == {"a", "b"}
  assert sum(one["lr"] < 1e-3 for one in found) > 10


def test_a_longer_random_search_goes_on_from_the_shorter():
  assert combine.sampled(9, RANGES)[:4] == combine.sampled(4, RANGES)


def test_another_seed_searches_elsewhere():
  assert combine.sampled(4, RANGES, 1) != combine.sampled(4, RANGES)
