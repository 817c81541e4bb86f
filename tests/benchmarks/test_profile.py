"""Where a step's time goes: what a trace and a program's text come to."""

import pathlib
import subprocess
import sys

import pytest

from benchmarks import profile

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).resolve().parents[2]

NAMED = 'metadata={op_name="jit(step)/'
PROGRAM = f"""
%inner.2 (p: f32[8,8]) -> f32[8,8] {{
  %p = f32[8,8] parameter(0)
  ROOT %dot.3 = f32[8,8]{{1,0}} dot(%p, %p), {NAMED}dot_general"}}
}}

ENTRY %main.9 (a: f32[8,8], b: f32[8,8]) -> (f32[8,8], f32[]) {{
  %dot.1 = f32[8,8]{{1,0}} dot(%a, %b), {NAMED}dot_general"}}
  %fused.4 = f32[8,8] fusion(%dot.1), calls=%inner.2, {NAMED}M/add"}}
  add_tanh_fusion = f32[8,8]{{1,0}} fusion(%dot.1), {NAMED}M/tanh"}}
  %pair.2 = (f32[8,8], f32[]) custom-call(%a), target="__onednn$matmul"
  %while.3 = (s32[], f32[8,8]{{1,0}}) while(%pair.2), {NAMED}scan"}}
  ROOT %copy.7 = f32[8,8]{{0,1}} copy(%dot.1)
}}
"""


def event(name, start, took):
  source = {"_src": "xla/backends/cpu/runtime/thunk_executor.cc"}
  return {"name": name, "ts": start, "dur": took, "args": source}


def test_each_instruction_has_a_kind():
  assert profile.kinds(PROGRAM) == {
    "p": "parameter",
    "dot.3": "dot",
    "dot.1": "dot",
    "fused.4": "dot",
    "add_tanh_fusion": "tanh",
    "pair.2": "oneDNN matmul",
    "while.3": "while",
    "copy.7": "copy",
  }


def test_an_instruction_lasts_until_its_end_is_told():
  events = [
    event("dot.1", 10.0, 1.0),
    event("dot.1", 30.0, 1.0),
    event("end: dot.1", 18.0, 2.0),
    event("end: dot.1", 34.0, 1.0),
    event("pair.2__onednn$matmul", 36.0, 1.0),
    event("end: pair.2__onednn$matmul", 37.0, 1.0),
    {"name": "ParseArguments", "ts": 12.0, "dur": 3.0},
  ]
  assert profile.spans(events) == [
    (10.0, 20.0, "dot.1"),
    (30.0, 35.0, "dot.1"),
    (36.0, 38.0, "pair.2"),
  ]


def test_time_is_shared_and_a_loop_has_what_is_left():
  spans = [
    (0.0, 10.0, "while.3"),
    (1.0, 5.0, "dot.1"),
    (3.0, 7.0, "copy.7"),
    (8.0, 9.0, "dot.1"),
  ]
  shares = profile.shares(spans)
  assert shares == {
    "dot.1": (pytest.approx(2 + 1 + 1), 2),
    "copy.7": (pytest.approx(1 + 2), 1),
    "while.3": (pytest.approx(1 + 1 + 1), 1),
  }
  assert sum(time for time, _ in shares.values()) == pytest.approx(10)


def step(**changes):
  ran = {"dot": (0.3, 2), "copy": (0.1, 1)}
  own = {"seconds": 0.4, "traced": 0.5, "flops": 2.4e10, "ran": ran}
  return profile.Step(**own | changes)


def test_a_table_names_what_products_leave_to_gain():
  text = profile.table(step(), peak=2e11)
  assert "| dot | 2 | 300.00 | 60% |" in text
  assert "| copy | 1 | 100.00 | 20% |" in text
  assert "at 100 of 200 GFLOP/s" in text
  assert "would take 280.0 ms" in text


def test_no_rate_is_told_of_products_that_run_beside_others():
  text = profile.table(step(flops=6e10), peak=2e11)
  assert "cannot be told" in text
  assert "GFLOP/s" not in text


def test_a_case_is_profiled():
  done = subprocess.run(
    [sys.executable, "-m", "benchmarks.profile", "mlp", "--steps=4"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.startswith("MLP, 30 columns, batch 128: ")
  assert "| kind | times | ms | of the traced step |" in done.stdout
  assert "Products" in done.stdout
