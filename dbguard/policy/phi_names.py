"""Column names that often hold PHI, so that `dbguard check` can ask about unclassified ones.

Phrases are sequences of words as they appear in names (`birth_date`, `birthDate`, `BIRTH DATE`
all hold "birth date"). The wording of each entry follows 45 CFR 164.514(b)(2)(i).
"""

from __future__ import annotations

from collections.abc import Mapping

_PHRASES: Mapping[str, str] = {
    "names": (
        "first name, last name, middle name, given name, family name, full name, maiden name, "
        "birth name, patient name, surname, firstname, lastname, fullname, next of kin, guarantor, "
        "emergency contact"
    ),
    "geography smaller than a state": (
        "address, addr, street, house number, city, town, county, zip, zipcode, zip code, postal, "
        "postcode, post code, latitude, longitude, geocode"
    ),
    "dates and ages": (
        "dob, birth, birthdate, birthday, death, deceased, died, date of birth, date of death, "
        "admitted, admission date, discharged, discharge date, age"
    ),
    "telephone numbers": "phone, telephone, mobile, cell number, msisdn",
    "fax numbers": "fax",
    "e-mail addresses": "email, e mail, mail address",
    "social security numbers": "ssn, social security, national id, nhs number, sin number",
    "medical record numbers": "mrn, medical record, chart number",
    "health plan numbers": (
        "insurance id, insurance number, insurance no, member number, member id, beneficiary, "
        "subscriber id, policy number, medicaid, medicare"
    ),
    "account numbers": "account number, iban, bank account, credit card, card number",
    "licenses and certificates": "license number, licence number, drivers license, passport",
    "vehicles": "license plate, plate number, vin",
    "devices": "device serial, implant serial, device id, imei",
    "web addresses": "homepage, portal url, personal url",
    "network addresses": "ip address, ip addr, client ip, remote addr, mac address",
    "biometric identifiers": "fingerprint, voice print, voiceprint, retina, iris scan, biometric",
    "photographs": "photo, photograph, portrait, face image, selfie",
    "free text about patients": (
        "clinical note, progress note, note text, anamnesis, chief complaint"
    ),
}
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = tuple(
    (tuple(phrase.split()), kind)
    for kind, phrases in _PHRASES.items()
    for phrase in phrases.split(", ")
)
_PEOPLE = frozenset({"patient", "patients", "person", "persons", "people", "member", "members"})


def looks_like_phi(table: str, column: str) -> str | None:
    """What a column of this name may hold (`social security numbers`), or None."""
    words = _words(column)
    for phrase, kind in _KINDS:
        size = len(phrase)
        if any(words[at : at + size] == phrase for at in range(len(words) - size + 1)):
            return kind
    if words == ("name",) and _PEOPLE & set(_words(table)):
        return "names"
    return None


def _words(name: str) -> tuple[str, ...]:
    """Words of a name: split at anything but letters, and between lower and upper case."""
    spaced = ""
    for before, character in zip(" " + name, name, strict=False):
        if before.islower() and character.isupper():
            spaced += " "
        spaced += character if character.isalpha() else " "
    return tuple(spaced.lower().split())
