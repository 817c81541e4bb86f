"""Where in a volume or a picture is each structure?

A small residual U-Net (16 features in the first stage, one block a stage),
planned by rules like nnU-Net's (Isensee et al. 2021, doi
10.1038/s41592-020-01008-z): patch, depth and batch follow
from the training images and from the memory that a step may take, and are
printed at the start. It learns from patches by Dice loss and cross-entropy and
predicts by a sliding window. There is no cascade and no ensemble. Archives are
fetched by hand; for the hippocampus: pip install -e .[imaging].

hippocampus: head and body in MRI, the decathlon's task 04. Published: nnU-Net
  about .90 and .89 on its hidden test set. Classical models on our split: mean
  label map .714, voxel-wise boosting .823.
nuclei: single nuclei in fluorescence, Data Science Bowl 2018. Otsu's threshold
  and components on our split: pixel Dice .895, mean AP .464 (docs/studies.md).
lungs: in the chest X-rays of the COVID-19 image data collection that come with
  masks, which a network drew: too few to conclude anything.

Run:  python launch.py --config=configs/segment.py:hippocampus
      python launch.py --config=configs/segment.py:nuclei
Sets: hippocampus, nuclei, lungs. Sizes: full, tiny. Several networks of
different seeds: --sweep --config.seed=0,1,2.
"""

from medfm import optim, settings
from medfm.augment import intensity, marked
from medfm.data.datasets import covid_lungs, decathlon, dsb2018
from medfm.data.transforms import patches
from medfm.evals import baselines
from medfm.explain import regions
from medfm.models import unet
from medfm.objectives import segment
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

STEPS = {"hippocampus": 1800, "nuclei": 2400, "lungs": 300}
LR = {"hippocampus": 1e-2, "nuclei": 3e-3, "lungs": 3e-3}
RIVALS = {
  "hippocampus": ("atlas", "voxel_boosting"),
  "nuclei": ("otsu",),
  "lungs": ("atlas", "otsu"),
}
MIRROR = {"hippocampus": (0,), "nuclei": (0, 1), "lungs": (1,)}
"""In training, and in prediction, whose logits are averaged."""

MOVED = {"hippocampus": 0.5, "nuclei": 0.3, "lungs": 0.3}
"""How likely a training example is turned and zoomed."""

SELECT = {"hippocampus": "dice", "nuclei": "mean_ap", "lungs": "dice"}


def get_config(arg: str = ""):
  chosen = variants(arg, data=tuple(STEPS), size=("full", "tiny"))
  name, tiny = chosen["data"], chosen["size"] == "tiny"
  data = {
    "hippocampus": bind(decathlon.hippocampus),
    "nuclei": bind(dsb2018.nuclei, patch=(128, 128), batch_size=8),
    "lungs": bind(covid_lungs.lungs, batch_size=4),
  }[name]
  if tiny and name == "hippocampus":
    data.update(width=2, patch=(16, 16, 16), batch_size=2, counts=(6, 2, 3))
  elif tiny and name == "lungs":
    data.update(width=2, patch=(32, 32), batch_size=2, side=32)
  elif tiny:
    small = {"train": 6, "validation": 2, "test": 3}
    data.update(width=2, patch=(32, 32), batch_size=2, **small)
  config = spec(
    settings.Run,
    name=f"segment-{name}",
    description=f"Segmentation of {name} by a residual U-Net.",
    data=data,
    objective=bind(segment.regions, model=bind(unet.UNet), mirror=MIRROR[name]),
    transforms=(bind(patches.patch),),
    augment=bind(
      marked.regions,
      mirror=MIRROR[name],
      probability=MOVED[name],
      changes=(
        bind(intensity.brightness_contrast, brightness=0.0, contrast=0.25),
        bind(intensity.gamma, span=(0.7, 1.5)),
        bind(intensity.noise, most=0.03, probability=0.15),
      ),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=LR[name],
      schedule="cosine",
      warmup=0.05,
      weight_decay=1e-3,
      clip_norm=12.0,
    ),
    batch_size=0,
    steps=STEPS[name],
    schedule=spec(
      settings.Schedule,
      log_every=10,
      evaluate_every=STEPS[name] // 3,
      select=SELECT[name],
    ),
    evaluators={
      "baselines": bind(baselines.baselines, names=RIVALS[name]),
      "overlays": bind(regions.overlays),
    },
  )
  return shrunk(config) if tiny else config
