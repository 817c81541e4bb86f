"""The script for a GPU, on a CPU."""

import types

import pytest

from benchmarks import counted, gpu, gpu_cases, process, show


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path, monkeypatch):
  device = {"platform": "cpu", "name": "cpu", "count": 1}
  monkeypatch.setattr(gpu.machine, "limit", lambda *_, **__: device)
  out = tmp_path / "out"
  with pytest.raises(SystemExit, match="no GPU here"):
    gpu.main([f"--out={out}"])
  assert not out.exists()


def test_what_is_kept_is_the_whole_table(capsys):
  for words in (["--tiny"], ["--only=gpt"]):
    with pytest.raises(SystemExit):
      gpu.arguments(["--keep", *words])
  assert "--keep" in capsys.readouterr().err


def test_both_sizes_have_the_same_models():
  assert list(gpu_cases.FULL) == list(gpu_cases.TINY)


def test_the_flops_are_those_that_are_known():
  # GPT-2 small: 6 N per token over its 124 M less the positions, and
  # attention of 12 layers at half.
  params = 12 * 12 * 768**2 + 50257 * 768
  per_token = 6 * params + 6 * 12 * 1024 * 768
  found = gpu_cases.FULL["gpt"].flops("gpt")
  assert found == pytest.approx(1024 * per_token)
  # ViT-B/16 at 224: 17.6e9 multiply-adds forward.
  found = gpu_cases.FULL["vit"].flops("vit")
  assert found == pytest.approx(6 * 17.6e9, rel=0.02)
  assert gpu_cases.FULL["resnet"].flops("resnet") == counted.RESNET50
  assert gpu_cases.TINY["resnet"].flops("resnet") is None


def test_a_budget_that_is_spent_is_told():
  given = types.SimpleNamespace(budget=100.0)
  found = {gpu.OURS: "1"}
  told = gpu.one("gpt", gpu.OURS, given, {}, found, 5.0)
  assert told == "no time left of 100 s"


def test_a_model_without_a_peer_is_shown():
  given = types.SimpleNamespace(tiny=False, eager=False, scale=1.0)
  entry = process.Measured(1.0, 100.0, 0.1, 2**20, device=2**30)
  taken = {"gpt": {gpu.OURS: entry, gpu.PEER: "not installed"}}
  case = gpu.cases(taken, given, 1e15)["gpt"]
  flops = gpu_cases.FULL["gpt"].flops("gpt")
  assert case["tools"][gpu.OURS]["share"] == pytest.approx(flops * 1e-13)
  result = {
    "date": "today",
    "command": "python -m benchmarks.gpu",
    "rounds": 1,
    "threads": 1,
    "machine": {"processor": "x", "cores": 2, "load": 0.1},
    "device": "1 x card",
    "versions": {},
    "matmul": 1e15,
    "dtype": "bfloat16",
    "cases": {"gpt": case},
  }
  text = show.markdown(result)
  rows = [line for line in text.splitlines() if line.startswith("| ")]
  assert rows[2].endswith("| 1,024 |")
  assert "| PyTorch, compiled, bf16 | not installed |" in text
  assert "Device: 1 x card." in text
  assert len({row.count("|") for row in rows}) == 1


@pytest.mark.drill
@pytest.mark.slow
def test_all_models_go_through_on_a_cpu(tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "")
  result = gpu.main(["--tiny", f"--out={tmp_path}"])
  for name, case in result["cases"].items():
    ours, peer = case["tools"][gpu.OURS], case["tools"][gpu.PEER]
    assert ours["rate"]["median"] > 0, name
    assert "problem" not in peer or peer["problem"] == "not installed", name
  assert (tmp_path / "results.md").exists()
