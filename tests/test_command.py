import pathlib

import pytest

from medfm import command, optim, settings, spec, variants
from medfm.types import UserError

SOURCE = """
import ml_collections
from medfm.variants import variants

def get_config(arg=""):
  chosen = variants(arg, size=("full", "tiny"))
  return ml_collections.ConfigDict({
    "steps": 4 if chosen["size"] == "tiny" else 100,
    "lr": 0.1,
    "name": "x",
    "flag": False,
    "drops": (0.5, 0.75),
    "model": {"depth": 3},
  })
"""


@pytest.fixture
def path(tmp_path):
  path = tmp_path / "some.py"
  path.write_text(SOURCE)
  return str(path)


def test_overrides_are_read_in_the_type_of_the_knob(path):
  config = command.config(
    path,
    ["steps=7", "lr=1e-3", "name=7", "flag=true", "drops=0.1,0.2"],
  )
  assert config.steps == 7
  assert config.lr == 1e-3
  assert config.name == "7"
  assert config.flag is True
  assert config.drops == (0.1, 0.2)


def test_a_variant_reaches_the_config(path):
  assert command.config(f"{path}:tiny", []).steps == 4


@pytest.mark.parametrize(
  ("override", "message"),
  [
    ("modle.depth=2", r"no such key \(nearest: model.depth\)"),
    ("model.dept=2", r"no such key \(nearest: model.depth\)"),
    ("steps=1.5", "expected int"),
    ("flag=2", "expected bool"),
    ("name=None", "to give no text, write"),
    ("model={'depht': 2}", r"nearest: model.depth"),
    ("model=3", "is a group of settings"),
    ("steps", "needs a value"),
  ],
)
def test_a_wrong_override_is_one_line(path, override, message):
  with pytest.raises(UserError, match=message) as caught:
    command.config(path, [override])
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("variant", "steps"), [("", 100), (":tiny", 4)])
def test_a_path_may_hold_colons(tmp_path, variant, steps):
  path = tmp_path / "a:b" / "mine:too.py"
  path.parent.mkdir()
  path.write_text(SOURCE)
  assert command.config(f"{path}{variant}", []).steps == steps


def test_a_group_may_be_set_by_known_keys(path):
  assert command.config(path, ["model={'depth': 2}"]).model.depth == 2


@pytest.mark.parametrize(
  ("argument", "message"),
  [
    ("{path}:tinny", r"unknown variant 'tinny' \(nearest: tiny\)"),
    ("{path}:tiny,full", "exclude each other"),
    ("{folder}/sone.py", r"no such file \(nearest: .*some.py\)"),
  ],
)
def test_a_wrong_config_argument_is_one_line(path, tmp_path, argument, message):
  with pytest.raises(UserError, match=message):
    command.config(argument.format(path=path, folder=tmp_path), [])


def test_an_error_inside_a_config_file_is_one_line(tmp_path):
  path = tmp_path / "broken.py"
  path.write_text("def get_config():\n  return 1 / 0\n")
  with pytest.raises(UserError, match="ZeroDivisionError"):
    command.config(str(path), [])


@pytest.fixture
def own(path):
  """A config with data, and a run's config.json beside it."""
  text = SOURCE.replace(
    '"model"',
    '"data": {"path": "a", "test_path": "", "seed": 0}, '
    '"evaluation": {"prevalence": 0.0, "replicates": 9, "specificity": 0.9}, '
    '"model"',
  )
  with open(path, "w") as file:
    file.write(text)
  return path


def test_each_cohort_has_settings_of_its_own_and_those_of_all(own):
  given = [f"{own}:tiny --config.data.path=b", "--config.data.path='c d'", own]
  cohorts = command.elsewhere(given, ["data.seed=5"], own)
  assert [asked.label for asked in cohorts] == given
  paths = [(asked.data.path, asked.data.seed) for asked in cohorts]
  assert paths == [("b", 5), ("c d", 5), ("a", 5)]


def test_configs_may_stand_in_one_list_but_variants_are_no_configs(own):
  both = command.elsewhere([f"{own},{own}:tiny"], [], own)
  assert len(both) == 2
  (one,) = command.elsewhere([f"{own}:tiny --config.data.path=a,b"], [], own)
  assert one.data.path == "a,b"
  with pytest.raises(UserError, match="exclude each other"):
    command.elsewhere([f"{own}:tiny,full"], [], own)


def test_without_a_cohort_it_is_the_runs_own_data_or_its_config_changed(own):
  assert command.elsewhere([], [], own) == [("", None, {})]
  (asked,) = command.elsewhere([], ["data.path=b"], own)
  assert asked.data.path == "b"


def test_what_an_evaluation_may_set_is_set_and_what_it_may_not_is_refused(own):
  (asked,) = command.elsewhere([], ["evaluation.prevalence=0.02"], own)
  assert asked == ("", None, {"prevalence": 0.02})
  given = ["--config.data.path=b --config.evaluation.replicates=7"]
  (asked,) = command.elsewhere(given, [], own)
  assert asked.data.path == "b" and asked.evaluation == {"replicates": 7}
  for key in ("model.depth=3", "evaluation.specificity=0.8"):
    with pytest.raises(UserError, match=f"{key[:10]}.* changes nothing here"):
      command.elsewhere([], [key], own)


def test_the_runs_own_test_file_is_none_of_another_cohort(own, capsys):
  """It would be read together with the cohort's."""
  text = pathlib.Path(own).read_text()
  text = text.replace('"test_path": ""', '"test_path": "mine"')
  pathlib.Path(own).write_text(text)
  (asked,) = command.elsewhere(["--config.data.path=b"], [], own)
  assert asked.data.test_path == ""
  assert "test_path=mine is the run's" in capsys.readouterr().out
  given = "--config.data.path=b --config.data.test_path=c"
  (asked,) = command.elsewhere([given], [], own)
  assert asked.data.test_path == "c"


@pytest.mark.parametrize(
  ("given", "message"),
  [
    ("{own} other", "give --on once for each cohort"),
    ("{own} --data.path=b", "'--data.path=b' is neither a setting"),
    ("{own} --config.data.pth=b", r"nearest: data.path"),
    ("{folder}", 'give --on="--config.data.path=.*"'),
    ("{folder}/b.csv", 'is not a config; .* give --on="--config.data.path='),
    ("{folder}/nowhere.csv", "is not a config; for other files"),
    (
      "{own} --config.model.depth=1",
      r"--on=.*: --config.model.depth changes nothing here",
    ),
    ("{folder}/c.py", "there is no such file"),
    ("'{own}", "no closing quotation"),
  ],
)
def test_a_wrong_cohort_is_one_line(own, tmp_path, given, message):
  (tmp_path / "b.csv").write_text("x\n")
  with pytest.raises(UserError, match=message):
    command.elsewhere([given.format(own=own, folder=tmp_path)], [], own)


def test_the_default_workdir_carries_the_variants():
  name = command.default_workdir("configs/resnet.py:breastmnist,tiny")
  assert name == "runs/resnet-breastmnist-tiny"


def test_a_shrunk_study_trains_for_four_steps_where_it_trains_at_all():
  knobs = {"data": optim.optimizer, "objective": optim.optimizer}
  stages = {
    "train": spec.spec(settings.Run, **knobs, epochs=9),
    "ask": spec.spec(settings.Run, **knobs),
  }
  stages["train"].schedule.checkpoint_every = 100
  study = spec.spec(settings.Study, name="study", stages=stages)
  train, ask = (variants.shrunk(study).stages[name] for name in stages)
  assert (train.steps, ask.steps) == (4, 0)
  assert (train.schedule.checkpoint_every, ask.schedule.log_every) == (2, 10)
  assert train.evaluation.replicates == ask.evaluation.replicates == 50


@pytest.mark.parametrize(
  ("key", "text", "value"),
  [
    ("classes", "1,0", ("1", "0")),
    ("classes", "(1, 0)", ("1", "0")),
    ("classes", "('1', '0')", ("1", "0")),
    ("missing", "-9.00", ("-9.00",)),
    ("missing", "('', '-9.00')", ("", "-9.00")),
    ("drop", "2019,2020-01-01", ("2019", "2020-01-01")),
    ("groups", "1e3", ("1e3",)),
    ("positive", "1", "1"),
    ("label", "1,0", "1,0"),
    ("fractions", "0.5,0.25,0.25", (0.5, 0.25, 0.25)),
  ],
)
def test_words_stay_words_whatever_they_look_like(key, text, value):
  made = command.config("configs/own_table.py", [f"data.{key}={text}"])
  assert made.data[key] == value
