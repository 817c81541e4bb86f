"""What does a small BERT learn from biomedical text without labels?

Masked language modelling (Devlin et al. 2019) on the text of the training
splits of eight public biomedical sets, never of a validation or test split,
packed into rows whose documents do not see each other. The report gives the
size of the corpus and the perplexity of hidden tokens on held-out documents.
A BERT first learns only how common each token is, and much later to use the
tokens around it; small batches and many steps take it that far.

Seen in one run (seed 0, jax 0.12.0.1, 2026-11-28): test perplexity 44.9 of a
hidden token after 16,720 steps, 1.6 million parameters, 11 minutes on two CPU
cores. At that time weight decay also applied to norms, biases and embeddings.

Run:  python launch.py --config=configs/bert_pretrain.py
      python launch.py --config=configs/bert_pretrain.py:base   (a GPU)
      python launch.py --config=configs/bert_pretrain.py:next_sentence
      python launch.py --config=configs/bert_pretrain.py \
        --config.data.path=notes.txt                 (your own texts beside)
Then: python launch.py --config=configs/bert_finetune.py:bc5cdr \
        --config.start.weights=runs/bert_pretrain
"""

from medfm import optim, settings
from medfm.data.datasets import corpus, sentence_pairs
from medfm.models import bert
from medfm.objectives import language
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

MODELS = {
  "small": {"width": 128, "depth": 2, "heads": 2, "length": 512},
  "mini": {"width": 256, "depth": 4, "heads": 4, "length": 512},
  "base": {"width": 768, "depth": 12, "heads": 12, "length": 512},
  "tiny": {"width": 16, "depth": 1, "heads": 2, "length": 512},
}


def get_config(arg: str = ""):
  chosen = variants(arg, size=tuple(MODELS), task=("masked", "next_sentence"))
  size, paired = chosen["size"], chosen["task"] == "next_sentence"
  tiny = size == "tiny"
  config = spec(
    settings.Run,
    name=f"bert_{size}-pretrain",
    description="Masked language modelling on biomedical text.",
    data=bind(
      sentence_pairs.sentence_pairs if paired else corpus.corpus,
      sets=("pubmedqa",) if tiny else corpus.SETS,
    ),
    objective=bind(
      language.masked_lm,
      model=bind(bert.Bert, **MODELS[size]),
      next_sentence=paired,
    ),
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
  return shrunk(config) if tiny else config
