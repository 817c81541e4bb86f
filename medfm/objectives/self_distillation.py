"""Self-distillation: a student learns what its own average says (DINO)."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import rng
from medfm.augment import views
from medfm.nn import forward
from medfm.nn import inputs as device_inputs
from medfm.nn.transformer import normal
from medfm.objectives.backbone import backbone
from medfm.tasks import pretext
from medfm.types import Info, Objective, UserError


def dino(
  info: Info,
  *,
  model: Callable,
  changes: Sequence[Callable],
  local_changes: Sequence[Callable] = (),
  local_views: int = 6,
  inputs: Callable = device_inputs.standard,
  prototypes: int = 4096,
  hidden: int = 512,
  width: int = 128,
  momentum: float = 0.996,
  centre_momentum: float = 0.9,
  temperature: float = 0.1,
  teacher_temperature: float = 0.04,
) -> Objective:
  """A student predicts from each view what a teacher gives for the large ones.

  As DINO (Caron et al. 2021): the teacher, a moving average of the student,
  sees two large views, the student sees these and small ones; the student's
  distribution over prototypes should be the teacher's, which is centred and
  sharpened so that it neither collapses nor spreads. `loss` is the mean
  cross-entropy over the pairs of different views. Unlike in the paper,
  momentum and the teacher's temperature are constant. At a step the teacher
  is the average up to the step before.

  Collections beside `params`: `teacher`, its parameters, and `centre`
  [1,prototypes].

  Terms: `loss`, and `spread`, the entropy of the teacher's answers in nats: it
  falls to 0, or stays at log(prototypes), where training has collapsed.
  `predict` draws views by a fixed key, judges them by the student's own
  parameters as teacher, and returns both with `embedding` [B,E] of the picture
  as it is. To judge the teacher itself, whose weights are better, give the run
  an `ema_decay` of `momentum`: what it averages is the teacher.

  changes: of `medfm.augment`, by which the two large views are drawn.
  local_changes, local_views: by which the small ones are drawn, and how many;
    a model of patches interpolates its positions for their size.
  hidden, width: of the head's two layers and its bottleneck.
  """
  if not changes:
    raise UserError("dino needs changes, by which views of one picture differ")
  name = views.pictures(info)
  net = backbone(info, model, outputs=0)
  head = Head(hidden, width, prototypes)
  count = local_views if local_changes else 0

  def init(key, batch):
    key, other = jax.random.split(key)
    batch = inputs(batch, info)
    variables = forward.init(net, key, batch)
    if "batch_stats" in variables:
      raise UserError(
        "dino: with batch normalisation a view would depend on the others; set "
        "model.norm='group'"
      )
    outputs, _ = forward.apply(net, variables, batch)
    variables = forward.with_decoder(
      variables, head, other, outputs["embedding"]
    )
    teacher = jax.tree.map(jnp.copy, variables["params"])
    centre = {"mean": jnp.zeros((1, prototypes))}
    return {**variables, "teacher": teacher, "centre": centre}

  def said(params, pictures, batch, *, train=False, key=None):
    """[V,B,prototypes]: the logits of V views [V*B,*S,C] of each picture."""
    variables = {"params": params}
    times = len(pictures) // len(batch["id"])
    each = {k: jnp.tile(batch[k], times) for k in ("id", "weight")}
    outputs, _ = forward.apply(
      net,
      variables,
      inputs({name: pictures, **each}, info),
      train=train,
      key=key,
    )
    logits, _ = forward.apply(
      head, variables, outputs["embedding"], scope="decoder"
    )
    return logits.reshape(times, -1, prototypes)

  def drawn(batch, key):
    """The two large views of all pictures, and the small ones, if any."""
    keys = jax.random.split(key, 2 + count)
    each = [rng.per_example(own, batch["id"]) for own in keys]

    def views_by(keys, changes):
      pictures = jnp.concatenate([batch[name]] * len(keys))
      return views.view_of(pictures, jnp.concatenate(keys), changes)

    small = [views_by(each[2:], local_changes)] if count else []
    return [views_by(each[:2], changes), *small]

  def terms_of(params, teacher, centre, batch, key, *, train):
    view_key, key = jax.random.split(key)
    pictures = drawn(batch, view_key)
    raw = jax.lax.stop_gradient(said(teacher, pictures[0], batch))
    sharp = jax.nn.softmax((raw - centre[None]) / teacher_temperature)
    keys = jax.random.split(key, len(pictures))
    student = jnp.concatenate(
      [
        said(params, some, batch, train=train, key=own)
        for some, own in zip(pictures, keys, strict=True)
      ]
    )
    student = jax.nn.log_softmax(student / temperature)
    error = -jnp.einsum("ibk,jbk->ijb", sharp, student)
    other = 1 - jnp.eye(2, len(student))  # A view is not asked of itself.
    spread = jax.scipy.special.entr(sharp).sum(-1).mean(0)
    loss = jnp.einsum("ij,ijb->b", other, error) / other.sum()
    return {"loss": loss, "spread": spread}, raw.mean(0)

  def loss(variables, batch, key):
    params, teacher = variables["params"], variables["teacher"]
    centre = variables["centre"]["mean"]
    terms, answers = terms_of(params, teacher, centre, batch, key, train=True)
    weight = batch["weight"][:, None]
    mean = (weight * answers).sum(0, keepdims=True)
    mean = mean / jnp.maximum(weight.sum(), 1e-12)
    updates = {
      "teacher": jax.tree.map(
        lambda old, new: momentum * old + (1 - momentum) * new, teacher, params
      ),
      "centre": {
        "mean": centre_momentum * centre + (1 - centre_momentum) * mean
      },
    }
    return terms, jax.lax.stop_gradient(updates)

  def predict(variables, batch):
    params, centre = variables["params"], variables["centre"]["mean"]
    key = rng.stream(0, "dino/evaluation")
    terms, _ = terms_of(params, params, centre, batch, key, train=False)
    whole, _ = forward.apply(net, variables, inputs(batch, info))
    return {**terms, "embedding": whole["embedding"]}

  return Objective(
    init,
    loss,
    predict,
    task=pretext,
    coupled=True,
    net=net,
    copies=("teacher",),
  )


class Head(nn.Module):
  """Embeddings [B,E] -> logits [B,prototypes], cosines with unit vectors."""

  hidden: int
  width: int
  prototypes: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    for layer in ("in", "middle"):
      x = nn.gelu(nn.Dense(self.hidden, kernel_init=normal, name=layer)(x))
    x = nn.Dense(self.width, kernel_init=normal, name="out")(x)
    square = jnp.square(x).sum(-1, keepdims=True)
    x = x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
    kernel = self.param(
      "prototypes", nn.initializers.normal(1.0), (self.width, self.prototypes)
    )
    kernel = kernel / jnp.linalg.norm(kernel, axis=0, keepdims=True)
    return (x @ kernel).astype(jnp.float32)
