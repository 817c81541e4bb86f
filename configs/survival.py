"""When does it happen, and who is at risk? Survival with censored follow-up.

Run:  python launch.py --config=configs/survival.py:metabric
      python launch.py --config=configs/survival.py:gbsg,hazards
Sets: metabric, gbsg (trained on Rotterdam, tested on the GBSG trial), whas,
gbsg2, actg320, breast_cancer, flchain, veteran, whas500, and with competing
risks bmt, cgvhd (always by hazards). Objectives: cox, hazards (discrete
time). Models: mlp, linear, transformer. They are compared with Kaplan-Meier,
Cox and a random survival forest (pip install 'medfm[survival]').
docs/studies.md has results of three seeds of metabric and gbsg, and what has
changed since.
"""

from medfm import optim, settings
from medfm.data.datasets import survival as cohorts
from medfm.evals import baselines
from medfm.models import linear, mlp, tabular_transformer
from medfm.objectives import survival
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

OBJECTIVES = {"cox": survival.cox, "hazards": survival.discrete_hazards}


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    data=tuple(cohorts.COHORTS),
    objective=tuple(OBJECTIVES),
    model=("mlp", "linear", "transformer"),
    size=("full", "tiny"),
  )
  name, tiny = chosen["data"], chosen["size"] == "tiny"
  competing = len(cohorts.COHORTS[name].causes) > 1
  cox = chosen["objective"] == "cox" and not competing
  models = {
    "mlp": bind(mlp.MLP, widths=(16,) if tiny else (64, 64), dropout=0.3),
    "linear": bind(linear.Linear),
    "transformer": bind(
      tabular_transformer.TabularTransformer,
      width=16 if tiny else 32,
      depth=1 if tiny else 2,
      heads=4,
      dropout=0.2,
    ),
  }
  objective = OBJECTIVES["cox" if cox else "hazards"]
  config = spec(
    settings.Run,
    name=f"{chosen['model']}-{'cox' if cox else 'hazards'}-{name}",
    description=f"Survival on {name}: a network and classical models.",
    data=bind(cohorts.survival, name=name),
    objective=bind(objective, model=models[chosen["model"]]),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=3e-3,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-2,
    ),
    batch_size=0,  # All examples: Cox takes its risk sets from the batch.
    steps=300,
    schedule=spec(settings.Schedule, evaluate_every=10, select="c_index"),
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=("kaplan_meier", "cox", "random_survival_forest"),
      )
    },
  )
  return shrunk(config) if tiny else config
