"""A user's own images with texts: trained, judged, and judged elsewhere."""

import numpy as np
import pytest
from PIL import Image

from medfm import command, evaluate
from medfm.types import Folders
from tests.data.images import scans
from tests.running import ROOT, check_evaluation, check_workdir, run

CASE = "own_image_text.py:classes,vit,tiny"


def made_up(root, seed):
  """Bright and dark images with a text each, of thirty patients."""
  generator = np.random.default_rng(seed)
  root.mkdir()
  rows = []
  for number in range(60):
    bright = number // 2 % 2
    pixels = generator.integers(0, 100, (16, 16)) + 150 * bright
    Image.fromarray(pixels.astype("uint8")).save(root / f"{number}.png")
    rows.append({
      "image": f"{number}.png",
      "text": f"a {('dark', 'bright')[bright]} square, seen {number % 5} times",
      "label": ("dark", "bright")[bright],
      "patient": f"p{number // 2}",
    })  # fmt: skip
  return scans.table(root, rows)


@pytest.mark.slow
def test_own_pairs_are_learnt_and_judged_here_and_elsewhere(
  tmp_path, shared_cache
):
  folders, place = Folders(None, shared_cache), tmp_path / "run"
  asked = (
    "data.label=label",
    "data.patient=patient",
    "evaluators.zero_shot.templates=a {} square",
  )
  path = f"data.path={made_up(tmp_path / 'here', 0)}"
  results = run(CASE, place, folders, path, *asked)
  check_workdir(place, results)
  check_evaluation(place, results, folders)
  test = results["stages"]["train"]
  titles = {block["title"] for block in test["blocks"]}
  assert "Classes from sentences, with 95 % intervals" in titles
  assert any(title.startswith("Retrieval among") for title in titles)
  rivals = test["splits"]["test"]["baselines"]
  assert {"zero_shot_sentences", "probe_linear", "majority"} <= set(rivals)
  other = command.config(
    str(ROOT / "configs" / CASE),
    [f"data.path={made_up(tmp_path / 'there', 1)}", *asked],
  )
  there = evaluate.evaluate(place, None, command.data(other), folders)
  (stage,) = there["stages"].values()
  (split,) = stage["splits"].values()
  assert split["n"] == 60
