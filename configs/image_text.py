"""What do an image tower and a text tower learn from pairs of both?

clip: every picture looks for its text among all texts of the batch, and back
(Radford et al. 2021). siglip: every picture and text is asked whether they
belong together (Zhai et al. 2023). Equal captions, as templates give, are right
answers for each other. Afterwards the classes are asked for by sentences alone
(zero shot), beside a linear probe and the majority class, and pictures are
found by their texts and texts by their pictures, beside the chance level.

Run:  python launch.py --config=configs/image_text.py:busi,clip
      python launch.py --config=configs/image_text.py:busi,siglip
      python launch.py --config=configs/image_text.py:tiny          (seconds)
Set: busi, breast ultrasound with template captions that only say the class
again. What is learnt from them is therefore the class, which is no evidence of
what real reports would give; bring your own with configs/own_image_text.py.
Sizes: full, tiny.
"""

from medfm import optim, settings
from medfm.augment import recipes, views
from medfm.data.datasets import busi_captions
from medfm.data.text import tokenizers
from medfm.evals import baselines, probes, retrieval, zero_shot
from medfm.models import gpt, resnet, two_towers
from medfm.nn import inputs
from medfm.objectives import image_text
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

LOSSES = {"clip": image_text.clip, "siglip": image_text.siglip}
TEMPLATES = (
  "An ultrasound image of breast with {} findings.",
  "A B-mode ultrasound of breast, consistent with {}.",
  "This sonogram of breast is consistent with a {} diagnosis.",
  "Breast ultrasound: {}.",
)


def get_config(arg: str = ""):
  chosen = variants(
    arg, data=("busi",), loss=tuple(LOSSES), size=("full", "tiny")
  )
  tiny = chosen["size"] == "tiny"
  config = spec(
    settings.Run,
    name=f"{chosen['loss']}-{chosen['data']}",
    description="Contrastive pre-training on pictures and their texts.",
    data=bind(
      busi_captions.busi_captions,
      size=32 if tiny else 64,
      tokenizer=bind(tokenizers.wordpiece, vocabulary=1024),
    ),
    objective=bind(
      LOSSES[chosen["loss"]],
      model=towers(tiny),
      inputs=bind(inputs.image, mean=0.5, std=0.5),
    ),
    augment=bind(views.augmented, changes=recipes.grey(share=(0.5, 1.0))),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-3,
      schedule="cosine",
      warmup=0.1,
      weight_decay=0.05,
      clip_norm=1.0,
    ),
    batch_size=16 if tiny else 64,
    epochs=30,
    schedule=spec(settings.Schedule, log_every=5),
    evaluators={
      "baselines": bind(baselines.baselines, names=("majority",)),
      "probes": bind(probes.probes, names=("linear",)),
      "zero_shot": bind(zero_shot.zero_shot, templates=TEMPLATES),
      "retrieval": bind(retrieval.retrieval),
    },
  )
  return shrunk(config) if tiny else config


def towers(tiny: bool):
  """A residual network, and a transformer that reads from left to right."""
  return bind(
    two_towers.TwoTowers,
    encoders={
      "image": bind(
        resnet.ResNet,
        depth=10,
        width=4 if tiny else 16,
        norm="group",
      ),
      "text": bind(
        gpt.GPT,
        width=16 if tiny else 128,
        depth=1 if tiny else 2,
        heads=2 if tiny else 4,
        length=32,
        dropout=0.0,
      ),
    },
    width=16 if tiny else 128,
  )
