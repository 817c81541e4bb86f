import json
import shutil
import subprocess
import sys

import pytest

from medfm import mesh, optim, settings, spec, workdir
from medfm.types import UserError


def test_an_unused_workdir_leaves_no_trace(tmp_path):
  with workdir.owned(tmp_path / "run"):
    pass
  assert not (tmp_path / "run").exists()


def test_a_workdir_that_was_deleted_hides_no_error(tmp_path):
  with (
    pytest.raises(UserError, match="the reason"),
    workdir.owned(tmp_path / "run"),
  ):
    shutil.rmtree(tmp_path / "run")
    raise UserError("the reason")


def test_a_second_owner_is_refused_and_the_first_is_named(tmp_path):
  program = (
    "import sys, pathlib; sys.path.insert(0, '.')\n"
    "from medfm import workdir\n"
    "with workdir.owned(pathlib.Path(sys.argv[1])): print('in')"
  )
  with workdir.owned(tmp_path / "run"):
    done = subprocess.run(
      [sys.executable, "-c", program, str(tmp_path / "run")],
      capture_output=True,
      text=True,
    )
  assert "in use by process" in done.stderr


def test_a_cadence_may_change_in_a_workdir(tmp_path):
  old, new = (
    spec.spec(
      settings.Run,
      data=optim.optimizer,
      objective=optim.optimizer,
      name="a",
      schedule=spec.spec(settings.Schedule, log_every=every),
    )
    for every in (1, 2)
  )
  workdir.claim(tmp_path, old)
  workdir.claim(tmp_path, new)
  assert '"log_every": 2' in (tmp_path / "config.json").read_text()


def test_the_devices_may_change_in_a_workdir(tmp_path):
  old, new = (
    spec.spec(
      settings.Run,
      data=optim.optimizer,
      objective=optim.optimizer,
      devices=spec.spec(settings.Devices, mesh=spec.bind(mesh.mesh, fsdp=fsdp)),
    )
    for fsdp in (1, 4)
  )
  workdir.claim(tmp_path, old)
  workdir.claim(tmp_path, new)
  assert '"fsdp": 4' in (tmp_path / "config.json").read_text()


def test_another_config_is_refused_with_the_differing_key(tmp_path):
  workdir.claim(tmp_path, spec.bind(optim.learning_rate, lr=0.1))
  with pytest.raises(UserError, match=r"lr is 0.2, was 0.1"):
    workdir.claim(tmp_path, spec.bind(optim.learning_rate, lr=0.2))


def test_a_file_is_replaced_whole(tmp_path):
  path = tmp_path / "deep" / "x.json"
  workdir.write(path, {"a": 1})
  workdir.write(path, {"a": 2})
  assert path.read_text() == '{\n  "a": 2\n}\n'
  assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_a_sealed_file_of_which_a_bit_is_flipped_is_damaged(tmp_path):
  workdir.write_sealed(tmp_path, {"a.json": {"mean": 14.5}, "b.json": {}})
  path = tmp_path / "a.json"
  assert json.loads(workdir.sealed(path)) == {"mean": 14.5}
  path.write_text(path.read_text().replace("14.5", "10.5"))
  with pytest.raises(UserError, match=r"a\.json is damaged: restore it"):
    workdir.sealed(path)
  assert workdir.sealed(tmp_path / "b.json") == "{}\n"


@pytest.mark.parametrize("seals", ["{", "[]", '{"a.json": 1}', "\xff"])
def test_damaged_seals_are_no_seals(tmp_path, seals):
  workdir.write_sealed(tmp_path, {"a.json": {}})
  (tmp_path / workdir.SEALS).write_text(seals, encoding="latin-1")
  with pytest.raises(UserError, match="is damaged: restore it"):
    workdir.sealed(tmp_path / "a.json")


def test_files_without_seals_are_taken_as_they_are(tmp_path):
  (tmp_path / "info.json").write_text("{}")
  assert workdir.sealed(tmp_path / "info.json") == "{}"
