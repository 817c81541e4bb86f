"""Mark structures or objects in your own pictures, without writing code.

Give a folder of images and one of masks, paired by their names, or a CSV file
with a column of each:

      python launch.py --config=configs/own_masks.py \
        --config.data.images=pictures/ --config.data.masks=drawn/ \
        --config.data.structures=lung,heart
      python launch.py --config=configs/own_masks.py \
        --config.data.path=pairs.csv --config.data.image=file \
        --config.data.mask=mask --config.data.patient=patient
Then:  python launch.py --mode=predict --workdir=runs/own_masks --input=new/

which writes a mask for each new picture. PNG, JPEG, TIFF, BMP and DICOM of any
size. A mask has the numbers 1, 2, ... of the structures (or 255 for the only
one). --config.data.style says if it is otherwise: `structures`, a file for each
structure; `instances`, a number for each object; `objects`, a file for each
object. The last two are scored by average precision, too.
Images in colour: --config.data.channels=3. Large ones: --config.data.side=512
learns from them at that longer side. Where left and right, or top and bottom,
may be exchanged: --config.augment.mirror=0,1. Masks with soft edges, as in
JPEG: --config.data.threshold=128. Network, patch and batch are planned from the
training images (configs/segment.py).
"""

from medfm import optim, settings
from medfm.augment import intensity, marked
from medfm.data.transforms import patches
from medfm.data.volumes import own_masks
from medfm.evals import baselines
from medfm.explain import regions
from medfm.models import unet
from medfm.objectives import segment
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants


def get_config(arg: str = ""):
  tiny = variants(arg, size=("full", "tiny"))["size"] == "tiny"
  planning = {"width": 2, "patch": (32, 32), "batch_size": 2} if tiny else {}
  config = spec(
    settings.Run,
    name="own_masks",
    description="Regions in your own pictures.",
    data=bind(own_masks.own_masks, **planning),
    objective=bind(segment.regions, model=bind(unet.UNet)),
    transforms=(bind(patches.patch),),
    augment=bind(
      marked.regions,
      changes=(
        bind(intensity.brightness_contrast, brightness=0.0, contrast=0.25),
        bind(intensity.gamma),
        bind(intensity.noise, most=0.03, probability=0.15),
      ),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=3e-3,
      schedule="cosine",
      warmup=0.05,
      weight_decay=1e-3,
      clip_norm=12.0,
    ),
    batch_size=0,
    epochs=100,
    schedule=spec(settings.Schedule, select="dice", evaluate_every=200),
    evaluators={
      "baselines": bind(baselines.baselines),
      "overlays": bind(regions.overlays),
    },
  )
  return shrunk(config) if tiny else config
