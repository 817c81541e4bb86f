"""Learn from your own whole slides, without writing code.

Give a folder with one folder per class, or a CSV that names a slide's file, a
label, and perhaps a patient and groups:

      python launch.py --config=configs/own_slides.py \
        --config.data.path=slides/
      python launch.py --config=configs/own_slides.py:ordered \
        --config.data.path=slides.csv --config.data.image=file \
        --config.data.label=stage --config.data.classes=I,II,III,IV \
        --config.data.patient=patient
Then:  python launch.py --mode=predict --workdir=runs/own_slides --input=new.svs

Tiles of 224 pixels at 0.5 micrometres each (--config.data.mpp, .tile_px) are
cut where there is tissue, and embedded once: by colours and textures, or by the
last stage of a run on images, of whatever objective:

      python launch.py --config=configs/own_slides.py \
        --config.data.path=slides/ --config.data.embed.workdir=runs/own_images
Attention over the tiles (Ilse et al. 2018) then learns from the labels of whole
slides. Poolings: gated, attention, mean, max. The report shows tiles and heat
maps with --config.evaluators.heatmaps.show=true. Variants: ordered (stages,
grades), multilabel, regression.
"""

from medfm import embedder, optim, settings
from medfm.data.slides import own
from medfm.evals import baselines
from medfm.explain import heatmaps
from medfm.models import mil
from medfm.objectives import classify, ordered, regress
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

LABELS = (classify.multiclass, classify.multilabel, regress.regression)
OBJECTIVES = {each.__name__: each for each in LABELS} | dict(
  ordered=ordered.continuation_ratio
)
SELECT = {
  regress.regression: "r2",
  ordered.continuation_ratio: "quadratic_kappa",
}
RIVALS = {
  regress.regression: ("ridge",),
  ordered.continuation_ratio: ("logistic_regression", "ordinal_logistic"),
}


def get_config(arg: str = ""):
  chosen = variants(
    arg, task=tuple(OBJECTIVES), pooling=mil.POOLINGS, size=("full", "tiny")
  )
  task, tiny = chosen["task"], chosen["size"] == "tiny"
  objective = OBJECTIVES[task]
  config = spec(
    settings.Run,
    name="own_slides",
    description="Your own slides.",
    data=bind(
      own.own_slides,
      path="",
      task=task,
      tile_px=32 if tiny else 224,
      mpp=0.5,
      embed=bind(embedder.encoder),
    ),
    objective=bind(
      objective,
      model=bind(
        mil.MIL,
        pooling=chosen["pooling"],
        width=16 if tiny else 128,
        hidden=8 if tiny else 64,
        dropout=0.25,
      ),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-3,
      schedule="cosine",
      warmup=0.1,
      weight_decay=1e-2,
    ),
    batch_size=8,
    epochs=60,
    schedule=spec(settings.Schedule, select=SELECT.get(objective, "auroc")),
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=RIVALS.get(objective, ("logistic_regression",)),
      ),
      "heatmaps": bind(heatmaps.heatmaps),
    },
  )
  return shrunk(config) if tiny else config
