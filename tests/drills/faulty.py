"""launch.py with a fault in it: python faulty.py FAULT arguments of launch.py

FAULT is a JSON list of objects, each of one of the forms

Each notes its number in the file that DRILL_MARKS names when it happens.

{"event": "open", "path": "manifest.json", "nth": 2, "act": "kill"}
  At the second such event (Python's audit events: open for writing,
  os.rename, os.remove, os.rmdir, shutil.rmtree, ...) on a path that holds the
  text: kill, term or int (a signal to itself), sleep (ten minutes), torn (the
  file is emptied, then kill), or the name of an errno, which is raised, then
  and ever after.
{"call": "medfm.scoring:evaluation", "nth": 1, "act": "kill"}
  The same, where a function of the product is called.
{"batches": [12, 13], "feature": "nan"}
  These training batches (from 0) have this number as every feature, or, for
  a number, are multiplied by it.
{"clock": -86400}
  The clock is put back by this many seconds at every hundredth look at it.
{"slow": 0.1, "until": "FILE"}
  Each batch takes so many seconds more, until there is such a file.
{"threads": 4}
  Batches are read ahead by so many threads.
{"end": "term"}
  A signal to itself when Python is shutting down, and handles none any more.
{"leak": "memory"}
  Each step keeps 32 KiB or an open file, every fiftieth a thread.
"""

import errno
import importlib
import json
import os
import pathlib
import runpy
import signal
import sys
import threading
import time

LAUNCH = pathlib.Path(__file__).resolve().parents[2] / "launch.py"
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
WRITING = os.O_WRONLY | os.O_RDWR


def mark(fault: dict) -> None:
  """Notes that a fault happens, once."""
  if "number" in fault:
    with open(os.environ["DRILL_MARKS"], "a") as file:
      file.write(f"{fault.pop('number')}\n")


def act(fault: dict, path: str) -> None:
  """The fault itself."""
  mark(fault)
  action = fault["act"]
  if action == "torn":
    pathlib.Path(path).write_bytes(b"")
    action = "kill"
  if action in SIGNALS:
    os.kill(os.getpid(), SIGNALS[action])
  elif action == "sleep":
    # The program may have redirected its standard output for a while.
    print("sleeping", file=sys.__stdout__, flush=True)
    time.sleep(600)
  else:
    number = getattr(errno, action)
    raise OSError(number, os.strerror(number), path)


class Turn:
  """Whether it is a fault's turn; an errno stays once it has come."""

  def __init__(self, fault: dict):
    self.left = fault.get("nth", 1)
    self.stays = fault["act"].startswith("E")

  def __call__(self) -> bool:
    self.left -= 1
    return self.left == 0 or (self.left < 0 and self.stays)


def on_event(fault: dict) -> None:
  turn, here = Turn(fault), threading.local()

  def hook(event, arguments):
    if event != fault["event"] or getattr(here, "acting", False):
      return
    path = str(arguments[0])
    if event == "open" and not arguments[2] & WRITING:
      return
    if fault["path"] in path and turn():
      here.acting = True
      try:
        act(fault, path)
      finally:
        here.acting = False

  sys.addaudithook(hook)


def on_call(fault: dict) -> None:
  turn = Turn(fault)
  owner, name = place(fault["call"])
  original = getattr(owner, name)

  def instead(*arguments, **settings):
    if turn():
      act(fault, fault["call"])
    return original(*arguments, **settings)

  setattr(owner, name, instead)


def place(dotted: str) -> tuple[object, str]:
  """The module or class and the name of "module:Class.function"."""
  module, _, inner = dotted.partition(":")
  owner = importlib.import_module(module)
  *path, name = inner.split(".")
  for word in path:
    owner = getattr(owner, word)
  return owner, name


def in_batches(fault: dict) -> None:
  from medfm.data import loader

  original = loader.Batches.__getitem__

  def instead(self, k):
    batch = dict(original(self, k))
    if k in fault["batches"]:
      mark(fault)
      batch["features"] = batch["features"] * float(fault["feature"])
    return batch

  loader.Batches.__getitem__ = instead


def slowly(fault: dict) -> None:
  from medfm.data import loader

  original, free = loader.Batches.__getitem__, pathlib.Path(fault["until"])

  def instead(self, k):
    mark(fault)
    time.sleep(0 if free.exists() else fault["slow"])
    return original(self, k)

  loader.Batches.__getitem__ = instead


def in_clock(fault: dict) -> None:
  original, looks = time.time, iter(range(1, sys.maxsize))

  def shifted():
    jumps = next(looks) // 100
    if jumps:
      mark(fault)
    return original() + fault["clock"] * jumps

  time.time = shifted


def in_threads(fault: dict) -> None:
  from medfm.data import loader

  original = loader.prefetched

  def prefetched(batches, first, total, threads):
    mark(fault)
    return original(batches, first, total, fault["threads"])

  loader.prefetched = prefetched


def leak(fault: dict) -> None:
  from medfm.data import loader

  original, kept = loader.Batches.__getitem__, []

  def instead(self, k):
    mark(fault)
    if fault["leak"] == "memory":
      kept.append(os.urandom(2**15))
    elif fault["leak"] == "file":
      kept.append(os.open(os.devnull, os.O_RDONLY))
    elif k % 50 == 0:
      waiting = threading.Thread(target=time.sleep, args=(600,), daemon=True)
      waiting.start()
    return original(self, k)

  loader.Batches.__getitem__ = instead


class Late:
  """Acts when it is deleted; by default of values that are still there."""

  def __init__(self, fault: dict):
    self.signal, self.number = SIGNALS[fault["end"]], fault["number"]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    self.marks = os.open(os.environ["DRILL_MARKS"], flags)

  def __del__(self, kill=os.kill, own=os.getpid, write=os.write):
    write(self.marks, b"%d\n" % self.number)
    kill(own(), self.signal)


def at_end(fault: dict) -> None:
  sys.late = Late(fault)


FORMS = {
  "event": on_event,
  "call": on_call,
  "batches": in_batches,
  "clock": in_clock,
  "slow": slowly,
  "threads": in_threads,
  "end": at_end,
  "leak": leak,
}

if __name__ == "__main__":
  faults = json.loads(sys.argv[1])
  sys.argv = [str(LAUNCH), *sys.argv[2:]]
  sys.path[0] = str(LAUNCH.parent)
  for number, one in enumerate(faults):
    form = FORMS[next(iter(one))]
    form({**one, "number": number})
  runpy.run_path(str(LAUNCH), run_name="__main__")
