"""The benchmark's cases as configs of the project's own `launch.py`.

Models, data reader, input, train loop, progress lines and checkpoints are the
product's; evaluation is left to the end of the run, which a measurement does
not reach. `benchmarks.run` sets data.path, batch_size, steps and log_every.
"""

from medfm import optim, setup
from medfm.data.datasets import own_images, own_table
from medfm.models import cnn, mlp, resnet, tabular_transformer
from medfm.objectives import classify
from medfm.spec import bind, spec
from medfm.variants import variants

NEVER = 10**9


def get_config(arg: str = ""):
  model = variants(arg, model=("cnn", "resnet", "mlp", "transformer"))["model"]
  images = model in ("cnn", "resnet")
  return spec(
    setup.Run,
    name=f"benchmark-{model}",
    data=bind(own_images.own_images, path="", size=28)
    if images
    else bind(own_table.own_table, path="", label="label", split_column="part"),
    objective=bind(classify.multiclass, model=MODELS[model]),
    optimizer=OPTIMIZERS[model],
    steps=100,
    evaluate_every=NEVER,
    checkpoint_every=NEVER,
    replicates=10,
  )


MODELS = {
  "cnn": bind(cnn.CNN),
  "resnet": bind(resnet.ResNet, depth=18, stem="imagenet"),
  "mlp": bind(mlp.MLP, widths=(128, 128), dropout=0.1),
  "transformer": bind(
    tabular_transformer.TabularTransformer, width=64, depth=3, heads=4
  ),
}
OPTIMIZERS = {
  "cnn": bind(optim.optimizer, name="adam", lr=1e-3),
  "resnet": bind(
    optim.optimizer, name="sgd", lr=0.01, options={"momentum": 0.9}
  ),
  "mlp": bind(optim.optimizer, name="adamw", lr=1e-3, weight_decay=1e-4),
  "transformer": bind(
    optim.optimizer, name="adamw", lr=1e-3, weight_decay=1e-4
  ),
}
