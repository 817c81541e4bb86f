"""Does pre-training on unlabelled records help when labels are few?

A small transformer over table columns is pre-trained to restore hidden values
of the training patients' records, without their labels, and then fine-tuned
to tell malignant from benign with 5, 10, 25 and 100 % of the labels. The same
model from scratch and a logistic regression see the same patients.

Data: Wisconsin diagnostic breast cancer, 569 patients, in scikit-learn.
Run:  python launch.py --config=configs/quickstart.py        (two CPU cores)
      python launch.py --config=configs/quickstart.py:tiny   (seconds)
"""

from medfm import optim, settings
from medfm.data.datasets import wisconsin
from medfm.evals import baselines
from medfm.models import tabular_transformer
from medfm.objectives import classify, masked_features
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

PERCENT = (5, 10, 25, 100)


def get_config(arg: str = ""):
  tiny = variants(arg, size=("full", "tiny"))["size"] == "tiny"
  data = bind(wisconsin.wisconsin)
  model = bind(
    tabular_transformer.TabularTransformer,
    width=16 if tiny else 64,
    depth=1 if tiny else 3,
    heads=4,
  )
  stages = {
    "pretrain": spec(
      settings.Run,
      data=data,
      batch_size=16,
      objective=bind(masked_features.masked_features, model=model),
      optimizer=bind(optim.optimizer, lr=1e-3, schedule="cosine", warmup=0.1),
      steps=2000,
      schedule=spec(settings.Schedule, log_every=20, select="-loss"),
    )
  }
  for percent in PERCENT:
    for start in ("finetune", "scratch"):
      stages[f"{start}_{percent}"] = spec(
        settings.Run,
        data=data,
        batch_size=16,
        objective=bind(classify.multiclass, model=model),
        optimizer=bind(optim.optimizer, lr=5e-4, schedule="cosine", warmup=0.1),
        steps=300,
        start=spec(
          settings.Start,
          weights="pretrain" if start == "finetune" else "",
          fresh=("^model/head/",),
        ),
        schedule=spec(
          settings.Schedule,
          evaluate_every=25,
          checkpoint_every=100,  # With few labels an epoch is one step.
          log_every=20,
          select="auroc",
        ),
        label_fraction=percent / 100,
        evaluators={
          "baselines": bind(baselines.baselines, names=("logistic_regression",))
        },
      )
  config = spec(
    settings.Study,
    name="quickstart",
    description="Does pre-training on unlabelled records help when labels "
    "are few?",
    stages=stages,
    compare=tuple((f"finetune_{p}", f"scratch_{p}") for p in PERCENT),
  )
  if tiny:
    shrunk(config).stages.pretrain.schedule.evaluate_every = 0
  return config
