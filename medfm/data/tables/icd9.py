"""ICD-9-CM diagnosis codes by chapter."""

import re

_CODE = re.compile(r"\s*(?:([EV])(\d*)|(\d{1,3}))(\.\d*)?\s*", re.ASCII)
_CHAPTERS = (
  (139, "infectious"), (239, "neoplasms"), (279, "endocrine"), (289, "blood"),
  (319, "mental"), (389, "nervous"), (459, "circulatory"),
  (519, "respiratory"), (579, "digestive"), (629, "genitourinary"),
  (679, "pregnancy"), (709, "skin"), (739, "musculoskeletal"),
  (759, "congenital"), (779, "perinatal"), (799, "symptoms"), (999, "injury"),
)  # fmt: skip
"""(the last code, its name) of each chapter."""

DIABETES = "diabetes"


def chapter(code: str) -> str:
  """The chapter of a code such as `250.83` or `V57`; "" if it is none.

  Diabetes (250) is told apart from the other endocrine diseases. E codes are
  `external`, V codes `services`.
  """
  match = _CODE.fullmatch(code)
  if match is None:
    return ""
  letter, _, number, _ = match.groups()
  if letter:
    return "external" if letter == "E" else "services"
  if int(number) == 250:
    return DIABETES
  return next(name for last, name in _CHAPTERS if int(number) <= last)
