"""Words that occur in the names of columns that identify patients.

Without accents and capitals, in the languages of most records.
"""

PEOPLE = (
  "patient patients pat pt subject person client member participant proband "
  "insured full first last family given middle maiden birth mother father "
  "guardian contact doctor physician famille naissance paciente "
  "paziente patienten"
)
NAMED = (
  "surname lastname firstname forename fullname givenname familyname "
  "patientname patname ptname patientenname rufname zuname initials initialen "
  "nickname nominativo isim ονομα vorname nachname familienname geburtsname "
  "prenom apellido apellidos cognome sobrenome achternaam voornaam efternamn "
  "etunimi sukunimi nazwisko prijmeni имя фамилия отчество фио"
)
NAME = "name names nom nombre nome naam namn navn nimi imie jmeno adsoyad"
OWNERS = (
  "patient pat pt subject subj person client member participant proband "
  "probanden case record encounter hadm icustay stay chart file insurance "
  "insured national medical medicare medicaid fiscal fiscale social nhs chi "
  "cpr policy sv kv paciente paziente patienten fall accession dossier "
  "historia prontuario secu securite sociale aufnahme rodne pesel passport "
  "card identity pseudonym kimlik карты"
)
NUMBER = (
  "id ids no nr nbr num number numero nummer nmr nb cislo номер codice "
  "codigo key code mrn security"
)
NUMBERED = (
  "patient subject person record case dossier historia secu securite paciente "
  "paziente fiscale pesel карты"
)
RECORDS = (
  "id uid uuid guid mrn ssn nino nhs bsn dni nif cpf patient patients subject "
  "mrnumber patientid patid patnr patno subjectid personid caseid recordid "
  "casenumber patientnumber recordnumber patientennummer patientennr "
  "fallnummer fallnr aktennummer aktenzeichen versichertennummer personnummer "
  "personnr fodselsnummer rodnecislo pesel passport accession снилс "
  "sozialversicherungsnummer svnr svnummer kvnr kvnummer aufnahmenummer "
  "krankenversichertennummer krankenkassennummer paciente paziente cpr cprnr "
  "patientnummer hetu henkilotunnus nir ipp nhc cedula prontuario ohip chi "
  "uhid aadhaar nric hkid caseno recno rowid subj subjid sid usubjid "
  "participant proband pseudonym socsecno medicalrecord studyinstanceuid "
  "seriesinstanceuid sopinstanceuid"
)
PERHAPS = "pid identifier code nr nbr no num number"  # If few repeat.
KEYED = "visit admission sample specimen study order event row account"
OF = "of the de du des del della di da der van"
BIRTHS = (
  "dob birthdate birthday birthdt dateofbirth geburtsdatum geburtstag gebdatum "
  "gebdat gebtag geboortedatum fodselsdato fodelsedatum"
)
BIRTH = (  # Alone.
  "birth born bornon geb geboren bdate ddn fnac nele naissance nacimiento "
  "nascita nascimento"
)
BORN = (
  "birth born geb naissance naiss nacimiento nac nascita nascimento nasc "
  "narozeni dogum рождения"
)
DAYS = "date day dt dat datum dato fecha data datan tarihi tarih дата"
CONTACTS = (
  "address street postcode postalcode zip zipcode plz postleitzahl email "
  "mail phone telephone tel fax mobile cellphone telefon telefono telefone "
  "adresse anschrift strasse direccion indirizzo endereco adres телефон адрес "
  "handy handynummer hausnummer correo electronico courriel pager codepostal "
  "codigopostal"
)
REACHED = "ip ipaddress url mobil nextofkin emergencycontact"  # Alone.
FIRST_NAMES = (
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
  "sven ingrid anders jan piotr krzysztof agnieszka иван анна олег ольга "
  "андрей сергей дмитрий мария екатерина наталья татьяна елена владимир "
  "александр алексей петр николай михаил ирина светлана юлия"
)
TELLING = " ".join(
  [
    *(NAMED, NAME, RECORDS, NUMBER, NUMBERED, PERHAPS),
    *(BIRTHS, BIRTH, BORN, CONTACTS, REACHED),
  ]
)
"""The name of a column that identifies patients holds at least one of these."""
