"""Whether the token ids of a data set are those public weights know."""

from pathlib import Path

from medfm.data.text import input as text_input
from medfm.data.text import tokenizers
from medfm.types import Folders, Info, UserError
from medfm.weights import public


def check(path: Path, info: Info) -> None:
  """Refuses weights whose token numbers mean other tokens than the data's.

  The tokenizer beside the weights decides, where there is one; weights may
  then have more rows than it has tokens. Without one the numbers must agree.

  Raises:
    UserError: the data are cut by another tokenizer.
  """
  rows = public.settings(path).get("vocabulary")
  text = text_input.among(info)
  if text is None or not text.tokenizer or rows is None:
    return
  folder = path.parent if path.is_file() else path
  own = any((folder / name).is_file() for name in tokenizers.FILES)
  advice = "set data.tokenizer to tokenizers.loaded with the path of theirs"
  if own:
    theirs = tokenizers.loaded((), Folders(None, ""), path=str(folder))
    if theirs.sha256 != text.tokenizer:
      raise UserError(
        f"the weights of {path} have the tokenizer {theirs.sha256[:12]}, "
        f"{info.name} is cut by {text.tokenizer[:12]}: {advice}"
      )
  if text.vocabulary > rows or (not own and text.vocabulary != rows):
    raise UserError(
      f"the weights of {path} know {rows} tokens, the tokenizer of {info.name} "
      f"has {text.vocabulary}: {advice}"
    )
