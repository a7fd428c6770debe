"""Which keys may have signed: those that were given, and those that they handed over to."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from .findings import Finding
from .record_lines import Mark
from .signed_note import PublicKey, read_vkey, rotation_text


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A KEY record, and where it was found."""

    writer: str
    mark: Mark


@dataclass(slots=True)
class Trust:
    given: bool
    """Whether any key was; otherwise the keys are those that the trail itself names."""
    keys: list[PublicKey]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def knows(self, names: str) -> bool:
        return any(key.name in names.split(", ") for key in self.keys)


def establish(given: list[PublicKey], records: list[KeyRecord]) -> Trust:
    """Follow the rotations that the trail records."""
    trust = Trust(bool(given), list(given))
    named: list[tuple[KeyRecord, PublicKey]] = []
    for record in records:
        try:
            named.append((record, read_vkey(record.mark.fields.get("key", ""))))
        except (ValueError, binascii.Error):
            trust.findings.append(_finding(record, "names a key that is none"))
    everything = {key.name: key for _, key in named} | {key.name: key for key in given}
    handed: list[tuple[str, PublicKey]] = []
    for record, key in named:
        event, previous = (record.mark.fields.get(name, "") for name in ("event", "previous"))
        if event == "rotated":
            if previous not in everything:
                trust.notes.append(
                    f"{_name(record)}: signatures change to key {key.name}; the key before it, "
                    f"{previous}, is not known, so that its consent was not checked"
                )
            elif _consents(everything[previous], key, record.mark):
                handed.append((previous, key))
            else:
                trust.findings.append(
                    _finding(record, f"key {previous} did not sign that {key.name} follows it")
                )
        elif event == "replaced":
            trust.notes.append(
                f"{_name(record)}: key {key.name} took the place of {previous or 'a lost one'} "
                "without its signature"
            )
    if not given:
        trust.keys = [key for _, key in named]
        return trust
    grown = True
    while grown:
        names = {key.name for key in trust.keys}
        new = [key for previous, key in handed if previous in names and key.name not in names]
        trust.keys += new
        grown = bool(new)
    return trust


def _consents(old: PublicKey, new: PublicKey, mark: Mark) -> bool:
    try:
        signature = base64.b64decode(mark.fields.get("signature", ""), validate=True)
    except (ValueError, binascii.Error):
        return False
    return bool(new.name) and old.verifies(signature, rotation_text(mark.fields["key"]))


def _name(record: KeyRecord) -> str:
    return f"record {_finding(record, '').record}"


def _finding(record: KeyRecord, problem: str) -> Finding:
    return Finding(record.mark.sequence, record.mark.file, 0, problem, record.writer)
