"""MedFM's one command: train, evaluate, predict, generate, export.

python launch.py --config=configs/quickstart.py
python launch.py --config=configs/resnet.py:breastmnist,fast --config.seed=1
python launch.py --mode=evaluate --workdir=runs/resnet-breastmnist-fast
python launch.py --mode=predict --workdir=runs/own_table --input=new.csv
python launch.py --mode=export --workdir=runs/own_text --output=mine
python launch.py --mode=generate --workdir=runs/gpt_pretrain --input=prompts.txt
python launch.py --grid=experiments/optimizers_activations.py --jobs=2
python launch.py --sweep --config=configs/cnn.py --config.seed=0,1,2
srun --ntasks=2 python launch.py --distributed=auto --config=configs/cnn.py

Every setting of a config is a flag, `--config.a.b=value`; --print_config lists
them. The same command in the same workdir continues where it stopped.
"""

import contextlib
import os
import pathlib
import re
import shlex
import sys
import traceback
from typing import NoReturn

from medfm import host, interrupt

if __name__ == "__main__":  # What follows takes a while to import.
  host.open_streams()
  interrupt.leave_on_signals()

from absl import app, flags, logging

from medfm import command
from medfm.spec import nearest
from medfm.types import UserError


def parse(argv: list[str]) -> list[str]:
  """The overrides of the config; every other flag goes to absl.

  Exits with code 2 and one line for anything wrong.
  """
  try:
    rest = flags.FLAGS(argv, known_only=True)[1:]
  except flags.Error as error:
    _fail(str(error).splitlines()[0])
  for word in argv:
    if any("\ud800" <= letter <= "\udfff" for letter in word):
      _fail(f"{word!a} is not UTF-8 text")
  for word in rest:
    if not word.startswith("-"):
      _fail(f"unexpected argument {word!r}; write settings as --name=value")
    if not word.startswith("--config."):
      name = word.lstrip("-").partition("=")[0]
      _fail(f"unknown flag {word!r}{nearest(name, flags.FLAGS)}")
  return [word.removeprefix("--config.") for word in rest]


def main(overrides: list[str]) -> None:
  """Runs the mode; a user's mistake is one line and exit code 2."""
  logging.set_verbosity(logging.WARNING)
  logging.get_absl_logger().setLevel("CRITICAL")  # Libraries; errors are ours.
  host.keep_freed_memory()
  interrupt.raise_on_signals()
  try:
    _check_processes(flags.FLAGS)
    if flags.FLAGS.on and flags.FLAGS.mode != "evaluate":
      _fail("--on works with --mode=evaluate only")
    MODES[flags.FLAGS.mode](flags.FLAGS, overrides)
    sys.stdout.flush()
    interrupt.ignore_signals()
  except interrupt.Interrupted as stop:
    _stop(stop)
  except Exception as error:
    # XLA, or a module that was being imported, turned the signal into an error.
    if (number := interrupt.raised()) is not None:
      _stop(interrupt.Interrupted(number))
    if isinstance(error, UserError):
      _fail(str(error), error.exit_code)
    if isinstance(error, BrokenPipeError):  # The reader, such as head, ended.
      os._exit(141)
    if lack := host.lack(error, flags.FLAGS.workdir or "the run"):
      line = f"{lack}, and give the command again; what was saved is kept"
      # Handlers at exit would only fail on the same disk.
      interrupt.end(f"error: {host.line(line)}", 2)
    if host.count == 1:
      raise
    traceback.print_exc()
    _fail(f"process {host.index} of {host.count} failed", 1)


def _train(given: flags.FlagValues, overrides: list[str]) -> None:
  if given.grid or given.sweep or given.search:
    from medfm.grid import run

    return run.of_flags(given, overrides, pathlib.Path(__file__))
  if not given.config:
    _fail("--config=FILE is missing, such as --config=configs/quickstart.py")
  config = command.config(given.config, overrides)
  if given.print_config:
    print(command.listing(config))
    return
  from medfm import processes, setup, study

  if given.distributed == "auto" or given.coordinator:
    processes.start(given.coordinator, given.num_processes, given.process_id)
  folders = setup.folders(given.data_dir)
  setup.jax_settings(folders)
  place = given.workdir or command.default_workdir(given.config)
  study.study(config, pathlib.Path(place), folders)


def _evaluate(given: flags.FlagValues, overrides: list[str]) -> None:
  place = _workdir(given)
  asked = command.elsewhere(given.on, overrides, str(place / "config.json"))
  from medfm import evaluate, setup

  folders = setup.folders(given.data_dir)
  setup.jax_settings(folders)
  evaluate.several(place, given.stage, asked, folders)


def _apply(given: flags.FlagValues, overrides: list[str]) -> None:
  """Predicts, generates or exports with a trained run."""
  source = "--output" if given.mode == "export" else "--input"
  predicts = given.mode == "predict"
  if (overrides and not predicts) or (source == "--input" and not given.input):
    what = "no --config settings" + " but those of data" * predicts
    _fail(f"{given.mode} takes --workdir and {source}, and {what}")
  place = _workdir(given)
  from medfm import setup

  setup.jax_settings(setup.folders(given.data_dir))
  if given.mode == "export":
    from medfm import export

    export.export(place, given.stage, given.output, alone=given.adapters)
  elif predicts:
    from medfm import predict

    predict.predict(place, given.stage, given.input, given.output, overrides)
  else:
    from medfm import generate

    chosen = generate.sampling(given.sampling)
    generate.generate(place, given.stage, given.input, given.output, chosen)


def _workdir(given: flags.FlagValues) -> pathlib.Path:
  if given.workdir:
    return pathlib.Path(given.workdir)
  if given.config:
    return pathlib.Path(command.default_workdir(given.config))
  _fail(f"{given.mode} needs --workdir, the folder of a trained run")


def _check_processes(given: flags.FlagValues) -> None:
  """Refuses flags of several processes that do not go together."""
  words = (given.coordinator, given.num_processes, given.process_id)
  if words == (None, None, None) and given.distributed == "off":
    return
  if None in words and any(word is not None for word in words):
    _fail("--coordinator, --num_processes, --process_id: give all or none")
  if given.mode != "train" or given.grid or given.sweep:
    _fail(
      "several processes train one run together: use --mode=train without "
      "--grid or --sweep"
    )
  if given.coordinator and not 0 <= given.process_id < given.num_processes:
    _fail(
      f"--process_id={given.process_id}: expected 0 to --num_processes less 1"
    )
  if given.coordinator and not re.fullmatch(r"\S+:\d+", given.coordinator):
    _fail(f"--coordinator={given.coordinator}: expected HOST:PORT")


def _stop(stop: interrupt.Interrupted) -> NoReturn:
  again = " ".join(map(shlex.quote, ["python", *sys.argv]))
  line = f"{stop}; continue with: {again}"
  if host.count > 1:
    _fail(line, stop.exit_code)
  interrupt.end(f"error: {line}", stop.exit_code)


def _fail(line: str, code: int = 2) -> NoReturn:
  interrupt.ignore_signals()
  line = host.line(line)
  if host.count > 1:
    from medfm import processes

    processes.leave(f"error: {line}", code)
  with contextlib.suppress(OSError):  # stderr may be a file on a full disk.
    print(f"error: {line}", file=sys.stderr, flush=True)
  sys.exit(code)


EXECUTORS = ("local", "slurm", "none")
RETRIES = ("stale", "failed", "none")
MODES = {
  "train": _train,
  "evaluate": _evaluate,
  "predict": _apply,
  "export": _apply,
  "generate": _apply,
}

flags.DEFINE_string("config", None, "FILE[:variant]: a config, or config.json.")
flags.DEFINE_string("workdir", None, "The run's folder; default runs/<config>.")
flags.DEFINE_enum("mode", "train", list(MODES), "What to do.")
flags.DEFINE_bool("print_config", False, "Print every setting and stop.")
flags.DEFINE_string("data_dir", None, "Raw files; default $MEDFM_DATA_DIR.")
flags.DEFINE_string("input", None, "predict, generate: the new file or folder.")
flags.DEFINE_string("output", None, "predict, generate, export: what to write.")
flags.DEFINE_bool("adapters", False, "export: LoRA's adapters alone.")
flags.DEFINE_string("stage", None, "All modes but train: a study's stage.")
flags.DEFINE_string("sampling", "", "generate: new=64,temperature=0.8,seed=0.")
flags.DEFINE_multi_string(
  "on",
  [],
  "evaluate: a cohort, as the config FILE[:variant] whose data to use; give it "
  "once for each cohort. Settings of a cohort follow its FILE, as in "
  "--on='configs/own_table.py --config.data.path=b.csv', or change the run's "
  "own config, as in --on=--config.data.path=b.csv.",
)
flags.DEFINE_string("grid", None, "FILE[:words]: an experiment to run.")
flags.DEFINE_bool("sweep", False, "Settings may be lists: --config.a=1,2.")
flags.DEFINE_integer("search", 0, "sweep: trials of a search; a=1..9.", 0)
flags.DEFINE_enum("executor", "local", EXECUTORS, "grid: where cells run.")
flags.DEFINE_integer("jobs", 0, "grid: cells at a time; 0 chooses.", 0)
flags.DEFINE_enum("retry", "stale", RETRIES, "grid: which cells run again.")
flags.DEFINE_enum("distributed", "off", ("off", "auto"), "auto: ask srun.")
flags.DEFINE_string("coordinator", None, "HOST:PORT where processes meet.")
flags.DEFINE_integer("num_processes", None, "How many processes.", 1)
flags.DEFINE_integer("process_id", None, "This one's number, from 0.", 0)
flags.DEFINE_string("sbatch", "", "slurm: options, such as --gres=gpu:1.")
flags.DEFINE_bool("dry_run", False, "grid: print what would run.")

if __name__ == "__main__":
  app.run(main, flags_parser=parse)
