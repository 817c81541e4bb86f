"""Find entities in your own texts, without writing code.

      python launch.py --config=configs/own_iob.py \
        --config.data.path=train.iob --config.data.test_path=test.iob
Then:  python launch.py --mode=predict --workdir=runs/own_iob --input=new.txt

CoNLL or IOB files: one word and its tag per line, a tab between them, a blank
line after each sentence. From public weights of a BERT in the Hugging Face
layout, which also give the settings and the tokenizer:

      python launch.py --config=configs/own_iob.py:weights=models/BiomedBERT \
        --config.data.path=train.iob

Models: bert, rnn. Sizes: full, tiny.
"""

from medfm import optim, settings
from medfm.data import orders
from medfm.data.text import own_iob, tokenizers
from medfm.evals import baselines
from medfm.explain import examples
from medfm.models import bert, rnn
from medfm.objectives import language
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants
from medfm.weights import public

MODELS = {"bert": bert.Bert, "rnn": rnn.RNN}


def get_config(arg: str = ""):
  chosen = variants(arg, model=("", *MODELS), size=("full", "tiny"), weights=())
  tiny, weights = chosen["size"] == "tiny", chosen["weights"]
  width = 16 if tiny else 256
  if weights:
    name, model = public.model(weights, MODELS, chosen["model"])
    tokenizer = bind(tokenizers.loaded, path=weights)
  else:
    name = chosen["model"] or "bert"
    layers = {"depth": 1 if tiny else 4, "heads": 4} if name == "bert" else {}
    model = bind(MODELS[name], width=width, **layers)
    tokenizer = bind(tokenizers.wordpiece, vocabulary=600 if tiny else 8192)
  if name == "bert":
    model.pooling = "mean"  # All tokens are read out, not only [CLS].
  config = spec(
    settings.Run,
    name="own_iob",
    description="Entities in your own texts.",
    data=bind(
      own_iob.own_iob,
      path="",
      tokenizer=tokenizer,
      length=min(64 if tiny else 128, model.get("length", 128)),
    ),
    objective=bind(language.token_labels, model=model),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=5e-5 if weights else 5e-4,
      schedule="linear",
      warmup=0.1,
      weight_decay=1e-2,
    ),
    batch_size=8 if tiny else 16,
    epochs=10 if weights else 20,
    start=spec(
      settings.Start,
      weights=weights,
      unused=(r"(^|/)(head|pooler)/", "^decoder/", "^lora/"),
    ),
    schedule=spec(settings.Schedule, select="f1"),
    order=bind(orders.by_length),
    evaluators={
      "baselines": bind(baselines.baselines, names=("dictionary",)),
      "examples": bind(examples.examples),
    },
  )
  return shrunk(config) if tiny else config
