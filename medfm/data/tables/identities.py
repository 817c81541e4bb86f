"""Which columns look as if they identify a patient.

Names, addresses, record numbers and dates are not features: a model learns
them by heart, and their values would be written into a run's `info.json`. A
column is known by its name, in a few languages, or by what its cells hold.
This is a guess and errs both ways, so the user always has the last word.
"""

import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from medfm.data.tables.table import Table
from medfm.types import UserError

NAME, RECORD, BIRTH = "a name", "a record number", "a date of birth"
CONTACT, DATE = "an address", "dates"

_PEOPLE = (
  "patient patients pat subject person client member participant proband "
  "insured full first last family given middle maiden birth mother father "
  "guardian contact doctor physician paciente paziente patienten"
)
_NAMED = (
  "surname lastname firstname forename fullname givenname familyname "
  "patientname patname vorname nachname familienname geburtsname prenom "
  "apellido apellidos cognome sobrenome achternaam voornaam efternamn etunimi "
  "sukunimi nazwisko prijmeni имя фамилия отчество фио"
)
_NAME = "name names nom nombre nome naam namn navn nimi imie jmeno"
_OWNERS = (
  "patient pat subject person client member participant proband case record "
  "encounter hadm icustay stay chart file insurance insured national medical "
  "medicare fiscal social nhs paciente paziente patienten fall accession"
)
_NUMBER = "id ids no nr nbr num number numero nummer nmr key code mrn security"
_RECORDS = (
  "id uid uuid guid mrn ssn nino nhs bsn dni nif cpf patient patients subject "
  "mrnumber patientid patid patnr patno subjectid personid caseid recordid "
  "casenumber patientnumber recordnumber patientennummer patientennr "
  "fallnummer fallnr aktennummer aktenzeichen versichertennummer personnummer "
  "personnr fodselsnummer rodnecislo pesel passport accession снилс"
)
_PERHAPS = "pid identifier code nr nbr no num number"  # If few repeat.
_KEYED = "visit admission sample specimen study order event row account"
_OF = "of the de du des del della di da der van"
_BIRTHS = (
  "dob birthdate birthday birthdt dateofbirth geburtsdatum geburtstag gebdatum "
  "gebdat gebtag geboortedatum fodselsdato fodelsedatum"
)
_BORN = "birth born naissance nacimiento nascita nascimento рождения"
_DAYS = "date day dt dat fecha data дата"
_CONTACTS = (
  "address street postcode postalcode zip zipcode plz postleitzahl email "
  "mail phone telephone tel fax mobile cellphone telefon telefono telefone "
  "adresse anschrift strasse direccion indirizzo endereco adres телефон адрес"
)
_SIGNS = {
  NAME: "姓名 氏名 名前 이름 성명",
  BIRTH: "出生日期 生年月日 생년월일",
  RECORD: "身份证 住院号 病历号 患者id 患者番号 등록번호 주민등록번호",
  CONTACT: "电话 電話 地址 住所 전화 주소",
}
_FIRST_NAMES = (
  "james john robert michael william david richard joseph thomas charles "
  "christopher daniel matthew anthony donald steven andrew paul joshua kenneth "
  "kevin brian george timothy ronald jason edward jeffrey ryan jacob gary "
  "nicholas eric jonathan stephen larry justin scott brandon benjamin samuel "
  "gregory alexander patrick jack dennis peter henry simon oliver martin "
  "mary patricia jennifer linda elizabeth barbara susan jessica sarah karen "
  "lisa nancy betty sandra margaret ashley kimberly emily donna michelle "
  "carol amanda melissa deborah stephanie rebecca laura helen anna emma "
  "olivia sophia alice jane julia claire catherine hannah "
  "hans klaus jurgen wolfgang heinz dieter stefan andreas thorsten uwe fritz "
  "karl otto ursula monika petra sabine renate helga gisela heike anja katrin "
  "jean pierre michel jacques philippe francois nicolas marie nathalie "
  "isabelle sylvie monique camille jose juan carlos luis javier miguel pedro "
  "antonio manuel francisco maria carmen ana lucia pilar giovanni giuseppe "
  "marco francesca giulia chiara joao paulo fernanda ivan sergei dmitri olga "
  "natalia tatiana mohammed muhammad mohamed ahmed ali hassan fatima aisha "
  "omar yusuf wei li fang hiroshi yuki priya rahul amit sunita anil lars "
  "sven ingrid anders jan piotr krzysztof agnieszka"
)
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_DATED = re.compile(
  r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
  r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
)
_MEASURED = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_DIGITS = re.compile(r"[+(]?\d[\d\s()/.-]*")
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_FEW = 3  # "phone: yes or no" tells nobody apart,
_MOST_LEVELS = 12  # and neither does a number that many share.
_SEEN = 10  # Observed rows below which cells alone say nothing.
_ALMOST, _SOME = 0.9, 0.3
_LONG = 7


def suspected(table: Table, names: Iterable[str]) -> dict[str, str]:
  """The columns that look like identities -> what they look like.

  Never a column with three or fewer values that repeat: whether somebody has a
  telephone is a feature, the number is not.
  """
  kinds = {}
  for name in names:
    measured = all(map(_MEASURED.fullmatch, table[name][:_SEEN]))
    if measured and not _known().search(_plain(name)):
      continue  # So that half a million of them take seconds.
    counts = Counter(filter(None, table[name]))
    rows = counts.total()
    if len(counts) <= _FEW and 2 * len(counts) <= rows:
      continue
    kind = _by_name(name, unique=len(counts) > _ALMOST * rows)
    shared = len(counts) <= _MOST_LEVELS and 2 * len(counts) <= rows
    if kind == RECORD and shared:
      kind = ""
    if kind := kind or _by_cells(counts):
      kinds[name] = kind
  return kinds


def refuse(table: Table, names: Iterable[str]) -> None:
  """Raises UserError where columns that nobody allowed look like identities."""
  if not (kinds := suspected(table, names)):
    return
  shown = [f"{name!r} ({kind})" for name, kind in kinds.items()]
  some = ",".join(kinds)
  raise UserError(
    f"{table.path}: {', '.join(shown)}: such columns tell patients apart and "
    "are not features; name the one that does as patient or id, leave the "
    f"others out with drop={some}, or keep them with allow={some}"
  )


def _plain(text: str) -> str:
  """Without accents and case; words of a camelCase name apart."""
  text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
  if text.isascii():
    return text.lower()
  letters = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
  return "".join(c for c in letters if not unicodedata.combining(c)).casefold()


@functools.cache
def _words(text: str) -> frozenset[str]:
  return frozenset(_plain(text).replace("_", " ").split())


def _by_name(name: str, unique: bool = False) -> str:
  """What a column's name says it is; "" for nothing of the kind.

  unique: whether almost none of its cells is repeated.
  """
  plain = _plain(name)
  if not _known().search(plain):
    return ""
  words = _PARTS.findall(plain.replace("_", " "))
  together, pairs = {*words, "".join(words)}, [*itertools.pairwise(words)]
  triples = zip(words, words[1:], words[2:], strict=False)
  pairs += [(a, c) for a, of, c in triples if of in _words(_OF)]
  for kind, signs in _SIGNS.items():
    if not plain.isascii() and any(sign in plain for sign in _words(signs)):
      return kind

  def beside(first: str, second: str) -> bool:
    return any(a in _words(first) and b in _words(second) for a, b in pairs)

  if together & _words(_BIRTHS) or beside(_BORN, _DAYS) or beside(_DAYS, _BORN):
    return BIRTH
  if (
    together & _words(_NAMED)
    or "".join(words) in _words(_NAME)
    or beside(_PEOPLE, _NAME)
    or beside(_NAME, _PEOPLE)
  ):
    return NAME
  if (
    "".join(words) in _words(_RECORDS)
    or beside(_OWNERS, _NUMBER)
    or beside(_NUMBER, "patient subject person record case")
    or beside(_KEYED, "id uid accession")
    or beside("hospital", "no nr nbr number")
    or together & _words("mrn ssn")
    or (unique and "".join(words) in _words(_PERHAPS))
  ):
    return RECORD
  return CONTACT if _contact(words) else ""


@functools.cache
def _known() -> re.Pattern:
  """Finds any of the words of which one at least stands in such a name.

  Tables of half a million columns have to be looked through.
  """
  lists = (_NAMED, _NAME, _RECORDS, _NUMBER, _PERHAPS, _BIRTHS, _BORN)
  lists += (_CONTACTS, *_SIGNS.values())
  words = sorted(set().union(*map(_words, lists)))
  return re.compile("|".join(map(re.escape, words)))


def _contact(words: list[str]) -> bool:
  """Whether the name ends as an address, or a number to call."""
  known = _words(_CONTACTS)
  words = words[:-1] if words[-1:] and words[-1] in _words(_NUMBER) else words
  return bool(words) and (words[-1] in known or "".join(words) in known)


def _by_cells(counts: Counter) -> str:
  """What the cells of a column (and how often each occurs) look like."""
  rows, first = counts.total(), [*itertools.islice(counts, _SEEN)]
  if rows < _SEEN or all(map(_MEASURED.fullmatch, first)):
    return ""

  def share(pattern: re.Pattern) -> float:
    return sum(map(bool, map(pattern.fullmatch, counts))) / len(counts)

  if share(_MAIL) > _SOME:
    return CONTACT
  if share(_DATED) > _ALMOST:
    return DATE
  unique = len(counts) > _ALMOST * rows
  if unique and share(_DIGITS) > _ALMOST:
    return RECORD if _numbered(counts) else ""
  words = [_PARTS.findall(_plain(cell)) for cell in counts]
  named = [bool(_words(_FIRST_NAMES) & {*w}) and len(w) <= 4 for w in words]
  several = len(counts) > _SEEN // 2
  return NAME if several and sum(named) > _SOME * len(counts) else ""


def _numbered(counts: Iterable[str]) -> bool:
  """Whether whole numbers are long and of one length, or padded with 0."""
  digits = ["".join(filter(str.isdigit, cell)) for cell in counts]
  length, common = Counter(map(len, digits)).most_common(1)[0]
  whole = not any("." in cell and cell.count(".") == 1 for cell in counts)
  padded = sum(d[:1] == "0" and len(d) > _FEW for d in digits)
  alike = common > _ALMOST * len(digits) and whole
  return alike and (length >= _LONG or 2 * padded > len(digits))
