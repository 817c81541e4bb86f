"""Which columns are taken for names, record numbers, addresses and dates."""

import pytest

from medfm.data.tables import identities
from medfm.data.tables import table as tables
from medfm.types import UserError


def suspected(name, cells):
  table = tables.of_cells("t.csv", {name: [*cells]}, range(len(cells)))
  return identities.suspected(table, [name]).get(name)


FEATURES = """
age sex race race_ethnicity pregnancies_number birth_weight poids_de_naissance
admission_type_id hospital_id site_id time_in_hospital num_lab_procedures
number_outpatient payer_code capital-gain patient_age patients_per_room
address_type case_mix_index city file_size drug_name hospital_name
family_history mother_age year_of_birth nodes mean_radius visit_number
hosp_id births geb_gewicht red_blood_cell relationship n_patients pt_index
"""

IDENTITIES = {
  identities.NAME: """name Name patient_name PatientName full_name last-name
    surname Vorname nom Prénom nombre_paciente nom_du_patient apellidos 姓名
    фамилия Patientenname patient's_name Rufname initials isim اسم""",
  identities.RECORD: """MRN medical_record_number patient_id PatientID patient
    subject_id hadm_id encounter_id patient_nbr SSN nhs_number ID record_id
    case_no Fallnummer Patienten-Nr hospital_number accession_number 住院号
    pt_id subjid USUBJID Sozialversicherungsnummer KV-Nummer numéro_de_dossier
    n°_sécu codice_fiscale historia_clinica cédula fødselsnummer rodné_číslo
    pseudonym StudyInstanceUID 病案号""",
  identities.BIRTH: """dob DOB date_of_birth birthDate Geburtsdatum
    date_naissance fecha_de_nacimiento data_di_nascita 出生日期 geboren DDN
    Geb.-Datum né_le F._Nac. fødselsdato patient_birthdate""",
  identities.CONTACT: """address home_address street email e-mail phone_number
    zip_code Telefon Anschrift Straße 电话 zip5 Handy courriel code_postal
    next_of_kin ip_address""",
}


@pytest.mark.parametrize("name", FEATURES.split())
def test_usual_features_are_left_alone(name):
  assert suspected(name, [f"{i % 40}" for i in range(60)]) is None


@pytest.mark.parametrize(
  ("name", "kind"),
  [
    (name, kind) for kind, names in IDENTITIES.items() for name in names.split()
  ],
)
def test_identities_are_known_by_the_name_of_the_column(name, kind):
  assert suspected(name, [f"{i % 40}" for i in range(60)]) == kind


@pytest.mark.parametrize(
  ("cells", "kind"),
  [
    ([f"Ann{i} Mary" for i in range(24)], identities.NAME),
    (["Schmidt, Hans", "Petra Maier", "Klaus Kurz", "Uwe Lang", "Ute Vogel",
      "Jens Beck"] * 4, identities.NAME),
    ([f"p{i}@mail.org" for i in range(12)], identities.CONTACT),
    ([f"19{40 + i}-03-1{i % 9}" for i in range(40)], identities.DATE),
    ([f"1{i % 9}.03.19{40 + i}" for i in range(40)], identities.DATE),
    ([f"{1234567 + 7 * i}" for i in range(40)], identities.RECORD),
    ([f"{i:05}" for i in range(7, 300, 7)], identities.RECORD),
    ([f"030 1234{i:03}" for i in range(40)], identities.RECORD),
    ([f"{150 + i}000" for i in range(40)], None),
    ([f"{i * 1234567 % 10**7 / 100}" for i in range(40)], None),
    (["Heart Failure", "Type Two", "Old Age", "No Cause", "Low Salt",
      "High Potassium"] * 4, None),
    (["stage I", "stage II", "stage III"] * 9, None),
    ([f"20{10 + i % 9}0{1 + i % 9}1{i % 9}" for i in range(40)],
     identities.DATE),
    ([f"{1 + i % 28}. März 20{10 + i % 9}" for i in range(40)],
     identities.DATE),
    ([f"1/{1 + i % 28}/1{i % 9} 3:04 PM" for i in range(40)], identities.DATE),
    ([f"{1234567 + 7 * i}.0" for i in range(40)], identities.RECORD),
    ([f"MRN-{i % 20:04}" for i in range(60)], identities.RECORD),
    ([f"{i * 7919:032x}" for i in range(40)], identities.RECORD),
    ([f"C{i % 30}.1" for i in range(60)], None),
    ([f"DRG {400 + i % 30}" for i in range(600)], None),
    ([f"10.0.{i}.7" for i in range(40)], identities.CONTACT),
    (["DOE^JOHN", "ROE^MARY", "MOE^SUE", "POE^BOB", "LOE^ANN", "NOE^TIM"] * 3,
     identities.NAME),
    (["Иванов Иван", "Сидорова Анна", "Смирнов Олег", "Юрьев Юрий",
      "Кузнецова Ольга", "Попов Андрей"] * 3, identities.NAME),
  ],
)  # fmt: skip
def test_identities_are_known_by_the_cells_of_a_column(cells, kind):
  assert suspected("x", cells) == kind


def test_a_date_that_a_spreadsheet_made_a_number_is_known_by_its_column():
  days = [f"{43000 + 13 * i % 997}" for i in range(40)]
  assert suspected("Aufnahmedatum", days) == identities.DATE
  assert suspected("leukocytes", days) is None


def test_whether_somebody_has_a_telephone_is_a_feature():
  assert suspected("phone", ["yes", "no"] * 10) is None


def test_a_code_that_many_rows_share_is_no_record_number():
  assert suspected("study_id", ["1", "2", "3", "4", "5"] * 10) is None


def test_a_pid_is_a_record_number_only_where_few_repeat():
  assert suspected("PID", [f"{i * 17}" for i in range(40)]) == "a record number"
  assert suspected("PID", [f"{i % 20}" for i in range(40)]) is None


def test_the_refusal_says_what_to_do_and_quotes_no_cell():
  cells = {"dob": [f"19{i}-01-01" for i in range(40, 60)], "x": ["1"] * 20}
  table = tables.of_cells("t.csv", cells, range(20))
  with pytest.raises(UserError) as caught:
    identities.refuse(table, cells)
  assert str(caught.value) == (
    "t.csv: 'dob' (a date of birth): columns that identify patients are not "
    "features; name the identifying column as patient or id, leave others out "
    "with drop=dob, or keep them with allow=dob"
  )
