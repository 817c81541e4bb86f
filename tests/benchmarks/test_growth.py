"""Fitted powers, and curves through the train loop."""

import math

import pytest

from benchmarks import curves, growth


def test_a_power_is_found_exactly():
  fit = curves.power([1, 2, 4, 8], [3 * x**1.5 for x in (1, 2, 4, 8)])
  assert fit["exponent"] == pytest.approx(1.5)
  assert fit["factor"] == pytest.approx(3)
  assert fit["error"] == pytest.approx(0, abs=1e-9)


def test_the_error_of_an_exponent_is_that_of_a_line():
  # Residuals of (-a, 2a, -a) around slope 1: the sum of squares is 6 a^2.
  a = math.log(1.1)
  y = [math.exp(-a), math.e * math.exp(2 * a), math.e**2 * math.exp(-a)]
  fit = curves.power([1, math.e, math.e**2], y)
  assert fit["exponent"] == pytest.approx(1)
  assert fit["error"] == pytest.approx(math.sqrt(6 * a**2 / 1 / 2))


def test_a_measure_that_is_missing_is_left_out():
  points = [
    {"x": x, "seconds": x, "cpu": None, "memory": 1 + x} for x in (1, 2)
  ]
  assert sorted(curves.fits(points)) == ["memory", "seconds"]


def test_every_axis_of_the_work_has_a_curve():
  wanted = {"examples", "batch", "parameters", "length", "devices"}
  assert set(growth.AXES) == wanted
  assert all(len(axis.values) >= 3 for axis in growth.AXES.values())


def test_one_point_is_no_curve(capsys):
  with pytest.raises(SystemExit):
    growth.arguments(["--points=1"])
  assert "--points" in capsys.readouterr().err


@pytest.mark.drill
@pytest.mark.slow
def test_two_points_become_a_table_and_a_figure(tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "")
  words = ["--only=parameters", "--points=2", f"--out={tmp_path}"]
  axis = growth.main(words)["axes"]["parameters"]
  few, many = axis["points"]
  # Token embedding, positions, two blocks and three norms of width 128.
  block = 12 * 128**2 + 13 * 128
  assert few["x"] == (8192 + 128) * 128 + 2 * block + 2 * 128
  assert many["x"] > few["x"]
  assert {"seconds", "memory"} <= set(axis["fits"])
  assert "exponent" in (tmp_path / "growth.md").read_text()
  assert (tmp_path / "growth.png").stat().st_size > 1000
