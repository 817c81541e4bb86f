"""API pages are made from the docstrings."""

import pytest

from docs import api


def test_pages_show_the_docstrings_as_they_stand(tmp_path):
  api.write(tmp_path, ["medfm.metrics"])
  page = (tmp_path / "medfm/metrics/calibration.html").read_text()
  assert "Brier&#39;s own score, summed over classes" in page
  assert (
    "<code>" in (tmp_path / "medfm/metrics/classification.html").read_text()
  )
  assert (tmp_path / "medfm/metrics/ranking.html").exists()
  assert "the recalibration did not converge" not in page  # It is source.


def test_a_module_that_cannot_be_imported_is_an_error(tmp_path, monkeypatch):
  package = tmp_path / "broken_package"
  package.mkdir()
  (package / "__init__.py").write_text("")
  (package / "broken.py").write_text("import nothing_of_this_name")
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(RuntimeError, match=r"broken_package\.broken"):
    api.write(tmp_path / "pages", ["broken_package"])
