"""Settings by which few texts make a small vocabulary."""

from medfm.data.text import tokenizers
from medfm.spec import bind, build

SMALL = {"tokenizer": bind(tokenizers.wordpiece, vocabulary=300), "length": 32}


def settings(**given):
  return {**SMALL, "tokenizer": build(SMALL["tokenizer"]), **given}
