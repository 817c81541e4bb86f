"""Stands in for launch.py: a run of the same files that takes no time.

Its config may hold, at its top, `fail` (exit with this code and a line),
`sleep` (seconds per step) and `steps`; each step is kept, and a rerun goes on
from it. Validation comes nearer to `score` with every step; a real config
scores the better the nearer its learning rate is to 0.01, sleeps for
$STUB_SLEEP and fails where the rate is above $STUB_MOST. SIGTERM or SIGUSR1
ends it with 75.
"""

import json
import math
import os
import pathlib
import random
import signal
import sys
import time

DESCRIBED = {
  "auroc": {"title": "AUROC", "clause": "of ranks", "better": "more"},
  "accuracy": {"title": "Accuracy", "clause": "share", "better": "more"},
  "f1": {"title": "F1", "clause": "mean", "better": "more"},
}
INFO = {
  "_noun_": "medfm.types.Info",
  "name": "toy",
  "inputs": {},
  "target": {
    "_noun_": "medfm.tasks.multiclass.Classes",
    "names": ["well", "ill"],
    "counts": [],
  },
}


def main():
  given = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
  place = pathlib.Path(given["workdir"])
  config = json.loads(pathlib.Path(given["config"]).read_text())
  (place / "config.json").write_text(json.dumps(config))
  for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, stopped)
  count = place / "metrics.jsonl"
  done = len(count.read_text().splitlines()) if count.exists() else 0
  steps = config.get("steps", 1)
  for step in range(done, steps):
    time.sleep(config.get("sleep", float(os.environ.get("STUB_SLEEP", 0))))
    reached = {"validation/auroc": score(config) * (step + 1) / steps}
    with count.open("a") as file:
      file.write(json.dumps({"step": step + 1} | reached) + "\n")
  rate = config.get("optimizer", {}).get("lr", 0)
  if rate > float(os.environ.get("STUB_MOST", "inf")):
    sys.exit(f"error: the rate {rate} is too large")
  if config.get("fail"):
    print("a line of no interest")
    print(f"error: it was told to fail with {config['fail']}")
    sys.exit(config["fail"])
  metric = {"value": score(config), "low": 0.4, "high": 0.6}
  split = {"n": 10, "sha256": "s", "metrics": {"auroc": metric}}
  stage = {
    "step": steps,
    "select": config.get("select", "").removeprefix("-"),
    "task": "medfm.tasks.multiclass",
    "described": DESCRIBED,
    "data": {
      "name": "toy",
      "classes": ["well", "ill"],
      "card": {"fingerprint": config.get("fingerprint", "f")},
    },
    "splits": {"validation": split, "test": split},
  }
  (place / "predictions.csv").write_text(predictions(config))
  results = {"finished": True, "stages": {"train": stage}}
  (place / "results.json").write_text(json.dumps(results))
  (place / "info.json").write_text(json.dumps(INFO))
  (place / "report.html").write_text("report")


def stopped(number, frame):
  print("error: stopped")
  sys.exit(75)


def score(config):
  if "optimizer" in config:
    return 1 - abs(math.log10(config["optimizer"]["lr"]) + 2) / 4
  return config.get("score", 0.5)


def predictions(config):
  """Of sixty patients; the better the score, the less noise."""
  lines = ["stage,split,id,patient,label,predicted,prob_well,prob_ill"]
  draw = random.Random(config.get("seed", 0))
  for i in range(60):
    noise = draw.uniform(0, 1)
    prob = score(config) * (i % 2) + noise * 0.4
    label, said = ("well", "ill")[i % 2], ("well", "ill")[prob > 0.5]
    lines.append(f"train,test,{i},p{i},{label},{said},{1 - prob},{prob}")
  return "\n".join(lines) + "\n"


main()
