"""A cohort of one's own slides, composed of real tiles."""

import csv
import json
import logging

import numpy as np
import pytest

from medfm import command, embedder, evaluate, predict, spec
from medfm.data import cards, splits
from medfm.data.slides import bags, encoders, own
from medfm.types import Folders, Reading, UserError
from tests import composed, running

pytestmark = pytest.mark.once

TINY = {"tile_px": 32, "image": "file", "label": "label", "patient": "patient"}


@pytest.fixture(scope="module")
def cohort(kinds, tmp_path_factory):
  """24 composed slides of 12 patients and their table."""
  return composed.cohort(tmp_path_factory.mktemp("slides"), kinds, slides=24)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
  return Folders(None, str(tmp_path_factory.mktemp("cache")))


def read(place, path, **given):
  return own.own_slides(place, path=str(path), **{**TINY, **given})


def test_slides_become_bags_and_patients_stay_together(cohort, place):
  dataset = read(place, cohort, groups=("site",))
  assert dataset.info.target.names == ("normal", "tumour")
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 12
  for split in dataset.splits.values():
    assert set(split.groups["site"]) == {"a", "b"}
    assert set(split.arrays) == {"bag", "label"}
    for row, name in enumerate(split.ids):
      assert split.arrays["bag"][row].shape == (36, 32)
      assert split.source["places"][row].shape == (36, 2)
      assert split.source["slide"][row].endswith(name)
  assert isinstance(dataset.splits["train"].arrays["bag"].values, np.memmap)
  assert (
    "24, 864 tiles with at least 50 % of tissue" in dataset.card[cards.READ]
  )
  assert len(splits.manifest(dataset)) == 3


def test_a_slide_is_embedded_once_whatever_joins_the_cohort(
  cohort, place, tmp_path, monkeypatch
):
  first = read(place, cohort)
  head, *lines = cohort.read_text().splitlines()
  fewer = cohort.with_name("fewer.csv")
  fewer.write_text("\n".join([head, *lines[:20]]) + "\n")
  again = []
  monkeypatch.setattr(bags, "_embedded", lambda *given: again.append(given))
  second = read(place, fewer)
  assert not again
  where = {
    i: (k, r) for k, s in first.splits.items() for r, i in enumerate(s.ids)
  }
  for split in second.splits.values():
    for row, name in enumerate(split.ids):
      part, other = where[name]
      np.testing.assert_array_equal(
        split.arrays["bag"][row], first.splits[part].arrays["bag"][other]
      )


def test_new_slides_are_read_as_in_training(cohort, place):
  dataset = read(place, cohort)
  split = dataset.encode(str(cohort.parent))
  train = dataset.splits["train"]
  row = split.ids.tolist().index(train.ids[0])
  np.testing.assert_array_equal(
    split.arrays["bag"][row], train.arrays["bag"][0]
  )
  one = dataset.encode(str(cohort.parent / "composed3.tif"))
  assert one.ids.tolist() == ["composed3.tif"] and len(one.arrays["bag"]) == 1
  reading = dict(spec.settings(dataset.encode))
  assert reading.pop("info") == dataset.info
  written = spec.to_json(spec.bind(own.encoded, **reading))
  assert spec.function(spec.build(spec.from_json(written))) is own.encoded


def test_a_trained_model_reads_another_cohort_by_its_own_grid(cohort, place):
  dataset = read(place, cohort)
  reading = Reading(
    dataset.info.inputs, dataset.info.target, spec.settings(dataset.encode)
  )
  there = read(place._replace(reading=reading), cohort, tile_px=64)
  assert [*there.splits] == [splits.WHOLE]
  assert len(there.splits[splits.WHOLE]) == 24
  assert there.info.inputs == dataset.info.inputs
  assert {"what": "tile_px=32 of training used, not 64", "count": 1} in (
    there.card["changes"]
  )


def test_bad_slides_are_refused_or_skipped_and_counted(
  cohort, place, kinds, tmp_path, caplog
):
  for number in range(6):
    cells = [[None, None], [kinds["TUM"][number], kinds["STR"][number]]]
    folder = tmp_path / "slides" / "ab"[number % 2]
    folder.mkdir(parents=True, exist_ok=True)
    composed.pyramid(
      folder / f"s{number}.tif", composed.picture(cells), levels=1
    )
  glass = np.full((64, 64, 3), 245, np.uint8)
  composed.pyramid(tmp_path / "slides/a/glass.tif", glass, levels=1)
  (tmp_path / "slides/b/cut.tif").write_bytes(b"II*\0\x08\0")
  given = {
    "image": "",
    "label": "",
    "patient": "",
    "fractions": (0.4, 0.3, 0.3),
  }
  with pytest.raises(UserError, match=r"^a/glass\.tif: no tile has 50 %"):
    read(place, tmp_path / "slides", **given)
  with (
    caplog.at_level(logging.WARNING),
    pytest.raises(UserError, match="at least 2 of 8 slides cannot be used"),
  ):
    read(place, tmp_path / "slides", **given, bad="skip", max_bad_fraction=0.2)
  given |= {"bad": "skip", "max_bad_fraction": 0.3}
  dataset = read(place, tmp_path / "slides", **given)
  assert sum(map(len, dataset.splits.values())) == 6
  what = "slides that cannot be read or show no tissue, skipped"
  assert {"what": what, "count": 2} in dataset.card["changes"]
  assert "a/glass.tif" in caplog.text and "b/cut.tif" in caplog.text


def test_slides_without_a_resolution_are_told(place, kinds, tmp_path):
  for kind in "ab":
    (tmp_path / kind).mkdir()
    for number in range(4):
      cells = [[kinds["TUM"][number], None], [None, None]]
      path = tmp_path / kind / f"{number}.tif"
      composed.pyramid(path, composed.picture(cells), mpp=None, levels=1)
  given = {
    "image": "",
    "label": "",
    "patient": "",
    "fractions": (0.4, 0.3, 0.3),
  }
  with pytest.raises(UserError, match=r"a/0\.tif: .*slide_mpp"):
    read(place, tmp_path, **given)
  dataset = read(place, tmp_path, **given, slide_mpp=0.5)
  assert {"what": bags.STATED, "count": 8} in dataset.card["changes"]


@pytest.mark.parametrize(
  ("given", "words"),
  [
    ({"mpp": 0.0}, "mpp=0.0"),
    ({"tile_px": 4}, "tile_px=4"),
    ({"tissue_share": 1.5}, "tissue_share=1.5"),
    ({"bad": "drop"}, "expected error or skip"),
    ({"label": ""}, "which column is the label"),
    ({"task": "ordered", "label": "stage"}, "which order do I, II, III have"),
  ],
)
def test_settings_that_make_no_sense_are_refused(cohort, place, given, words):
  with pytest.raises(UserError, match=words):
    read(place, cohort, **given)


def test_numbers_that_are_not_finite_name_the_slide(cohort, place):
  broken = encoders.Encoder(
    "broken", "broken", lambda tiles: np.full((len(tiles), 2), np.nan)
  )
  with pytest.raises(UserError, match=r"composed\d+\.tif: broken gives number"):
    read(place, cohort, embed=lambda: broken)


def test_stages_are_learnt_drawn_predicted_and_judged_elsewhere(
  cohort, place, tmp_path
):
  case, run = "own_slides.py:ordered,tiny", tmp_path / "run"
  given = (
    f"data.path={cohort}",
    "data.label=stage",
    "data.classes=I,II,III",
    "data.patient=patient",
    "evaluators.heatmaps.show=true",
  )
  results = running.run(case, run, place, *given)
  running.check_workdir(run, results)
  entry = results["stages"]["train"]["splits"]["test"]
  assert {"quadratic_kappa", "classes_off", "balanced_accuracy"} <= set(
    entry["metrics"]
  )
  assert {"auroc[II or higher]", "auroc[III]"} <= set(entry["metrics"])
  assert "ordinal_logistic" in entry["baselines"]
  (block,) = json.loads((run / "examples.json").read_text())["test"]
  assert block["kind"] == "pictures" and block["pictures"]
  assert "Attention over slides" in (run / "report.html").read_text()
  written = predict.predict(run, None, str(cohort.parent), None)
  rows = list(csv.DictReader(written.open()))
  assert len(rows) == 24 and {"prob_I", "prob_III"} <= set(rows[0])
  config = command.config(str(running.ROOT / "configs" / case), given)
  there = evaluate.evaluate(run, None, command.data(config), place)
  (split,) = there["stages"]["train"]["splits"].values()
  assert split["n"] == 24
  with pytest.raises(UserError, match="need a model of images"):
    embedder.encoder(workdir=str(run))


def test_an_image_model_embeds_tiles_as_it_was_trained(
  kinds, place, cohort, tmp_path
):
  from PIL import Image

  for kind in ("TUM", "STR"):
    (tmp_path / "tiles" / kind).mkdir(parents=True)
    for number, tile in enumerate(kinds[kind]):
      Image.fromarray(tile).save(tmp_path / f"tiles/{kind}/{number}.png")
  run = tmp_path / "images"
  running.run(
    "own_images.py:tiny",
    run,
    place,
    f"data.path={tmp_path / 'tiles'}",
    "batch_size=4",
    "evaluators.baselines.names=majority,",
  )
  encoder = embedder.encoder(workdir=str(run), batch_size=4)
  found = encoder.of(kinds["TUM"][:3])
  assert found.shape[0] == 3 and found.dtype == np.float32
  np.testing.assert_allclose(
    encoder.of(kinds["TUM"][2:3])[0], found[2], atol=1e-4
  )
  assert encoder.key == embedder.encoder(workdir=str(run), batch_size=4).key
  assert encoder.key[:8] in encoder.words
  dataset = read(
    place,
    cohort,
    embed=spec.build(
      spec.bind(embedder.encoder, workdir=str(run), batch_size=36)
    ),
  )
  assert dataset.info.only.embedded.startswith("the embedding of images")
  assert len(dataset.info.only.mean) == found.shape[1]
