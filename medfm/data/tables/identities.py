"""Which columns look as if they identify a patient.

Names, addresses, record numbers and dates are not features: a model memorizes
them, and their values would be written into a run's `info.json`. Such a column
is recognised by its name, in a few languages, or by its cells. This is a guess
and errs both ways, so the user can always overrule it.
"""

import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from medfm.data.tables import identity_words as words_of
from medfm.data.tables.table import Table
from medfm.types import UserError

NAME, RECORD, BIRTH = "a name", "a record number", "a date of birth"
CONTACT, DATE = "an address", "dates"

_SIGNS = {
  NAME: "姓名 氏名 名前 名字 이름 성명 اسم",
  BIRTH: "出生日期 生年月日 생년월일",
  RECORD: "身份证 住院号 病历号 病案号 患者id 患者番号 환자번호 등록번호 "
  "주민등록번호",
  CONTACT: "电话 電話 手机 地址 住所 전화 주소",
}
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_CLOCK = (
  r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp]\.?[Mm]\.?)?"
  r"(Z|[+-]\d{2}:?\d{2})?)?"
)
_MONTH, _DAY = r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_DATED = re.compile(
  r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
  r"|\d{1,2}[. -]+[^\W\d_]{3,9}[. -]+\d{2,4}|[^\W\d_]{3,9}\.? \d{1,2}, ?\d{4}"
  rf"|(19|20)\d\d-{_MONTH}|(19|20)\d\d{_MONTH}{_DAY}(\.0+)?){_CLOCK}"
)
_SERIAL = re.compile(r"[1-5]\d{4}(\.\d+)?")  # Days since 1900, in Excel.
_MEASURED = re.compile(r"[+-]?\d*\.\d*[1-9]\d*([eE][+-]?\d+)?")
_DIGITS = re.compile(r"[+(]?\d[\d\s()/.-]*")
_CODE = re.compile(r"([^\W\d_]{1,6})[\s_./#-]*\d{3,}")
_KEY = re.compile(
  r"[0-9a-f-]{16,}|\d+(\.\d+){5,}|\d{15,17}[\dx]", re.ASCII | re.I
)  # Hashes, UUIDs, the UIDs of DICOM, and long numbers of citizens.
_SITE = re.compile(r"\d{1,3}(\.\d{1,3}){3}|https?://.+", re.ASCII)
_PERSON = re.compile(
  r"([A-Z]\.[ -]?)+[^\W\d_a-z][^\W\d_]+|[^\W\d_a-z][^\W\d_]+, ?([A-Z]\.[ -]?)+"
  r"|[^\W\d_]+\^[^\W\d_]+.*|[王李张刘陈杨赵吴周徐孙郭][\u4e00-\u9fff]{1,2}"
)  # F. Smith; Smith, F.; SMITH^JOHN of DICOM; and the commonest Chinese ones.
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "ı": "i"})
_FEW = 3  # "phone: yes or no" identifies nobody,
_MOST_LEVELS = 12  # and neither does a number that many share.
_SEEN = 10  # With fewer observed rows the cells alone show nothing.
_ALMOST, _MOSTLY, _SOME = 0.9, 0.6, 0.3
_LONG = 7


def suspected(table: Table, names: Iterable[str]) -> dict[str, str]:
  """The columns that look like identities -> what they look like.

  Never a column with three or fewer values that repeat: whether somebody has a
  telephone is a feature, the number is not.
  """
  kinds = {}
  for name in names:
    measured = all(map(_MEASURED.fullmatch, table[name][:_SEEN]))
    if measured and not _known().search(_squeezed(name)):
      continue  # Keeps half a million columns within seconds.
    counts = Counter(filter(None, table[name]))
    rows = counts.total()
    if len(counts) <= _FEW and 2 * len(counts) <= rows:
      continue
    kind = _by_name(name, unique=len(counts) > _ALMOST * rows)
    kind = kind or _by_days(name, counts)
    shared = len(counts) <= _MOST_LEVELS and 2 * len(counts) <= rows
    if kind == RECORD and shared:
      kind = ""
    if kind := kind or _by_cells(counts):
      kinds[name] = kind
  return kinds


def refuse(table: Table, names: Iterable[str]) -> None:
  """Raises UserError if columns look like identities and were not allowed."""
  if not (kinds := suspected(table, names)):
    return
  shown = [f"{name!r} ({kind})" for name, kind in kinds.items()]
  some = ",".join(kinds)
  raise UserError(
    f"{table.path}: {', '.join(shown)}: columns that identify patients are "
    "not features; name the identifying column as patient or id, leave others "
    f"out with drop={some}, or keep them with allow={some}"
  )


def _plain(text: str) -> str:
  """Without accents and case; words of a camelCase name apart."""
  text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
  text = re.sub(r"(?<=[a-z])['\u2019]s(?![a-z])", "", text)
  if text.isascii():
    return text.lower()
  letters = unicodedata.normalize("NFKD", text.translate(_LETTERS))
  return "".join(c for c in letters if not unicodedata.combining(c)).casefold()


def _squeezed(name: str) -> str:
  return re.sub(r"[\W_]+", "", _plain(name))


@functools.cache
def _words(text: str) -> frozenset[str]:
  return frozenset(_plain(text).replace("_", " ").split())


def _by_name(name: str, unique: bool = False) -> str:
  """The identity that a column's name suggests; "" for none.

  unique: whether almost none of its cells is repeated.
  """
  plain = _plain(name)
  if not _known().search(_squeezed(name)):
    return ""
  words = _PARTS.findall(plain.replace("_", " "))
  together, pairs = {*words, "".join(words)}, [*itertools.pairwise(words)]
  triples = zip(words, words[1:], words[2:], strict=False)
  pairs += [(a, c) for a, of, c in triples if of in _words(words_of.OF)]
  for kind, signs in _SIGNS.items():
    if not plain.isascii() and any(sign in plain for sign in _words(signs)):
      return kind

  def beside(first: str, second: str) -> bool:
    return any(a in _words(first) and b in _words(second) for a, b in pairs)

  if (
    together & _words(words_of.BIRTHS)
    or "".join(words) in _words(words_of.BIRTH)
    or beside(words_of.BORN, words_of.DAYS)
    or beside(words_of.DAYS, words_of.BORN)
  ):
    return BIRTH
  if (
    together & _words(words_of.NAMED)
    or "".join(words) in _words(words_of.NAME)
    or beside(words_of.PEOPLE, words_of.NAME)
    or beside(words_of.NAME, words_of.PEOPLE)
  ):
    return NAME
  if (
    "".join(words) in _words(words_of.RECORDS)
    or beside(words_of.OWNERS, words_of.NUMBER)
    or beside(words_of.NUMBER, words_of.NUMBERED)
    or beside("n", "dossier secu")
    or beside("historia", "clinica")
    or beside(words_of.KEYED, "id uid accession")
    or beside("hospital hosp", "no nr nbr number")
    or together & _words("mrn ssn")
    or (unique and "".join(words) in _words(words_of.PERHAPS))
  ):
    return RECORD
  return CONTACT if _contact(words) else ""


@functools.cache
def _known() -> re.Pattern:
  """Finds the words of which every identifying name holds at least one.

  A quick first check, since tables may have half a million columns.
  """
  lists = (words_of.TELLING, *_SIGNS.values())
  words = sorted(set().union(*map(_words, lists)))
  return re.compile("|".join(map(re.escape, words)))


def _contact(words: list[str]) -> bool:
  """Whether the name ends like that of an address or a phone number."""
  known = _words(words_of.CONTACTS)
  if "".join(words) in _words(words_of.REACHED):
    return True
  numbered = words[-1:] and (
    words[-1] in _words(words_of.NUMBER) or words[-1].isdigit()
  )
  words = words[:-1] if numbered else words
  return bool(words) and (words[-1] in known or "".join(words) in known)


def _by_days(name: str, counts: Counter) -> str:
  """Whether a column named as a date holds a spreadsheet's day numbers."""
  words, days = _PARTS.findall(_plain(name).replace("_", " ")), words_of.DAYS
  named = any(w in _words(days) or w.endswith(("datum", "date")) for w in words)
  several = len(counts) > _MOST_LEVELS
  serial = named and several and all(map(_SERIAL.fullmatch, counts))
  return DATE if serial else ""


def _by_cells(counts: Counter) -> str:
  """The identity that a column's cells, with their counts, look like."""
  rows, first = counts.total(), [*itertools.islice(counts, _SEEN)]
  if rows < _SEEN or all(map(_MEASURED.fullmatch, first)):
    return ""

  def share(pattern: re.Pattern) -> float:
    return sum(map(bool, map(pattern.fullmatch, counts))) / len(counts)

  if share(_MAIL) > _SOME or share(_SITE) > _ALMOST:
    return CONTACT
  if share(_DATED) > _ALMOST:
    return DATE
  few_each = len(counts) > _MOST_LEVELS and _SEEN * len(counts) > rows
  if few_each and (share(_KEY) > _ALMOST or _coded(counts)):
    return RECORD
  unique = len(counts) > _ALMOST * rows
  if unique and share(_DIGITS) > _ALMOST:
    return RECORD if _numbered(counts) else ""
  words = [_PARTS.findall(_plain(cell)) for cell in counts]
  named = [
    bool(_words(words_of.FIRST_NAMES) & {*w}) and len(w) <= 4 for w in words
  ]
  several = len(counts) > _SEEN // 2
  if several and (sum(named) > _SOME * len(counts) or share(_PERSON) > _MOSTLY):
    return NAME
  return ""


def _coded(counts: Iterable[str]) -> bool:
  """Whether nearly all cells are numbers behind the same letters: P-0017."""
  codes = [*map(_CODE.fullmatch, counts)]
  letters = Counter(code[1].lower() for code in codes if code)
  return bool(letters) and max(letters.values()) > _ALMOST * len(codes)


def _numbered(counts: Iterable[str]) -> bool:
  """Whether whole numbers are long and of one length, or padded with 0."""
  counts = [re.sub(r"\.0+$", "", cell) for cell in counts]
  digits = ["".join(filter(str.isdigit, cell)) for cell in counts]
  length, common = Counter(map(len, digits)).most_common(1)[0]
  whole = not any("." in cell and cell.count(".") == 1 for cell in counts)
  padded = sum(d[:1] == "0" and len(d) > _FEW for d in digits)
  alike = common > _ALMOST * len(digits) and whole
  return alike and (length >= _LONG or 2 * padded > len(digits))
