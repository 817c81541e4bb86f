"""Learn from your own table, without writing code.

      python launch.py --config=configs/own_table.py \
        --config.data.path=cohort.csv --config.data.label=readmitted \
        --config.data.patient=patient_id --config.data.groups=sex,site
Then:  python launch.py --mode=predict --workdir=runs/own_table --input=new.csv

The training rows decide whether a column holds numbers or categories; the model
is told which values are missing. For several label columns choose the variant
multilabel (--config.data.label=a,b), to predict a number regression. The
variant survival reads a time and an event instead of a label:

      python launch.py --config=configs/own_table.py:survival \
        --config.data.path=cohort.csv --config.data.time=days \
        --config.data.event=died --config.data.unit=days
(causes=1=relapse,2=death names several; see medfm/data/datasets/survival.py).
"""

from medfm import optim, settings
from medfm.data.datasets import survival as cohorts
from medfm.data.tables import own as own_table
from medfm.evals import baselines
from medfm.models import tabular_transformer
from medfm.objectives import classify, regress, survival
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

LABELS = (classify.multiclass, classify.multilabel, regress.regression)
OBJECTIVES = {each.__name__: each for each in LABELS} | dict(
  survival=survival.discrete_hazards
)
SELECT = {regress.regression: "r2", survival.discrete_hazards: "c_index"}
RIVALS = {
  regress.regression: ("ridge",),
  survival.discrete_hazards: ("kaplan_meier", "cox", "random_survival_forest"),
}


def get_config(arg: str = ""):
  chosen = variants(arg, task=tuple(OBJECTIVES), size=("full", "tiny"))
  task, tiny = chosen["task"], chosen["size"] == "tiny"
  objective = OBJECTIVES[task]
  config = spec(
    settings.Run,
    name="own_table",
    description="Your own table.",
    data=bind(own_table.own_table, path="", label="", task=task)
    if objective in LABELS
    else bind(cohorts.own, path="", time="", event=""),
    objective=bind(
      objective,
      model=bind(
        tabular_transformer.TabularTransformer,
        width=16 if tiny else 64,
        depth=1 if tiny else 3,
        heads=4,
      ),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-3,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-4,
    ),
    batch_size=8 if tiny else 32,
    epochs=50,
    schedule=spec(settings.Schedule, select=SELECT.get(objective, "auroc")),
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=RIVALS.get(
          objective, ("logistic_regression", "gradient_boosting")
        ),
      )
    },
  )
  return shrunk(config) if tiny else config
