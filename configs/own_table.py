"""Learn from your own table, without writing code.

      python launch.py --config=configs/own_table.py \
        --config.data.path=cohort.csv --config.data.label=readmitted \
        --config.data.patient=patient_id --config.data.groups=sex,site
Then:  python launch.py --mode=predict --workdir=runs/own_table --input=new.csv

Numbers and categories are told apart by what the training rows hold; missing
values are learnt as such. For several label columns choose the variant
multilabel (--config.data.label=a,b), for a number to predict regression.
"""

from medfm import optim, settings
from medfm.data.tables import own as own_table
from medfm.evals import baselines
from medfm.models import tabular_transformer
from medfm.objectives import classify, regress
from medfm.spec import bind, spec
from medfm.variants import variants

OBJECTIVES = {
  each.__name__: each
  for each in (classify.multiclass, classify.multilabel, regress.regression)
}


def get_config(arg: str = ""):
  chosen = variants(arg, task=tuple(OBJECTIVES), size=("full", "tiny"))
  task, tiny = chosen["task"], chosen["size"] == "tiny"
  regression = OBJECTIVES[task] is regress.regression
  return spec(
    settings.Run,
    name="own_table",
    description="Your own table.",
    data=bind(own_table.own_table, path="", label="", task=task),
    objective=bind(
      OBJECTIVES[task],
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
    steps=4 if tiny else 0,
    schedule=spec(
      settings.Schedule,
      evaluate_every=2 if tiny else 0,
      log_every=2 if tiny else 10,
      select="r2" if regression else "auroc",
    ),
    evaluation=spec(
      settings.Evaluation,
      replicates=50 if tiny else 1000,
    ),
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=("ridge",)
        if regression
        else ("logistic_regression", "gradient_boosting"),
      )
    },
  )
