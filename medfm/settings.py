"""What a config may set: a run's settings, and a study of several runs."""

import dataclasses
from collections.abc import Callable, Mapping

from medfm import mesh as meshes
from medfm import optim
from medfm import step as steps_
from medfm.data import orders
from medfm.evals import (
  baselines,
  decisions,
  participants,
  recalibration,
  shifts,
  subgroups,
)
from medfm.explain import examples
from medfm.types import UserError

EVALUATORS: Mapping[str, Callable] = {
  "baselines": baselines.baselines,
  "examples": examples.examples,
}
"""Evaluators of a run that names none: rivals, examples of public texts."""

STANDARD: Mapping[str, Callable] = {
  "decisions": decisions.decisions,
  "subgroups": subgroups.subgroups,
  "participants": participants.participants,
}
"""Evaluators of every run, beside those it names, for a clinical reviewer."""

ELSEWHERE: Mapping[str, Callable] = {
  "recalibration": recalibration.recalibration,
  "shift": shifts.shift,
}
"""Further evaluators on a cohort that the run was not trained on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
  """What happens during a run, and when.

  select: the validation metric whose best step is evaluated, such as
    "auroc"; "" takes the last step. A leading "-" means less is better.
  evaluate_every, checkpoint_every: in steps; 0 means once an epoch.
  log_every: steps between lines of metrics.jsonl.
  keep: how many newest checkpoints are kept besides the best.
  skip_limit: how many non-finite steps in a row stop the run.
  """

  select: str = ""
  evaluate_every: int = 0
  checkpoint_every: int = 0
  log_every: int = 10
  keep: int = 2
  skip_limit: int = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
  """The weights that a run starts from.

  weights: a stage of the study, a workdir, a folder or file of public
    weights (`weights.public`), or "" for fresh weights.
  fresh, unused: regexes of leaves that may stay fresh or unused.
  """

  weights: str = ""
  fresh: tuple = (r"(^|/)head/", r"^lora/")
  unused: tuple = (r"(^|/)head/", r"^decoder/", r"^lora/")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
  """How a run is divided over devices; this changes none of its numbers.

  parallel: jit over the mesh, or pmap over all devices.
  sharding: (regex, axis per dimension) rules on paths of the state, or names
    of such rules (`mesh.RULES`).
  resident: keep the training examples on the device and gather batches
    there, for data that fit into its memory; without transforms.
  onednn: on a CPU, from jax 0.11 on, matrix products of the train step by
    oneDNN (`backend.compiled`). Whether that is faster depends on the model and
    the machine (benchmarks/README.md), and the step is compiled at every
    start.
  """

  mesh: Callable = meshes.mesh
  parallel: str = "jit"
  sharding: tuple = ()
  resident: bool = False
  onednn: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """How a trained model is scored.

  replicates: of the bootstrap, for intervals that use one; 0 leaves out all
    intervals.
  specificity: at which sensitivity is reported.
  prevalence: at which PPV and NPV are also stated, above 0 and below 1: that of
    the people who would be tested, if the data have more positives. 0 for none.
  """

  replicates: int = 1000
  specificity: float = 0.9
  prevalence: float = 0.0

  def __post_init__(self) -> None:
    if not 0 <= self.prevalence < 1:
      raise UserError(
        f"evaluation.prevalence={self.prevalence}: expected a share above 0 "
        "and below 1, or 0 for none"
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
  """The settings of one run; its fields are what a config may set.

  data: a dataset factory; it is called with the machine's `Folders`.
  objective: an objective factory; it is called with the dataset's `Info`.
  optimizer: an optimizer factory; called with parameters and steps.
  batch_size: examples per step; 0 takes that of the data's plan, if they have
    one, or the whole training split.
  epochs, steps: the length of the run; steps, if above 0, wins. With both 0
    nothing is trained: the start weights are evaluated as they are.
  label_fraction: the share of the training patients that is used, drawn by
    class; smaller shares are subsets of larger ones. The target's class counts
    and means are fitted on their labels.
  validation_fraction: the share of the validation patients that chooses the
    step and the thresholds, drawn the same way; 0 takes `label_fraction`, since
    with few labels one would also have few to choose by; 1 takes all. With a
    share below 1, steps of equal score, which are common with few examples, are
    ranked by their Brier score if there is one.
  transforms: (example, info, generator) -> example, on the host, applied in
    turn to each training example.
  augment: (batch, info, keys [B]) -> batch, on the device within the step, only
    in training; an example's key depends on the seed, its visit and its id.
  order: the order of the training examples (`data.orders`).
  gradients: the gradient of a batch's summed loss (`step.Gradients`).
  accumulate: micro-batches per step; refused with batch normalisation, the only
    part whose numbers it would change.
  ema_decay: decay of the averages of parameters and batch statistics that are
    evaluated, at most (1 + k) / (10 + k) at step k; 0 keeps no averages.
  evaluators: what is measured beside the model's scores, name -> bound function
    (`evals.context`), such as those of `medfm.evals` and `explain.examples`.
    None takes `EVALUATORS`. Those of `STANDARD` are called too, unless the
    entry under their name is None.
  """

  data: Callable
  objective: Callable
  optimizer: Callable = optim.optimizer
  batch_size: int = 128
  epochs: int = 0
  steps: int = 0
  seed: int = 0
  label_fraction: float = 1.0
  validation_fraction: float = 0.0
  transforms: tuple = ()
  augment: Callable | None = None
  order: Callable = orders.uniform
  gradients: Callable = steps_.gradients
  accumulate: int = 1
  ema_decay: float = 0.0
  start: Start = Start()
  schedule: Schedule = Schedule()
  evaluation: Evaluation = Evaluation()
  devices: Devices = Devices()
  evaluators: Mapping[str, Callable] | None = None
  name: str = "run"
  description: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
  """Several runs as the stages of one question, in order.

  compare: pairs of stages whose paired differences are reported.
  """

  name: str
  stages: Mapping[str, Run]
  compare: tuple = ()
  description: str = ""


def evaluators(run: Run, *, elsewhere: bool = False) -> Mapping[str, Callable]:
  """The run's evaluators, or `EVALUATORS`, and those of `STANDARD`.

  elsewhere: whether to add those of `ELSEWHERE`.
  """
  named = EVALUATORS if run.evaluators is None else run.evaluators
  first = ELSEWHERE if elsewhere else {}
  every = {**first, **named}
  every |= {name: e for name, e in STANDARD.items() if name not in every}
  return {name: each for name, each in every.items() if each is not None}
