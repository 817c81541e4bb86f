"""What a run says while it trains: terminal, metrics.jsonl, TensorBoard."""

import contextlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2 as _event_pb2

from medfm import host, jsons
from medfm.types import UserError

event_pb2: Any = _event_pb2  # Its classes are created at import.


class Metrics:
  """Scalars by step, to metrics.jsonl and TensorBoard event files.

  A run that resumes from the step `start` first drops the lines past it, so
  that no step is there twice. With several processes only the first writes.
  """

  def __init__(self, folder: Path, start: int):
    self.path = folder / "metrics.jsonl"
    if host.index:
      return
    kept = [line for line in read(self.path) if line["step"] <= start]
    whole = folder / ".metrics.jsonl.partial"
    whole.write_text("".join(_line(line) for line in kept))
    whole.replace(self.path)  # Killed before this, the run has its old lines.
    self._file = self.path.open("a")
    (folder / "tensorboard").mkdir(exist_ok=True)
    self._board = EventsWriter(str(folder / "tensorboard" / "events"))
    restart = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._event(step=start + 1, session_log=restart)

  def write(self, step: int, scalars: dict[str, Any]) -> None:
    """Adds one line; a value that is not finite is written as text."""
    if host.index:
      return
    if not self.path.exists():
      raise UserError(
        f"{self.path} has disappeared while the run was writing to it"
      )
    self._file.write(_line({"step": step, **scalars}))
    self._file.flush()
    for name, value in scalars.items():
      if isinstance(value, int | float):
        self._event(step=step, summary=summary.scalar(name, value))
    self._board.flush()

  def close(self) -> None:
    if not host.index:
      self._file.close()
      self._board.close()

  def _event(self, **content: Any) -> None:
    self._board.write_event(event_pb2.Event(wall_time=time.time(), **content))


def read(path: Path) -> list[dict[str, Any]]:
  """The lines of a metrics.jsonl; a last line that is cut short is left out.

  UserError for any other damaged line, since the lines after it are sound.
  """
  lines = []
  text = path.read_bytes() if path.exists() else b""
  for row, line in enumerate(text.split(b"\n")[:-1], 1):
    content = None
    with contextlib.suppress(ValueError):
      content = jsons.parsed(line)
    if not isinstance(content, dict) or type(content.get("step")) is not int:
      raise UserError(
        f"{path}, line {row}: is damaged; correct or remove the line, which "
        "is used only to draw curves"
      )
    lines.append(content)
  return lines


class Progress:
  """One line per report: step/total, loss, lr, examples/s, time left.

  On a terminal the line is rewritten in place and a bar is drawn.
  """

  def __init__(self, name: str, total: int, start: int, batch_size: int):
    self.name, self.total, self.batch_size = name, total, batch_size
    self._live = sys.stdout.isatty()
    self._first = self._last = (start, time.monotonic())

  def line(self, step: int, loss: float, lr: float) -> float:
    """Prints the line; returns examples/s since the line before."""
    now = time.monotonic()
    steps, seconds = step - self._last[0], now - self._last[1]
    rate = steps * self.batch_size / max(seconds, 1e-9)
    overall = (step - self._first[0]) / max(now - self._first[1], 1e-9)
    left = (self.total - step) / max(overall, 1e-9)
    self._last = (step, now)
    text = (
      f"{self.name}  {step}/{self.total}  loss {loss:.4f}  lr {lr:.2e}  "
      f"{rate:,.0f} examples/s  {_clock(left)} left"
    )
    if self._live:
      filled = round(20 * step / max(self.total, 1))
      bar = "█" * filled + "░" * (20 - filled)
      end = "\n" if step == self.total else ""
      print(f"\r\033[K{bar}  {text}", end=end, flush=True)
    else:
      print(text, flush=True)
    return rate


def _line(scalars: dict[str, Any]) -> str:
  floats = {k: v for k, v in scalars.items() if isinstance(v, float)}
  odd = {k: str(v) for k, v in floats.items() if not math.isfinite(v)}
  return json.dumps(scalars | odd) + "\n"


def _clock(seconds: float) -> str:
  minutes, seconds = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours}:{minutes:02}:{seconds:02}"
  return f"{minutes}:{seconds:02}"
