"""How do a network and classical models compare on a clinical table?

Run:  python launch.py --config=configs/table.py:cleveland
      python launch.py --config=configs/table.py:diabetes130,mlp
Sets: UCI's clinical tables, wisconsin, and diabetes130 (readmission within
30 days, 71,518 patients). Models: transformer, mlp.
"""

from medfm import optim, settings
from medfm.data.datasets import diabetes130, uci_clinical, wisconsin
from medfm.evals import baselines
from medfm.models import mlp, tabular_transformer
from medfm.objectives import classify
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    data=(*uci_clinical.STUDIES, "wisconsin", "diabetes130"),
    model=("transformer", "mlp"),
    size=("full", "tiny"),
  )
  name, tiny = chosen["data"], chosen["size"] == "tiny"
  large = name == "diabetes130"
  sets = {
    "wisconsin": bind(wisconsin.wisconsin),
    "diabetes130": bind(diabetes130.diabetes130),
  }
  models = {
    "transformer": bind(
      tabular_transformer.TabularTransformer,
      width=16 if tiny else 64,
      depth=1 if tiny else 3,
      heads=4,
    ),
    "mlp": bind(mlp.MLP, widths=(16,) if tiny else (128, 128), dropout=0.1),
  }
  config = spec(
    settings.Run,
    name=f"{chosen['model']}-{name}",
    description=f"{chosen['model']} and classical models on {name}.",
    data=sets.get(name) or bind(uci_clinical.uci_clinical, name=name),
    objective=bind(classify.multiclass, model=models[chosen["model"]]),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-3,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-4,
    ),
    batch_size=512 if large else 16,
    epochs=5 if large else 50,
    schedule=spec(settings.Schedule, select="auroc"),
    evaluators={
      "baselines": bind(
        baselines.baselines, names=("logistic_regression", "gradient_boosting")
      )
    },
  )
  return shrunk(config) if tiny else config
