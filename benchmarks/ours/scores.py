"""All metrics of a split with intervals from 1,000 replicates, repeatedly."""

import numpy as np

from benchmarks.peers import arguments, lines
from medfm.evals import scores
from medfm.tasks import multiclass
from medfm.types import Info

REPLICATES = 1000


def main() -> None:
  given = arguments.parsed()
  data = np.load(f"{given.data}/predictions.npz")
  classes = tuple(f"class{k}" for k in range(data["probs"].shape[1]))
  info = Info("benchmark", {}, multiclass.Classes(classes))
  lines.say(1, given.steps, 0.0)
  for done in range(REPLICATES, given.steps + 1, REPLICATES):
    result = scores.scores(
      multiclass,
      info,
      {"label": data["label"]},
      {"probs": data["probs"]},
      replicates=REPLICATES,
    )
    auroc = result["metrics"]["auroc"]["value"]
    lines.say(1 + done, given.steps, 1 - auroc)


if __name__ == "__main__":
  main()
