"""From settings to cells: names, hashes, shared stages."""

import dataclasses
import json
import pathlib

import pytest

from medfm.grid import cells, combine, experiment
from medfm.grid.experiment import Experiment
from medfm.types import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = str(ROOT / "configs/table.py:cleveland,mlp,tiny")
STUDY = str(ROOT / "configs/quickstart.py:tiny")


def planned(settings, config=TABLE, overrides=(), root="runs/toy"):
  asked = Experiment(
    name="toy",
    hypothesis="",
    config=config,
    settings=settings,
    overrides=overrides,
  )
  return asked.cells(pathlib.Path(root))


def names(settings):
  return [cells.readable(one, cells.varied(settings)) for one in settings]


def test_names_tell_what_varies_and_nothing_else():
  settings = combine.product(
    {"optimizer.name": ("adam", "sgd"), "batch_size": (16,)},
    {"optimizer.lr": (1e-3, 0.1)},
    combine.seeds(2),
  )
  assert names(settings)[:3] == [
    "adam-lr0.001-seed0",
    "adam-lr0.001-seed1",
    "adam-lr0.1-seed0",
  ]


def test_names_show_the_variant_of_a_config_and_are_safe_as_folders():
  settings = [{"config": "configs/x.py:a,b"}, {"config": "configs/x.py:a/../c"}]
  assert names(settings) == ["a-b", "a-..-c"]


def test_a_cell_is_named_by_its_setting_and_a_hash_of_its_config():
  first, second = planned([{"seed": 0}, {"seed": 1}])
  assert first.name.startswith("seed0-")
  assert len(first.name.rpartition("-")[2]) == 8
  assert json.loads(second.request)["seed"] == 1


def test_the_hash_changes_with_any_override():
  plain = planned([{"seed": 0}])[0]
  other = planned([{"seed": 0}], overrides=["optimizer.lr=0.5"])[0]
  assert plain.name != other.name
  assert json.loads(other.request)["optimizer"]["lr"] == 0.5


def test_a_setting_wins_over_the_command_line():
  cell = planned([{"seed": 3}], overrides=["seed=1"])[0]
  assert json.loads(cell.request)["seed"] == 3


def test_settings_that_mean_the_same_are_one_cell():
  assert len(planned([{"seed": 0}, {"seed": "0"}])) == 1


def test_a_wrong_setting_is_one_line():
  with pytest.raises(UserError, match=r"nearest: optimizer\.lr"):
    planned([{"optimizer.lrr": 1}])


def test_a_stage_that_two_cells_share_is_a_cell_of_its_own():
  shared, *rest = planned(
    combine.product({"stages.*_*.optimizer.lr": (1e-3, 1e-4)}), STUDY
  )
  assert shared.name.startswith("shared-pretrain-")
  assert json.loads(shared.request)["_call_"] == "medfm.settings.Run"
  for cell in rest:
    assert cell.needs == (shared.name,)
    stages = json.loads(cell.request)["stages"]
    assert "pretrain" not in stages
    assert stages["finetune_5"]["start"]["weights"] == f"runs/toy/{shared.name}"
    assert stages["scratch_5"]["start"]["weights"] == ""


def test_a_stage_that_differs_between_cells_is_not_shared():
  found = planned(combine.seeds(2, "stages.*.seed"), STUDY)
  assert len(found) == 2
  assert "pretrain" in json.loads(found[0].request)["stages"]


def test_a_cell_keeps_its_name_when_others_join_the_grid():
  alone = planned([{"stages.*_*.optimizer.lr": 1e-3}], STUDY)
  both = planned(
    combine.product({"stages.*_*.optimizer.lr": (1e-3, 1e-4)}), STUDY
  )
  digests = [cell.name.rpartition("-")[2] for cell in both]
  assert alone[0].name.rpartition("-")[2] in digests


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("def grid(): return []", "CONFIG is missing"),
    ("CONFIG = 'x'", "a function grid or a function search"),
    ("CONFIG = 'x'\ndef search(): return 3", "must return a combine.Search"),
    ("CONFIG = 'x'\ndef grid(): return []", "no settings"),
    ("CONFIG = 'x'\ndef grid(): return 1 / 0", "ZeroDivisionError"),
  ],
)
def test_what_is_wrong_with_an_experiment_file_is_one_line(
  tmp_path, text, message
):
  path = tmp_path / "study.py"
  path.write_text(text)
  with pytest.raises(UserError, match=message):
    experiment.load(str(path))


def test_words_for_an_experiment_without_any_are_refused(tmp_path):
  path = tmp_path / "study.py"
  path.write_text("CONFIG = 'x'\ndef grid(): return [{}]")
  with pytest.raises(UserError, match="takes no argument"):
    experiment.load(f"{path}:tiny")


EXPERIMENTS = pytest.mark.parametrize(
  "path", sorted((ROOT / "experiments").glob("*.py")), ids=lambda p: p.stem
)


@EXPERIMENTS
def test_a_misspelt_word_does_not_run_the_whole_study(path):
  with pytest.raises(UserError, match=r"unknown variant 'tny' .nearest: tiny"):
    experiment.load(f"{path}:tny")


@pytest.mark.parametrize(
  ("words", "runs"),
  [
    ("optimizers_activations", 108),
    ("text_tasks", 24),
    ("text_tasks.py:bc5cdr,chemprot", 6),
    ("medmnist_table", 72),
    ("medmnist_table.py:breastmnist,r50", 3),
    ("label_efficiency_table", 15),
    ("label_efficiency_image", 30),
  ],
)
def test_a_shipped_study_is_as_large_as_it_says(words, runs):
  name, _, words = words.removesuffix(".py").partition(".py:")
  asked = experiment.load(f"{ROOT}/experiments/{name}.py:{words}")
  assert len(asked.settings) == runs


@pytest.mark.parametrize("name", ["", ":tiny"])
@EXPERIMENTS
def test_every_shipped_experiment_has_cells(monkeypatch, path, name, data_dir):
  monkeypatch.chdir(ROOT)
  asked = experiment.load(f"experiments/{path.name}{name}")
  assert asked.hypothesis.count("\n\n") >= 2
  if asked.search:
    assert asked.question().metric == asked.metric
    return
  asked = dataclasses.replace(asked, raw=str(data_dir))
  found = asked.cells(pathlib.Path("runs/x"))
  assert len(found) >= len(asked.settings)


def test_medmnist_sets_without_a_file_are_visible_as_unavailable(
  monkeypatch, tmp_path
):
  monkeypatch.chdir(ROOT)
  (tmp_path / "breastmnist.npz").touch()
  asked = experiment.load("experiments/medmnist_table.py:tiny")
  asked = dataclasses.replace(asked, raw=str(tmp_path))
  found = asked.cells(tmp_path / "grid")
  lacking = [cell for cell in found if cell.unavailable]
  assert len(found) == 12
  assert len(lacking) == 11
