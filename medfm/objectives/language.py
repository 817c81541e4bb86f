"""Language: hidden tokens, next tokens, and a label for every token.

Terms are [B] and `weight` is the share of a row's places that count, so that
the weighted mean over rows is the mean over tokens, however texts are padded,
packed or divided into batches. Perplexity is exp of that mean.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from medfm import rng
from medfm.data.text import input as text_input
from medfm.nn import forward, text
from medfm.nn.activation import activation
from medfm.nn.dropout import Dropout
from medfm.nn.transformer import normal, normalisation
from medfm.objectives import masking
from medfm.objectives.backbone import backbone, expect_task, known_mean
from medfm.tasks import language, tags
from medfm.types import Info, Objective, UserError


def masked_lm(
  info: Info,
  *,
  model: Callable,
  mask_rate: float = 0.15,
  whole_word: bool = False,
  next_sentence: bool = False,
) -> Objective:
  """Restores hidden tokens from both sides (Devlin et al. 2019).

  The hidden tokens are drawn anew at every step (`masking.masked`), and logits
  are computed only for them. Terms: `loss`, `accuracy`, `weight`. `predict`
  hides by a fixed key and returns the terms, and `embedding` with nothing
  hidden.

  model: a model of tokens that looks both ways, such as `bert.Bert`; the
    decoder shares its token embedding, `decoder` has the rest.
  next_sentence: also predicts from the embedding whether the second text of a
    pair follows the first (`next_sentence` [B] of the data); training adds
    this loss to that of the tokens, `predict` keeps them separate.
  """
  special = text_input.only(info).special
  if not 0 < mask_rate < 1:
    raise UserError(f"mask_rate={mask_rate} is outside (0, 1)")
  if "mask" not in special:
    raise UserError(
      f"objective: the tokenizer of {info.name} has no [MASK] token; use "
      "medfm.objectives.language.causal_lm or a BERT's tokenizer"
    )
  net = backbone(info, model, outputs=0)
  decoder = TiedDecoder(
    net.vocabulary, getattr(net, "epsilon", 1e-12), next_sentence
  )

  def init(key, batch):
    key, other = jax.random.split(key)
    variables = forward.init(net, key, batch)
    outputs, _ = forward.apply(net, variables, batch)
    table = variables["params"]["model"]["embed_tokens"]["embedding"]
    states = (outputs["tokens"][:, :1], table, outputs["embedding"])
    return forward.with_decoder(variables, decoder, other, *states)

  def terms_of(variables, batch, mask_key, **training):
    if next_sentence and "next_sentence" not in batch:
      raise UserError(
        "next_sentence=True needs pairs of texts: set data to "
        "medfm.data.datasets.sentence_pairs, or objective.next_sentence=False"
      )
    tokens, places, known = masking.masked(
      batch, info, mask_key, rate=mask_rate, whole_word=whole_word
    )
    outputs, updates = forward.apply(
      net, variables, {**batch, "tokens": tokens}, **training
    )
    table = variables["params"]["model"]["embed_tokens"]["embedding"]
    states = text.at(outputs["tokens"], places)
    (logits, follows), _ = forward.apply(
      decoder, variables, states, table, outputs["embedding"], scope="decoder"
    )
    label = jnp.take_along_axis(batch["tokens"], places, 1)
    terms = _means(*_token_terms(logits, label), known, tokens.shape[1])
    if next_sentence:
      losses, right = _token_terms(follows, batch["next_sentence"])
      terms |= {"next_sentence_loss": losses, "next_sentence_accuracy": right}
    return terms, updates

  def loss(variables, batch, key):
    mask_key, key = jax.random.split(key)
    terms, updates = terms_of(variables, batch, mask_key, train=True, key=key)
    total = terms["loss"] + terms.get("next_sentence_loss", 0)
    return terms | {"loss": total}, updates

  def predict(variables, batch):
    terms, _ = terms_of(variables, batch, rng.stream(0, "masked_lm/evaluation"))
    clean, _ = forward.apply(net, variables, batch)
    return terms | {"embedding": clean["embedding"]}

  return Objective(init, loss, predict, task=language, net=net)


def causal_lm(info: Info, *, model: Callable, chunks: int = 1) -> Objective:
  """Predicts each token from those before it, within its segment.

  Terms: `loss`, `accuracy`, `weight`. `predict` returns the terms, `embedding`,
  and `log_probs` [B,L], of each token given those before it (0 for the first
  token and padding): their sum over an answer is its log-likelihood.

  model: a model of tokens that only looks back, such as `gpt.GPT`.
  chunks: logits [B,L,V] are computed in so many parts of L, again for the
    gradient, so that they are never all in memory; must divide L.
  """
  text_input.only(info)
  net = backbone(info, model, outputs=0)

  def scored(variables, batch, **training):
    """Outputs, updates, the next token's loss [B,L], and where it is known."""
    outputs, updates = forward.apply(net, variables, batch, **training)
    table = variables["params"]["model"]["embed_tokens"]["embedding"]
    tokens, after = batch["tokens"], ((0, 0), (0, 1))
    segment = batch.get("segment", jnp.ones_like(tokens))
    known = (segment[:, 1:] == segment[:, :-1]) & (segment[:, 1:] > 0)
    label, known = jnp.pad(tokens[:, 1:], after), jnp.pad(known, after)
    losses, right = _in_chunks(chunks, outputs["tokens"], label, table)
    terms = _means(losses, right, known, known.shape[1])
    return outputs, updates, terms, jnp.where(known, -losses, 0)

  def loss(variables, batch, key):
    _, updates, terms, _ = scored(variables, batch, train=True, key=key)
    return terms, updates

  def predict(variables, batch):
    outputs, _, terms, log_probs = scored(variables, batch)
    return terms | {
      "embedding": outputs["embedding"],
      "log_probs": jnp.pad(log_probs[:, :-1], ((0, 0), (1, 0))),
    }

  init = functools.partial(forward.init, net)
  return Objective(init, loss, predict, task=language, net=net)


def token_labels(
  info: Info,
  *,
  model: Callable,
  dropout: float = 0.1,
  label_smoothing: float = 0.0,
) -> Objective:
  """One class per token: `label` [B,L] int, -1 for tokens without a label.

  Cross-entropy over the target's names (IOB tags), from a linear read-out
  (`decoder/head`) of the model's states after `dropout`. Terms: `loss`,
  `accuracy`, `weight`. `predict`: `probs` [B,L,K], `embedding` [B,E].
  """
  expect_task(info, tags)
  net = backbone(info, model, outputs=0)
  decoder = TokenHead(len(info.target.names), dropout)

  def init(key, batch):
    key, other = jax.random.split(key)
    variables = forward.init(net, key, batch)
    outputs, _ = forward.apply(net, variables, batch)
    states = (outputs["tokens"], batch["id"])
    return forward.with_decoder(variables, decoder, other, *states)

  def read(variables, batch, train=False, keys=(None, None)):
    outputs, updates = forward.apply(
      net, variables, batch, train=train, key=keys[0]
    )
    states = (outputs["tokens"], batch["id"])
    logits, _ = forward.apply(
      decoder, variables, *states, scope="decoder", train=train, key=keys[1]
    )
    return outputs, logits, updates

  def loss(variables, batch, key):
    keys = jax.random.split(key)
    _, logits, updates = read(variables, batch, train=True, keys=keys)
    label = batch["label"]
    terms = _token_terms(logits, jnp.maximum(label, 0), label_smoothing)
    return _means(*terms, label >= 0, label.shape[1]), updates

  def predict(variables, batch):
    outputs, logits, _ = read(variables, batch)
    probs = jax.nn.softmax(logits)
    return {"probs": probs, "embedding": outputs["embedding"]}

  return Objective(init, loss, predict, task=tags, net=net)


class TiedDecoder(nn.Module):
  """BERT's read-outs: states [B,P,E], token embedding [V,E], embedding [B,E]
  -> logits [B,P,V] of tokens and, with `next_sentence`, [B,2] of pairs."""

  vocabulary: int
  epsilon: float = 1e-12
  next_sentence: bool = False

  @nn.compact
  def __call__(
    self, states: jax.Array, table: jax.Array, embedding: jax.Array
  ) -> tuple[jax.Array, jax.Array | None]:
    x = nn.Dense(states.shape[-1], kernel_init=normal, name="dense")(states)
    x = normalisation("layer", "norm", self.epsilon)(activation("gelu")(x))
    bias = self.param("bias", nn.initializers.zeros, (self.vocabulary,))
    if x.shape[-1] != table.shape[-1]:
      raise UserError(
        f"masked_lm: states of width {x.shape[-1]} cannot share a token "
        f"embedding of width {table.shape[-1]}; set "
        f"model.embed={x.shape[-1]}"
      )
    logits = text.vocabulary_logits(x, table) + bias.reshape(1, 1, -1)
    if not self.next_sentence:
      return logits, None
    read = nn.Dense(2, kernel_init=normal, name="next_sentence")
    return logits, read(embedding)


class TokenHead(nn.Module):
  """States [B,L,E] -> logits [B,L,K]."""

  classes: int
  dropout: float

  @nn.compact
  def __call__(
    self, states: jax.Array, ids: jax.Array, *, train: bool = False
  ) -> jax.Array:
    x = Dropout(self.dropout)(states, ids, train=train)
    return nn.Dense(self.classes, name="head")(x)


def _in_chunks(chunks, states, label, table):
  """Losses and whether the likeliest is right, [B,L] each, part by part."""
  length = states.shape[1]
  if length % chunks:
    raise UserError(
      f"objective.chunks={chunks} does not divide rows of {length} tokens: "
      "choose a divisor"
    )

  def terms(part):
    return _token_terms(text.vocabulary_logits(part[0], table), part[1])

  if chunks == 1:
    return terms((states, label))
  parts = [
    x.reshape(x.shape[0], chunks, -1, *x.shape[2:]).swapaxes(0, 1)
    for x in (states, label)
  ]
  terms = jax.lax.map(jax.checkpoint(terms), parts)
  return tuple(x.swapaxes(0, 1).reshape(x.shape[1], length) for x in terms)


def _token_terms(logits, label, label_smoothing=0.0):
  """The loss and whether the likeliest class is right, at every place."""
  right = _is_likeliest(logits, label).astype(jnp.float32)
  if not label_smoothing:
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    return losses, right
  target = jax.nn.one_hot(label, logits.shape[-1])
  target = optax.smooth_labels(target, label_smoothing)
  return optax.softmax_cross_entropy(logits, target), right


def _is_likeliest(logits, label):
  """`logits.argmax(-1) == label`, in a fraction of argmax's time on a CPU.

  The first of equal maxima is the likeliest; with a NaN, no class is.
  """
  right = jnp.take_along_axis(logits, label[..., None], -1)
  most = logits.max(-1, keepdims=True)
  index = jnp.arange(logits.shape[-1]).reshape(*(1,) * label.ndim, -1)
  earlier = (logits == most) & (index < label[..., None])
  return (right == most)[..., 0] & ~earlier.any(-1)


def _means(losses, right, known, length):
  """Terms [B]: means over the known places, and their share of a row."""
  return {
    "loss": known_mean(losses, known),
    "accuracy": known_mean(right, known),
    "weight": known.sum(-1, dtype=jnp.float32) / length,
  }
