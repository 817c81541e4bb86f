"""The benchmark's cases as configs of the project's own `launch.py`.

Models, data reader, input, train loop, progress lines and checkpoints are the
product's; evaluation is left to the end of the run, which a measurement does
not reach. `benchmarks.run` sets data.path, batch_size, steps and log_every.
"""

from medfm import optim, settings
from medfm.augment import colour, geometry
from medfm.data.datasets import corpus
from medfm.data.images import own as own_images
from medfm.data.tables import own as own_table
from medfm.data.text import own as own_text
from medfm.data.text import tokenizers
from medfm.data.transforms import patches
from medfm.data.volumes import own_masks
from medfm.models import (
  bert,
  cnn,
  gpt,
  mlp,
  resnet,
  rnn,
  tabular_transformer,
  unet,
  vit,
)
from medfm.objectives import (
  classify,
  contrastive,
  language,
  masked_image,
  segment,
)
from medfm.spec import bind, spec
from medfm.variants import variants

NEVER = 10**9


def get_config(arg: str = ""):
  model = variants(arg, model=tuple(MODELS))["model"]
  return spec(
    settings.Run,
    name=f"benchmark-{model}",
    data=DATA[model],
    objective=bind(
      OBJECTIVES[model], model=MODELS[model], **OPTIONS.get(model, {})
    ),
    transforms=TRANSFORMS.get(model, ()),
    optimizer=OPTIMIZERS[model],
    steps=100,
    schedule=spec(
      settings.Schedule, evaluate_every=NEVER, checkpoint_every=NEVER
    ),
    evaluation=spec(settings.Evaluation, replicates=10),
    devices=spec(settings.Devices, onednn=model in ("bert", "gpt")),
  )


_IMAGES = bind(own_images.own_images, path="", size=28)
_TABLE = bind(own_table.own_table, path="", label="label", split_column="part")
_VOCABULARY = bind(tokenizers.loaded, path="")
_TEXTS = bind(
  own_text.own_text,
  path="",
  label="label",
  split_column="part",
  tokenizer=_VOCABULARY,
  length=200,
)
_CORPUS = bind(
  corpus.corpus, sets=(), path="", tokenizer=_VOCABULARY, length=128
)
_VOLUMES = bind(
  own_masks.own_masks,
  path="",
  structures=("one", "two"),
  axes=3,
  split_column="part",
  patch=(40, 56, 40),
  width=16,
)
DATA = {
  "cnn": _IMAGES,
  "resnet": _IMAGES,
  "mlp": _TABLE,
  "transformer": _TABLE,
  "lstm": _TEXTS,
  "bert": _CORPUS,
  "gpt": _CORPUS,
  "mae": _IMAGES,
  "simclr": _IMAGES,
  "unet3d": _VOLUMES,
}
_SIZE = {"width": 256, "depth": 4, "heads": 4, "length": 128}
MODELS = {
  "cnn": bind(cnn.CNN),
  "resnet": bind(resnet.ResNet, depth=18, stem="imagenet"),
  "mlp": bind(mlp.MLP, widths=(128, 128), dropout=0.1),
  "transformer": bind(
    tabular_transformer.TabularTransformer, width=64, depth=3, heads=4
  ),
  "lstm": bind(
    rnn.RNN, width=128, bidirectional=False, pooling="last", dropout=0.1
  ),
  "bert": bind(bert.Bert, **_SIZE),
  "gpt": bind(gpt.GPT, **_SIZE),
  "mae": bind(vit.ViT, patch=8, width=192, depth=6, heads=3, pooling="mean"),
  "simclr": bind(resnet.ResNet, depth=18, width=32),
  "unet3d": bind(unet.UNet),
}
OBJECTIVES = dict.fromkeys(MODELS, classify.multiclass) | {
  "bert": language.masked_lm,
  "gpt": language.causal_lm,
  "mae": masked_image.masked_image,
  "simclr": contrastive.simclr,
  "unet3d": segment.regions,
}
OPTIONS = {
  "mae": {"width": 96, "depth": 2, "heads": 3},
  "simclr": {
    "changes": (
      bind(geometry.resized_crop),
      bind(geometry.flip),
      bind(colour.jitter),
    )
  },
}
TRANSFORMS = {"unet3d": (bind(patches.patch),)}
_ADAM = bind(optim.optimizer, name="adam", lr=1e-3)
_ADAMW = bind(optim.optimizer, name="adamw", lr=1e-3, weight_decay=1e-4)
_PRETRAIN = bind(optim.optimizer, name="adamw", lr=1e-4, weight_decay=0.01)
OPTIMIZERS = {
  "cnn": _ADAM,
  "resnet": bind(
    optim.optimizer, name="sgd", lr=0.01, options={"momentum": 0.9}
  ),
  "mlp": _ADAMW,
  "transformer": _ADAMW,
  "lstm": _ADAM,
  "bert": _PRETRAIN,
  "gpt": _PRETRAIN,
  "mae": _ADAMW,
  "simclr": _ADAMW,
  "unet3d": _ADAMW,
}
