"""Pre-train on your own images with a text each, without writing code.

Give a CSV that names an image file and holds its text (a caption, a report),
and perhaps a patient, groups and a split:

      python launch.py --config=configs/own_image_text.py \
        --config.data.path=scans.csv --config.data.image=file \
        --config.data.text=report --config.data.patient=patient

The report then shows retrieval within each split, of the text that belongs to
an image and of the image that belongs to a text: recall at 1, 5 and 10 beside
the chance level. With a column of
labels, the classes are also asked for by sentences (zero shot), beside a linear
probe and the majority class:

      python launch.py --config=configs/own_image_text.py:classes \
        --config.data.path=scans.csv --config.data.image=file \
        --config.data.text=report --config.data.label=diagnosis \
        --config.data.patient=patient \
        --config.evaluators.zero_shot.templates="A chest X-ray of {}." \
        --config.evaluators.zero_shot.classes="no=a healthy lung"

Losses: clip, siglip. Image towers: resnet, vit. Equal texts in a batch are
right answers for each other (--config.objective.same_caption). From public
weights of CLIP in the layout of Hugging Face, which also give the model's sizes
and tokenizer and the size and scaling of images:

      python launch.py --config=configs/own_image_text.py:weights=models/clip \
        --config.data.path=scans.csv --config.data.image=file \
        --config.data.text=report
"""

from medfm import optim, settings
from medfm.data.captions import own
from medfm.data.text import tokenizers
from medfm.evals import baselines, probes, retrieval, zero_shot
from medfm.models import gpt, resnet, two_towers, vit
from medfm.nn import inputs
from medfm.objectives import image_text
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants
from medfm.weights import images, public

LOSSES = {"clip": image_text.clip, "siglip": image_text.siglip}
LENGTH = 77


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    loss=tuple(LOSSES),
    tower=("resnet", "vit"),
    labels=("", "classes"),
    size=("full", "tiny"),
    weights=(),
  )
  weights = chosen["weights"]
  tiny, asked = chosen["size"] == "tiny", bool(chosen["labels"])
  evaluators = {"retrieval": bind(retrieval.retrieval)}
  if asked:
    evaluators |= {
      "baselines": bind(baselines.baselines, names=("majority",)),
      "probes": bind(probes.probes, names=("linear",)),
      "zero_shot": bind(zero_shot.zero_shot, templates=("{}",)),
    }
  tokenizer = bind(tokenizers.wordpiece, vocabulary=512 if tiny else 8192)
  pixels, scaling = {"size": 16 if tiny else 128}, {"mean": 0.5, "std": 0.5}
  model = towers(chosen["tower"], tiny)
  if weights:
    _, model = public.model(weights, {"two_towers": two_towers.TwoTowers})
    scaling = images.wanted(weights)
    pixels = {"size": scaling.pop("size"), "channels": scaling["channels"]}
    tokenizer = bind(tokenizers.loaded, path=weights)
  config = spec(
    settings.Run,
    name="own_image_text",
    description="Your own images with their texts.",
    data=bind(
      own.own_image_text,
      path="",
      task="multiclass" if asked else "none",
      **pixels,
      tokenizer=tokenizer,
      length=16 if tiny and not weights else LENGTH,
    ),
    objective=bind(
      LOSSES[chosen["loss"]],
      model=model,
      inputs=bind(inputs.image, **scaling),
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=1e-5 if weights else 5e-4,
      schedule="cosine",
      warmup=0.1,
      weight_decay=0.1,
      clip_norm=1.0,
    ),
    batch_size=8 if tiny else 128,
    epochs=10 if weights else 30,
    start=spec(settings.Start, weights=weights),
    schedule=spec(settings.Schedule, log_every=5, select="-loss"),
    evaluators=evaluators,
  )
  return shrunk(config) if tiny else config


def towers(name: str, tiny: bool):
  """The image tower of that name, and a text tower of GPT's kind."""
  images = {
    "resnet": bind(
      resnet.ResNet,
      depth=10 if tiny else 18,
      width=4 if tiny else 64,
      norm="group",
    ),
    "vit": bind(
      vit.ViT,
      patch=8 if tiny else 16,
      width=16 if tiny else 192,
      depth=1 if tiny else 6,
      heads=2 if tiny else 3,
    ),
  }
  text = bind(
    gpt.GPT,
    width=16 if tiny else 256,
    depth=1 if tiny else 4,
    heads=2 if tiny else 4,
    length=LENGTH,
    dropout=0.0,
  )
  return bind(
    two_towers.TwoTowers,
    encoders={"image": images[name], "text": text},
    width=16 if tiny else 256,
  )
