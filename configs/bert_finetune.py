"""How well does a small BERT read a biomedical text task?

One of the public tasks: entities (bc5cdr, bc2gm, linnaeus), relations
(chemprot, ddi2013), questions (pubmedqa), documents (hallmarks_of_cancer,
medical_abstracts), sentences (pubmed_rct). From scratch, from what
bert_pretrain.py learnt, or from public weights:

Run:  python launch.py --config=configs/bert_finetune.py:bc5cdr
      python launch.py --config=configs/bert_finetune.py:bc5cdr \
        --config.start.weights=runs/bert_pretrain
      python launch.py \
        --config=configs/bert_finetune.py:bc5cdr,weights=models/BiomedBERT
      python launch.py --config=configs/bert_finetune.py:bc5cdr,compare

Public weights are a folder in the Hugging Face layout; the model's settings and
the tokenizer are read from it. `compare` is a study: pre-training, then this
task after it and from scratch. With public weights, `compare` uses them instead
of pre-training, and compares with the same model with fresh weights.
What is trained: everything (full), only the heads (frozen, with a linear and a
nearest-neighbour probe), heads and low-rank changes (lora), or everything with
lower rates towards the input (layerwise). In a study this holds for the
pre-trained arm.

Compare with the classical model shown beside each; the published numbers, on
each task's card, took pre-training on millions of papers.
"""

from medfm import optim, settings
from medfm.data import orders
from medfm.data.datasets import corpus, text_tasks
from medfm.data.text import tokenizers
from medfm.evals import baselines, probes
from medfm.explain import examples
from medfm.models import bert
from medfm.objectives import classify, language, lora
from medfm.spec import bind, spec
from medfm.tasks import multiclass, multilabel, tags
from medfm.variants import shrunk, variants
from medfm.weights import public

MODELS = {
  "small": {"width": 128, "depth": 2, "heads": 2},
  "mini": {"width": 256, "depth": 4, "heads": 4},
  "base": {"width": 768, "depth": 12, "heads": 12},
  "tiny": {"width": 16, "depth": 1, "heads": 2},
}
RATES = {"small": 5e-4, "mini": 2e-4, "base": 5e-5, "tiny": 1e-3}
OBJECTIVES = {
  multiclass: classify.multiclass,
  multilabel: classify.multilabel,
  tags: language.token_labels,
}

PARTIAL = {
  "fresh": (r"(^|/)(head|pooler)/", "^lora/"),
  "unused": (r"(^|/)(head|pooler)/", "^decoder/", "^lora/"),
}
"""A language model's file may lack the pooler and have unused leaves."""


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    task=tuple(text_tasks.TASKS),
    study=("alone", "compare"),
    trained=("full", "frozen", "lora", "layerwise"),
    size=tuple(MODELS),
    weights=(),
  )
  weights = chosen["weights"]
  name, size, trained = chosen["task"], chosen["size"], chosen["trained"]
  if chosen["study"] == "alone":
    config = _finetuning(name, size, trained, weights, start=weights)
  else:
    before = {} if weights else {"pretrain": _pretraining(size)}
    config = spec(
      settings.Study,
      name=f"bert_{size}-{name}",
      description=f"Does pre-training on biomedical text help on {name}?",
      stages={
        **before,
        "finetune": _finetuning(
          name, size, trained, weights, start=weights or "pretrain"
        ),
        "scratch": _finetuning(name, size, "full", weights),
      },
      compare=(("finetune", "scratch"),),
    )
  return shrunk(config) if size == "tiny" else config


def _pretraining(size):
  """As configs/bert_pretrain.py."""
  return spec(
    settings.Run,
    data=bind(corpus.corpus, sets=_sets(size)),
    objective=bind(language.masked_lm, model=_model(size)),
    optimizer=bind(
      optim.optimizer,
      lr=1e-4 if size == "base" else 1e-3,
      schedule="linear",
      warmup=0.1,
      weight_decay=0.01,
      clip_norm=1.0,
    ),
    batch_size={"tiny": 8, "base": 64}.get(size, 16),
    epochs=16,
    schedule=spec(settings.Schedule, log_every=20, select="-loss"),
    devices=spec(settings.Devices, onednn=True),
  )


def _finetuning(name, size, trained, weights, start=""):
  """weights: a folder whose model and tokenizer are used, or ""."""
  task = text_tasks.TASKS[name]
  factory, model = OBJECTIVES[task.task], _model(size)
  words = factory is language.token_labels
  tokenizer = bind(corpus.tokenizer, sets=_sets(size))
  if weights:
    _, model = public.model(weights, {"bert": bert.Bert})
    tokenizer = bind(tokenizers.loaded, path=weights)
    if words:
      model.pooling = "mean"  # All tokens are read out, not only [CLS].
  objective = bind(factory, model=model)
  rules = {
    "full": (),
    "frozen": ((r"(^|/)head/", 1.0), (".*", 0.0)),
    "lora": lora.LR_RULES,
    "layerwise": optim.layerwise(
      groups=optim.transformer_layers(model.depth), decay=0.8
    ),
  }[trained]
  frozen = trained == "frozen"
  if trained == "lora":
    objective = bind(lora.lora, objective=objective)
  return spec(
    settings.Run,
    name=f"bert_{size}-{name}",
    description=f"A BERT fine-tuned on {name}.",
    data=bind(
      task.dataset,
      length=min(task.length, model.get("length", task.length)),
      tokenizer=tokenizer,
      **task.settings,
    ),
    objective=objective,
    optimizer=bind(
      optim.optimizer,
      lr=RATES["base" if weights else size]
      * (4 if trained in ("frozen", "lora") else 1),
      schedule="linear",
      warmup=0.1,
      weight_decay=0.01,
      clip_norm=1.0,
      lr_rules=rules,
    ),
    batch_size=8 if size == "tiny" else task.rows,
    epochs=task.epochs,
    start=spec(
      settings.Start, weights=start, **(PARTIAL if weights and start else {})
    ),
    schedule=spec(settings.Schedule, log_every=20, select=task.metric),
    order=bind(orders.by_length),
    evaluators={
      "baselines": bind(baselines.baselines),
      "examples": bind(examples.examples),
      **({"probes": bind(probes.probes)} if frozen and not words else {}),
    },
  )


def _model(size):
  return bind(bert.Bert, **MODELS[size])


def _sets(size):
  """What the tokenizer and the pre-training learn from."""
  return ("pubmedqa",) if size == "tiny" else corpus.SETS
