"""How well does a small GPT learn to continue biomedical text?

Next-token prediction on the training texts of eight public sets (abstracts,
sentences, drug labels), without texts held out anywhere; a byte-level BPE is
learnt from the same texts. The report's data card says how much text that is
(36,257 documents, 1.6 million words) and the result is the perplexity of
held-out documents.

Seen in one run (seed 0, 2026-11-24): test perplexity 53.6 per token after 600
steps, 2.6 million parameters, 111 test rows of 512 tokens; about 25 minutes on
two CPU cores.

Run:  python launch.py --config=configs/gpt_pretrain.py          (two CPU cores)
      python launch.py --config=configs/gpt_pretrain.py:tiny     (seconds)
Then: python launch.py --mode=generate --workdir=runs/gpt_pretrain \
        --input=prompts.txt
Layouts: modern (rotary positions, RMS norm, gated SiLU: rows may be longer in
use than in training), gpt2 (can be exported as GPT-2); each part is also a flag
such as --config.objective.model.norm=layer.
Sizes: small, base (as wide and deep as GPT-2; for a GPU), tiny. Texts of your
own beside them: --config.data.path=notes.jsonl.
"""

from medfm import optim, settings
from medfm.data.datasets import corpus
from medfm.data.text import tokenizers
from medfm.models import gpt
from medfm.objectives import language
from medfm.spec import bind, spec
from medfm.variants import shrunk, variants

SIZES = {
  "small": {"width": 192, "depth": 4, "heads": 6, "length": 512},
  "base": {"width": 768, "depth": 12, "heads": 12, "length": 1024},
  "tiny": {"width": 16, "depth": 1, "heads": 2, "length": 64},
}
MODERN = {"rotary": True, "norm": "rms", "gated": True, "activation": "silu"}


def get_config(arg: str = ""):
  chosen = variants(arg, size=tuple(SIZES), layout=("modern", "gpt2"))
  size = chosen["size"]
  tiny, base = size == "tiny", size == "base"
  shape = SIZES[size]
  if chosen["layout"] == "modern":  # Three matrices as large as GPT-2's two.
    shape = shape | MODERN | {"hidden": shape["width"] * 8 // 3}
  config = spec(
    settings.Run,
    name="gpt_pretrain",
    description="How well does a small GPT learn to continue biomedical text?",
    data=bind(
      corpus.corpus,
      sets=("ddi2013",) if tiny else corpus.SETS,
      tokenizer=bind(
        tokenizers.byte_bpe, vocabulary=512 if tiny else 16384 if base else 4096
      ),
      length=shape["length"],
    ),
    objective=bind(
      language.causal_lm,
      model=bind(gpt.GPT, **shape, dropout=0.1 if base else 0.0),
      chunks=8 if base else 1,
    ),
    optimizer=bind(
      optim.optimizer,
      name="adamw",
      lr=6e-4 if base else 2e-3,
      schedule="cosine",
      warmup=0.1,
      end_factor=0.1,
      weight_decay=0.1,
      decay_rules=((r"kernel$", 1.0), (".*", 0.0)),
      clip_norm=1.0,
    ),
    batch_size=4 if tiny else 16,
    steps=3000 if base else 600,
    schedule=spec(
      settings.Schedule,
      evaluate_every=100,
      checkpoint_every=100,
      log_every=20,
      select="-loss",
    ),
  )
  return shrunk(config) if tiny else config
