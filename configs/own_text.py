"""Learn from your own texts, without writing code.

      python launch.py --config=configs/own_text.py \
        --config.data.path=notes.csv --config.data.label=diagnosis \
        --config.data.document=patient
Then:  python launch.py --mode=predict --workdir=runs/own_text --input=new.csv

CSV, TSV or JSON lines. From public weights of a BERT or GPT-2 in the Hugging
Face layout, which also give the settings and the tokenizer:

      python launch.py --config=configs/own_text.py:weights=models/BiomedBERT \
        --config.data.path=notes.csv --config.data.label=diagnosis

Models: bert, gpt, rnn. Tasks: multiclass, multilabel, regression. The variant
lora trains only adapters and the head. Sizes: full, tiny.
"""

from medfm import optim, settings
from medfm.data import orders
from medfm.data.text import own as own_text
from medfm.data.text import tokenizers
from medfm.evals import baselines
from medfm.explain import examples
from medfm.models import bert, gpt, rnn
from medfm.objectives import classify, lora, regress
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants
from medfm.weights import public

OBJECTIVES = {
  each.__name__: each
  for each in (classify.multiclass, classify.multilabel, regress.regression)
}
MODELS = {"bert": bert.Bert, "gpt": gpt.GPT, "rnn": rnn.RNN}


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    model=("", *MODELS),
    task=tuple(OBJECTIVES),
    adapt=("all", "lora"),
    size=("full", "tiny"),
    weights=(),
  )
  task, weights = chosen["task"], chosen["weights"]
  tiny = chosen["size"] == "tiny"
  if weights:
    _, model = public.model(weights, MODELS, chosen["model"])
    tokenizer = bind(tokenizers.loaded, path=weights)
  else:
    model, tokenizer = fresh(chosen["model"] or "bert", tiny)
  regression = OBJECTIVES[task] is regress.regression
  objective = bind(OBJECTIVES[task], model=model)
  if chosen["adapt"] == "lora":
    objective = bind(lora.lora, objective=objective)
  config = spec(
    settings.Run,
    name="own_text",
    description="Your own texts.",
    data=bind(
      own_text.own_text,
      path="",
      label=("label",),
      task=task,
      tokenizer=tokenizer,
      length=min(64 if tiny else 256, model.get("length", 256)),
    ),
    objective=objective,
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=5e-4 if not weights or chosen["adapt"] == "lora" else 3e-5,
      schedule="linear",
      warmup=0.1,
      weight_decay=1e-2,
      lr_rules=lora.LR_RULES if chosen["adapt"] == "lora" else (),
    ),
    batch_size=8 if tiny else 16,
    epochs=5 if weights else 20,
    start=spec(
      settings.Start, weights=weights, fresh=(r"(^|/)(head|pooler)/", "^lora/")
    ),
    schedule=spec(settings.Schedule, select="r2" if regression else "auroc"),
    order=bind(orders.by_length),
    # A language model's file may lack the pooler, and have a decoder.
    evaluators={
      "baselines": bind(
        baselines.baselines,
        names=("mean", "tfidf_ridge")
        if regression
        else ("majority", "tfidf_logistic_regression"),
      ),
      "examples": bind(examples.examples),
    },
  )
  return shrunk(config) if tiny else config


def fresh(name: str, tiny: bool):
  """A model from scratch, and the tokenizer to learn for it."""
  width, depth = (16, 1) if tiny else (256, 4)
  tokenizer = tokenizers.byte_bpe if name == "gpt" else tokenizers.wordpiece
  small = {"width": width, "depth": depth, "heads": 4}
  models = {
    "bert": small,
    "gpt": small,
    "rnn": {"width": width},
  }
  return (
    bind(MODELS[name], **models[name]),
    bind(tokenizer, vocabulary=600 if tiny else 8192),
  )
