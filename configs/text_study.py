"""How many labels does pre-training on biomedical text stand in for?

A small BERT is pre-trained on the training texts of eight public sets and
fine-tuned with 1, 10 and 100 % of the labels of three tasks: triage of
abstracts (medical_abstracts), what a chemical does to a gene (chemprot), and
chemicals and diseases in sentences (bc5cdr). Beside it stand the same model
from scratch and TF-IDF with logistic regression (a dictionary for entities)
on the same labels. The report draws each task's curve.

Run:  python launch.py --config=configs/text_study.py
      python launch.py --config=configs/text_study.py:tiny
Nineteen stages; hours on two CPU cores.
"""

from medfm import optim, settings
from medfm.data import orders
from medfm.data.datasets import corpus, text_tasks
from medfm.evals import baselines
from medfm.explain import examples
from medfm.models import bert
from medfm.objectives import classify, language
from medfm.spec import bind, spec
from medfm.tasks import multiclass, tags
from medfm.variants import shrunk, variants

TASKS = ("medical_abstracts", "chemprot", "bc5cdr")
PERCENT = (1, 10, 100)
STEPS = {1: 200, 10: 500, 100: 1500}
OBJECTIVES = {multiclass: classify.multiclass, tags: language.token_labels}


def get_config(arg: str = ""):
  tiny = variants(arg, size=("full", "tiny"))["size"] == "tiny"
  width, depth = (16, 1) if tiny else (128, 2)
  model = bind(bert.Bert, width=width, depth=depth, heads=2)
  sets = ("pubmedqa",) if tiny else corpus.SETS
  stages = {
    "pretrain": spec(
      settings.Run,
      data=bind(corpus.corpus, sets=sets),
      objective=bind(language.masked_lm, model=model),
      optimizer=_optimizer(1e-3),
      batch_size=8 if tiny else 16,
      epochs=16,
      schedule=spec(settings.Schedule, log_every=20, select="-loss"),
      devices=spec(settings.Devices, onednn=True),
    )
  }
  compare = []
  for name in TASKS[:1] if tiny else TASKS:
    task = text_tasks.TASKS[name]
    for percent in PERCENT[2:] if tiny else PERCENT:
      steps = STEPS[percent]
      for start in ("finetune", "scratch"):
        stages[f"{name}_{start}_{percent}"] = spec(
          settings.Run,
          data=bind(
            task.dataset,
            length=task.length,
            tokenizer=bind(corpus.tokenizer, sets=sets),
            **task.settings,
          ),
          objective=bind(OBJECTIVES[task.task], model=model),
          optimizer=_optimizer(5e-4),
          batch_size=8 if tiny else 16,
          steps=steps,
          start=spec(
            settings.Start, weights="pretrain" if start == "finetune" else ""
          ),
          schedule=spec(
            settings.Schedule,
            evaluate_every=steps // 5,
            log_every=20,
            select=task.metric,
          ),
          label_fraction=percent / 100,
          order=bind(orders.by_length),
          evaluators={
            "baselines": bind(baselines.baselines),
            "examples": bind(examples.examples),
          },
        )
      compare.append(
        (f"{name}_finetune_{percent}", f"{name}_scratch_{percent}")
      )
  config = spec(
    settings.Study,
    name="text_study",
    description="How many labels does pre-training on biomedical text stand "
    "in for?",
    stages=stages,
    compare=tuple(compare),
  )
  return shrunk(config) if tiny else config


def _optimizer(lr):
  return bind(
    optim.optimizer,
    lr=lr,
    schedule="linear",
    warmup=0.1,
    weight_decay=0.01,
    clip_norm=1.0,
  )
