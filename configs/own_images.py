"""Classify your own images, without writing code.

Give a folder with one folder per class, or a CSV that names an image file, a
label, and perhaps a patient and groups (sex, site, ...):

      python launch.py --config=configs/own_images.py \
        --config.data.path=scans/
      python launch.py --config=configs/own_images.py \
        --config.data.path=scans.csv --config.data.image=file \
        --config.data.label=diagnosis --config.data.patient=patient \
        --config.data.groups=sex,site
Then:  python launch.py --mode=predict --workdir=runs/own_images --input=new/

PNG, JPEG and DICOM, 8 and 16 bit. With several CSV columns or `;` between
labels choose the variant multilabel, with a number to predict regression.
"""

from medfm import optim, setup
from medfm.data.datasets import own_images
from medfm.data.transforms import images as transforms
from medfm.models import resnet
from medfm.nn import inputs
from medfm.objectives import classify, regress
from medfm.spec import bind, spec
from medfm.variants import variants

OBJECTIVES = {
  "multiclass": classify.multiclass,
  "multilabel": classify.multilabel,
  "regression": regress.regression,
}


def get_config(arg: str = ""):
  chosen = variants(arg, task=tuple(OBJECTIVES), size=("full", "tiny"))
  task, tiny = chosen["task"], chosen["size"] == "tiny"
  return spec(
    setup.Run,
    name="own_images",
    description="Your own images.",
    data=bind(
      own_images.own_images, path="", task=task, size=16 if tiny else 64
    ),
    objective=bind(
      OBJECTIVES[task],
      model=bind(
        resnet.ResNet,
        depth=10 if tiny else 18,
        width=8 if tiny else 64,
        norm="group",
      ),
      inputs=bind(inputs.image, channels=3),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=5e-4,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-2,
    ),
    transforms=(bind(transforms.shift), bind(transforms.flip_horizontal)),
    batch_size=8 if tiny else 32,
    epochs=30,
    steps=4 if tiny else 0,
    evaluate_every=2 if tiny else 0,
    log_every=2 if tiny else 10,
    select="r2" if task == "regression" else "auroc",
    baselines=("ridge",) if task == "regression" else ("logistic_regression",),
    replicates=50 if tiny else 1000,
  )
