import hashlib
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.checkpoint import Checkpoints
from medfm.types import UserError


def state(value):
  return {
    "params": {"w": jnp.full((64, 3), float(value))},
    "step": jnp.int32(3),
  }


@pytest.fixture
def saved(tmp_path):
  checkpoints = Checkpoints(tmp_path / "checkpoints")
  yield checkpoints
  checkpoints.close()


def fill(saved, *steps, **notes):
  for step in steps:
    saved.save(step, state(step), {"best": None, **notes})
  saved.wait()


def value(saved):
  step = saved.newest()
  return float(saved.restore(step, state(0))["params"]["w"][0, 0])


def test_a_folder_without_checkpoints_has_no_newest(saved):
  assert saved.newest() is None


def test_what_was_saved_is_restored(saved):
  fill(saved, 5)
  restored = saved.restore(5, state(0))
  assert jnp.array_equal(restored["params"]["w"], state(5)["params"]["w"])
  assert saved.notes(5) == {"best": None}


def test_a_donated_state_is_saved_as_it_was(saved):
  change = jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)
  kept = state(7)
  saved.save(7, kept, {})
  for _ in range(5):
    kept = change(kept)
  saved.wait()
  assert value(saved) == 7


def test_raw_gives_arrays_without_a_template(saved):
  fill(saved, 2)
  raw = saved.raw(2)
  assert isinstance(raw["params"]["w"], np.ndarray)
  assert raw["params"]["w"][0, 0] == 2


def test_old_steps_go_but_the_best_stays(saved):
  fill(saved, 1, 2, 3, 4, best={"step": 1})
  assert saved.steps() == [1, 3, 4]


def test_a_step_that_is_kept_keeps_the_best_step_it_needs(saved):
  """Else the newest step, once damaged, would take all others with it."""
  fill(saved, 1, 2, best={"step": 1})
  fill(saved, 3, best={"step": 3})
  assert saved.steps() == [1, 2, 3]
  damage_flip(next((saved.folder / "3" / "state").rglob("*/d/*")))
  assert value(saved) == 2
  fill(saved, 4, best={"step": 3})
  assert saved.steps() == [3, 4]


def test_steps_that_a_run_went_back_from_push_no_other_out(saved):
  fill(saved, 1, 2, 9)
  damage_flip(next((saved.folder / "9" / "state").rglob("*/d/*")))
  fill(saved, 3)
  assert saved.steps() == [2, 3, 9]


def damage_delete(path):
  path.unlink()


def damage_truncate(path):
  path.write_bytes(path.read_bytes()[:-1])


def damage_zero(path):
  path.write_bytes(bytes(path.stat().st_size))


def damage_flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 4
  path.write_bytes(bytes(content))


@pytest.mark.parametrize(
  "damage", [damage_delete, damage_truncate, damage_zero, damage_flip]
)
def test_damage_to_any_file_is_named_and_the_step_before_used(
  saved, tmp_path, capsys, damage
):
  fill(saved, 1, 2)
  place = saved.folder / "2"
  copy = tmp_path / "copy"
  shutil.copytree(place, copy)
  files = [path for path in copy.rglob("*") if path.is_file()]
  assert len(files) > 3
  for path in files:
    target = place / path.relative_to(copy)
    if damage is damage_zero and not any(path.read_bytes()):
      continue
    capsys.readouterr()
    damage(target)
    assert value(saved) == 1, path
    assert "checkpoint 2" in capsys.readouterr().out
    shutil.rmtree(place)
    shutil.copytree(copy, place)
  assert value(saved) == 2


def test_no_flipped_bit_of_a_manifest_passes_unseen(saved):
  notes = {"best": {"step": 1, "value": 0.875}, "fingerprint": "c0ffee"}
  fill(saved, 1, 2, **notes)
  path = saved.folder / "2" / "manifest.json"
  content = path.read_bytes()
  for place in range(0, len(content), 5):
    damaged = bytearray(content)
    damaged[place] ^= 1
    path.write_bytes(bytes(damaged))
    if saved.fault(2) is None:
      assert saved.notes(2) == notes, bytes(damaged[place - 20 : place + 20])


def test_a_step_that_an_earlier_version_wrote_is_read(saved):
  fill(saved, 1, best={"step": 1})
  path = saved.folder / "1" / "manifest.json"
  manifest = json.loads(path.read_text()) | {"format": 1}
  leaves = json.dumps(manifest["leaves"], sort_keys=True)
  del manifest["sha256"]
  manifest["leaves_sha256"] = hashlib.sha256(leaves.encode()).hexdigest()
  path.write_text(json.dumps(manifest))
  assert saved.newest() == 1


def test_a_damaged_best_step_rules_out_those_that_need_it(saved):
  fill(saved, 1)
  fill(saved, 2, best={"step": 1})
  damage_flip(next((saved.folder / "1" / "state").rglob("*/d/*")))
  with pytest.raises(UserError, match="no sound checkpoint"):
    saved.newest()


def test_stray_folders_are_ignored_aloud(saved, capsys):
  fill(saved, 1)
  (saved.folder / "999").mkdir()
  (saved.folder / "7.tmp").mkdir()
  (saved.folder / "notes.txt").write_text("x")
  assert saved.newest() == 1
  said = capsys.readouterr().out
  assert all(name in said for name in ("999", "7.tmp", "notes.txt"))


def test_all_damaged_is_an_error_and_deletes_nothing(saved):
  fill(saved, 1)
  damage_delete(saved.folder / "1" / "manifest.json")
  fill(saved, 2)
  damage_truncate(saved.folder / "2" / "manifest.json")
  before = sorted(saved.folder.rglob("*"))
  with pytest.raises(UserError, match="remove the folder to start afresh"):
    saved.newest()
  assert sorted(saved.folder.rglob("*")) == before


def test_another_shape_is_refused_by_name(saved):
  fill(saved, 1)
  other = {"params": {"w": jnp.zeros((2, 3))}, "step": jnp.int32(0)}
  with pytest.raises(UserError, match=r"params/w is \[\[64, 3\]"):
    saved.restore(1, other)


def test_a_newer_format_is_refused_by_name(saved, capsys):
  fill(saved, 1)
  path = saved.folder / "1" / "manifest.json"
  path.write_text(path.read_text().replace('"format": 2', '"format": 9'))
  with pytest.raises(UserError):
    saved.newest()
  assert "format 9" in capsys.readouterr().out


def test_a_failed_save_is_an_error_at_the_next(saved, monkeypatch):
  def full(*_):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr("medfm.checkpoint._checksums", full)
  saved.save(1, state(1), {})
  free = r"No space left on device; [\d.]+ MiB .* needed, [\d.]+ MiB are free"
  with pytest.raises(UserError, match=free) as error:
    saved.save(2, state(2), {})
  assert str(saved.folder) in str(error.value)


@pytest.mark.parametrize("times", [1, 9])
def test_a_checkpoint_that_is_taken_away_is_no_checkpoint(
  saved, monkeypatch, times
):
  finished = saved._writer.wait_until_finished
  calls = []

  def taken():
    finished()
    calls.append(len(calls))
    if len(calls) <= times:  # After the first, Orbax makes the folder again.
      shutil.rmtree(saved.folder / "1", ignore_errors=True)

  monkeypatch.setattr(saved._writer, "wait_until_finished", taken)
  saved.save(1, state(1), {})
  with pytest.raises(UserError, match="was removed while it was being written"):
    saved.wait()
  assert saved.newest() is None


def test_a_failed_saves_further_errors_do_not_hide_the_one_that_is_told(
  tmp_path, monkeypatch
):
  saved = Checkpoints(tmp_path / "stage")
  lists = saved._writer._metadata_store
  calls = []

  def gone():
    calls.append(len(calls))
    if calls[-1]:  # The first waits for the save before.
      raise FileNotFoundError("_CHECKPOINT_METADATA")

  monkeypatch.setattr(lists, "wait_until_finished", gone)
  saved.save(1, state(1), {})
  with pytest.raises(UserError, match="could not be written"):
    saved.close()
  assert len(calls) > 2


def test_an_error_on_closing_that_nobody_has_told_is_raised(saved, monkeypatch):
  saved.save(1, state(1), {})
  saved.wait()

  def broken():
    raise RuntimeError("broken")

  monkeypatch.setattr(saved._writer, "close", broken)
  with pytest.raises(RuntimeError, match="broken"):
    saved.close()
  monkeypatch.undo()
