"""How well does a recurrent network, not pre-trained, read a text task?

A bidirectional LSTM or GRU over word pieces learnt from the task's own
training texts; the tasks are those of bert_finetune.py.

Run:  python launch.py --config=configs/text_rnn.py:bc5cdr_chemical
      python launch.py --config=configs/text_rnn.py:chemprot,gru
      python launch.py --config=configs/text_rnn.py:medical_abstracts,tiny
"""

from medfm import optim, settings
from medfm.data import orders
from medfm.data.datasets import text_tasks
from medfm.evals import baselines
from medfm.explain import examples
from medfm.models import rnn
from medfm.objectives import classify, language
from medfm.spec import bind, spec
from medfm.tasks import multiclass, multilabel, tags
from medfm.variants import shrunk, variants

OBJECTIVES = {
  multiclass: classify.multiclass,
  multilabel: classify.multilabel,
  tags: language.token_labels,
}


def get_config(arg: str = ""):
  chosen = variants(
    arg,
    task=tuple(text_tasks.TASKS),
    cell=("lstm", "gru"),
    size=("full", "tiny"),
  )
  name, cell, tiny = chosen["task"], chosen["cell"], chosen["size"] == "tiny"
  task = text_tasks.TASKS[name]
  config = spec(
    settings.Run,
    name=f"{cell}-{name}",
    description=f"A bidirectional {cell.upper()} on {name}.",
    data=bind(task.dataset, length=task.length, **task.settings),
    objective=bind(
      OBJECTIVES[task.task],
      model=bind(rnn.RNN, cell=cell, width=16 if tiny else 128, dropout=0.3),
    ),
    optimizer=bind(
      optim.optimizer, lr=2e-3, schedule="linear", warmup=0.05, clip_norm=1.0
    ),
    batch_size=8 if tiny else task.rows,
    epochs=task.epochs,
    schedule=spec(settings.Schedule, log_every=20, select=task.metric),
    order=bind(orders.by_length),
    evaluators={
      "baselines": bind(baselines.baselines),
      "examples": bind(examples.examples),
    },
  )
  return shrunk(config) if tiny else config
