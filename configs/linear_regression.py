"""Does gradient descent find the least-squares solution of y = wx + b?

One-year disease progression from ten measurements. The report shows the
learned coefficients beside those of the closed form.

Data: diabetes, 442 patients, in scikit-learn.
Run:  python launch.py --config=configs/linear_regression.py
"""

from medfm import optim, settings
from medfm.data.datasets import diabetes
from medfm.evals import baselines, coefficients
from medfm.models import linear
from medfm.objectives import regress
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants


def get_config(arg: str = ""):
  tiny = variants(arg, size=("full", "tiny"))["size"] == "tiny"
  config = spec(
    settings.Run,
    name="linear_regression",
    description="Does gradient descent find the least-squares solution of "
    "y = wx + b?",
    data=bind(diabetes.diabetes),
    objective=bind(regress.regression, model=bind(linear.Linear)),
    optimizer=bind(optim.optimizer, name="gradient_descent", lr=0.2),
    batch_size=0,
    steps=10_000,
    schedule=spec(
      settings.Schedule,
      evaluate_every=1000,
      checkpoint_every=1000,
      log_every=500,
    ),
    evaluators={
      "baselines": bind(baselines.baselines, names=("least_squares", "mean")),
      "coefficients": bind(coefficients.coefficients),
    },
  )
  return shrunk(config) if tiny else config
