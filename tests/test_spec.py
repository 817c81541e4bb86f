import functools

import ml_collections
import optax
import pytest

from medfm import optim, settings, spec
from medfm.data.datasets import chemprot, iob, pubmedqa
from medfm.types import UserError


def test_a_spec_holds_every_knob_with_its_default():
  entry = spec.bind(optim.optimizer, lr=0.5)
  assert entry.lr == 0.5
  assert entry.name == "adamw"
  assert entry[spec.BIND] == "medfm.optim.optimizer"


def test_a_misspelt_setting_is_refused_with_the_nearest_name():
  with pytest.raises(UserError, match=r"'warmpu' \(nearest: warmup\)"):
    spec.bind(optim.optimizer, warmpu=0.1)


def test_a_bound_function_stays_a_function():
  built = spec.build(spec.bind(optim.learning_rate, lr=0.1))
  assert isinstance(built, functools.partial)
  assert float(built(10)(3)) == pytest.approx(0.1)


def test_a_spec_is_called_when_built():
  built = spec.build(spec.spec(optax.sgd, learning_rate=0.1))
  assert hasattr(built, "update")


def test_a_config_survives_its_json():
  config = spec.bind(optim.optimizer, drops=(0.5, 0.75), options={"b1": 0.8})
  again = spec.from_json(spec.to_json(config))
  assert spec.flat(again) == spec.flat(config)
  assert again.drops == (0.5, 0.75)


def test_json_is_checked_against_the_signature():
  with pytest.raises(UserError, match="no setting 'typo'"):
    spec.from_json('{"_bind_": "medfm.optim.optimizer", "typo": 1}')


@pytest.mark.parametrize(
  "text",
  [
    '{"_call_": "medfm.settings.Run", "init_from": ""}',
    '{"_call_": "medfm.settings.Rum"}',
    '{"_call_": "medfm.settings.Run"}',
    '{"_call_": "medfm.setup.Run"}',
  ],
)
def test_a_config_of_an_earlier_version_is_refused_in_one_line(text):
  with pytest.raises(UserError, match="by an earlier version") as refused:
    spec.from_json(text, "runs/old/config.json")
  assert str(refused.value).startswith("runs/old/config.json was written")
  assert "another --workdir" in str(refused.value)
  assert "\n" not in str(refused.value)


def test_a_group_of_settings_is_an_entry_of_its_own():
  run = spec.spec(settings.Run, data=optim.optimizer, objective=optim.optimizer)
  assert run.schedule.log_every == 10
  assert run.start.fresh == settings.Start().fresh
  run.schedule.log_every = 3
  built = spec.build(spec.from_json(spec.to_json(run)))
  assert built.schedule == settings.Schedule(log_every=3)
  assert built.evaluation == settings.Evaluation()


@pytest.mark.parametrize(
  "path", ["os.system", "medfm.spec.importlib", "medfm.nowhere.x", "medfm.x"]
)
def test_a_target_outside_the_project_is_refused(path):
  with pytest.raises(UserError, match="config target"):
    spec.from_json(f'{{"_call_": "{path}"}}')


def test_a_setting_that_may_be_none_keeps_its_type():
  config = spec.spec(optax.sgd, learning_rate=0.1)
  assert config.momentum is None


def test_flat_keys_are_spelt_as_overrides():
  config = ml_collections.ConfigDict({"a": {"b": 1}, "c": (1, 2)})
  assert spec.flat(config) == {"a.b": 1, "c": (1, 2)}


def test_settings_that_are_passed_on_are_knobs_of_who_passes_them():
  entry = spec.bind(iob.bc5cdr, length=64)
  assert (entry.length, entry.types, entry.too_long) == (64, "both", "windows")
  assert spec.resolve(entry[spec.BIND]) is iob.bc5cdr
  with pytest.raises(UserError, match=r"'lenght' \(nearest: length\)"):
    spec.bind(iob.bc5cdr, lenght=64)


def test_a_function_may_have_another_default_than_the_one_it_passes_on_to():
  assert spec.bind(pubmedqa.source).fractions == (0.9, 0.1)
  assert "fractions" not in spec.bind(chemprot.source)
