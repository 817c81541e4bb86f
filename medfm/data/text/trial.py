"""A tokenizer.json, tried in a child process before it is used.

A few bytes can make the library panic (which is not an Exception), abort the
process, or take gigabytes or hours. So this happens in a child process, and its
fault is reported here.
"""

import hashlib
import subprocess
import sys

from medfm.types import UserError

MEMORY_BYTES = 4 * 2**30
CPU_S = 60
_CHILD = f"""
import resource, sys, tokenizers
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_S}, {CPU_S}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
inner = tokenizers.Tokenizer.from_str(sys.stdin.buffer.read().decode())
inner.no_truncation()
inner.no_padding()
inner.encode_special_tokens = True
letters = "".join(map(chr, [*range(32, 127), *range(161, 384), 913, 1040]))
texts = ["", "a", "a" * 200 + "!", letters, "[CLS] 1.5 mg [SEP] \\u4e2d"]
texts += ["7" * 200 + "!", " " * 200 + "!", "of a word " * 20 + "!"]
for text in texts:
  cut = inner.encode_batch_fast([text, text], add_special_tokens=False)[0]
  if len(cut.ids) > 100 + 20 * len(text.encode()):
    sys.exit(f"it makes {{len(cut.ids)}} tokens of {{len(text)}} letters")
  inner.decode(cut.ids[:50], skip_special_tokens=False)
"""

_sound: set[str] = set()


def refuse(text: str, where: str) -> None:
  """Raises UserError for a tokenizer.json that breaks the library.

  where: the file, for the message.
  """
  content = text.encode()
  digest = hashlib.sha256(content).hexdigest()
  if digest in _sound:
    return
  if reason := _fault(content):
    raise UserError(refusal(where, reason))
  _sound.add(digest)


def refusal(where: str, reason: str) -> str:
  """The line about a file that is not a tokenizer."""
  return (
    f"{where}: is not a tokenizer.json ({reason}); save it again with "
    "save_pretrained of a fast tokenizer"
  )


def _fault(content: bytes) -> str:
  """What went wrong in the child process; "" if nothing did."""
  seconds = 4 * CPU_S  # On a busy machine.
  try:
    done = subprocess.run(
      [sys.executable, "-P", "-c", _CHILD],
      input=content,
      capture_output=True,
      timeout=seconds,
    )
  except subprocess.TimeoutExpired:
    return f"it takes more than {seconds} s"
  if done.returncode == 0:
    return ""
  lines = done.stderr.decode(errors="replace").strip().splitlines()
  memory = [line for line in lines if "memory allocation" in line]
  if done.returncode < 0 and not memory:
    return f"it takes more than {CPU_S} s or {MEMORY_BYTES >> 30} GiB"
  reason = " ".join((memory or lines or ["it cannot be read"])[-1].split())
  return reason.rpartition("PanicException: ")[2][:120]
