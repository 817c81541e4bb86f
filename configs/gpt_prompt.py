"""What does a causal model say of a text when it is only asked?

A GPT gets a text, perhaps after a few labelled texts (shots); its answer is the
class whose name is likeliest to follow. Nothing is trained on the labels. The
report shows every prompt's score and the spread of the scores, with and
without contextual calibration (Zhao et al. 2021), beside the majority class
and TF-IDF with logistic regression on all training labels.

Run:  python launch.py --config=configs/gpt_prompt.py:pubmedqa
      python launch.py --config=configs/gpt_prompt.py:medical_abstracts
      python launch.py --config=configs/gpt_prompt.py:pubmedqa,tiny  (seconds)
With existing weights, from a finished run of gpt_pretrain.py or a folder of
public GPT-2 weights with its tokenizer.json, which also gives the model's
sizes:
      python launch.py --config=configs/gpt_prompt.py:pubmedqa,gpt2 \
        --config.stages.*.start.weights=DIR \
        --config.stages.*.data.tokenizer.path=DIR
Sources: pretrain (the model of gpt_pretrain.py, as a first stage), modern and
gpt2 (existing weights of either layout; for other sizes set
--config.stages.*.objective.model.width and so on). Sizes: full, tiny.
"""

from medfm import optim, settings
from medfm.data.datasets import corpus, medical_abstracts, prompted, pubmedqa
from medfm.data.text import tokenizers
from medfm.evals import baselines, prompts
from medfm.models import gpt
from medfm.objectives import language
from medfm.objectives import prompted as objectives
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

TASKS = {
  "pubmedqa": {
    "source": bind(pubmedqa.source),
    "template": "Abstract: {pair}\nQuestion: {text}\nAnswer:",
    "answers": (" no", " maybe", " yes"),
  },
  "medical_abstracts": {
    "source": bind(medical_abstracts.source),
    "template": "Abstract: {text}\nTopic:",
  },
}
SHORT = {
  "pubmedqa": {"template": "Question: {text}\nAnswer:", "room": 96},
  "medical_abstracts": {"room": 256},
}
"""Settings of the tiny variant of each task."""

SHOTS = {"pubmedqa": (0, 1, 3), "medical_abstracts": (0, 1, 5)}
SIZES = {
  "modern": {"width": 192, "depth": 4, "heads": 6, "hidden": 512},
  "gpt2": {"width": 768, "depth": 12, "heads": 12},
  "tiny": {"width": 16, "depth": 1, "heads": 2},
}
MODERN = {"rotary": True, "norm": "rms", "gated": True, "activation": "silu"}


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    task=tuple(TASKS),
    source=("pretrain", "modern", "gpt2"),
    size=("full", "tiny"),
  )
  task, source = chosen["task"], chosen["source"]
  tiny = chosen["size"] == "tiny"
  layout = "gpt2" if source == "gpt2" else "modern"
  length = 512 if tiny else 1024
  model = bind(
    gpt.GPT,
    **SIZES["tiny" if tiny else layout],
    **(MODERN if layout == "modern" else {}),
    length=length,
    dropout=0.0,
  )
  learnt = bind(tokenizers.byte_bpe, vocabulary=1024 if tiny else 4096)
  sets = (task,) if tiny else corpus.SETS
  stages = {}
  if source == "pretrain":
    stages["pretrain"] = _pretrain(model, learnt, sets, tiny)
    tokenizer = bind(corpus.tokenizer, sets=sets, learnt=learnt)
  else:
    tokenizer = bind(tokenizers.loaded, path="")
  for shots in (0, 1) if tiny else SHOTS[task]:
    data = TASKS[task] | (SHORT[task] if tiny else {})
    several = shots > 0
    stages[f"shots_{shots}"] = spec(
      settings.Run,
      data=bind(
        prompted.prompted,
        **data,
        shots=shots,
        draws=2 if several else 1,
        orders=3 if several else 1,
        tokenizer=tokenizer,
        length=length,
      ),
      objective=bind(objectives.prompted, model=model),
      batch_size=16,
      steps=0,
      start=spec(
        settings.Start, weights="pretrain" if source == "pretrain" else ""
      ),
      evaluators={
        "baselines": bind(
          baselines.baselines, names=("majority", "tfidf_logistic_regression")
        ),
        "prompts": bind(prompts.prompts),
      },
    )
  asked = [name for name in stages if name != "pretrain"]
  config = spec(
    settings.Study,
    name=f"gpt_prompt-{task}",
    description="What does a causal model say of a text when it is only asked?",
    stages=stages,
    compare=tuple((name, "shots_0") for name in asked[1:]),
  )
  return shrunk(config) if tiny else config


def _pretrain(model, learnt, sets, tiny):
  """The stage of `gpt_pretrain.py`."""
  return spec(
    settings.Run,
    data=bind(
      corpus.corpus, sets=sets, tokenizer=learnt, length=64 if tiny else 512
    ),
    objective=bind(language.causal_lm, model=model),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=2e-3,
      schedule="cosine",
      warmup=0.1,
      end_factor=0.1,
      weight_decay=0.1,
      decay_rules=((r"kernel$", 1.0), (".*", 0.0)),
      clip_norm=1.0,
    ),
    batch_size=16,
    steps=600,
    schedule=spec(
      settings.Schedule,
      evaluate_every=100,
      checkpoint_every=100,
      log_every=20,
      select="-loss",
    ),
  )
