"""What codes that stand in records mean, in words.

Records tell how a login ended as `failed 28P01`, and why a statement could not be decided as
`SQLSTATE 42601`. Documents for programs keep that; who reads a report gets a sentence, with the
code behind it for those who look further. The codes are those of PostgreSQL's appendix
"Error Codes", as dbguard and the server use them for logins (`ClientAuthentication`,
`InitPostgres`) and `remedies` for statements.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOGIN = "failed"
_STATEMENT = "SQLSTATE "
_LOGINS = {
    "": "ended before it was complete",
    "08001": "the server could not be reached",
    "08006": "the connection broke",
    "08P01": "the client did not keep to the protocol",
    "0A000": "asked for something that dbguard does not carry",
    "28000": "not let in by the server's or dbguard's settings",
    "28P01": "wrong user or password",
    "3D000": "no such database",
    "42501": "may not connect to this database",
    "53300": "too many connections",
    "53400": "over one of dbguard's limits",
    "55000": "the database takes no connections",
    "57014": "the login took too long",
    "57P01": "the server was being stopped",
    "57P03": "the server was starting, stopping or recovering",
    "58000": "dbguard could not reach what it needs for a login",
    "58030": "the audit log or dbguard's store could not be used",
}
_STATEMENTS = {
    "0A000": "dbguard could not see all that the statement does",
    "42601": "PostgreSQL's grammar does not accept the statement",
    "53400": "the statement is over one of dbguard's limits",
    "58030": "the audit log could not be written",
}
_NOT_THERE = "the statement names something that is not there"


@dataclass(frozen=True, slots=True)
class Said:
    """A name out of a record, for people."""

    words: str
    code: str = ""
    """The SQLSTATE that the words stand for; most names have none."""

    def __str__(self) -> str:
        return f"{self.words} ({self.code})" if self.code else self.words


def said(name: str) -> Said:
    """What to show for the name of a reason or rule. Other names stay as they are."""
    if code := code_of(name):
        return Said(of_statement(code), code)
    result, _, code = name.partition(" ")
    if result == _LOGIN and (code in _LOGINS or _is_code(code)):
        return Said(_LOGINS.get(code, "refused by the server"), code)
    return Said(name)


def code_of(rule: str) -> str:
    """The SQLSTATE that stands in a record where the rules that decided would; else empty."""
    code = rule.removeprefix(_STATEMENT)
    return code if rule.startswith(_STATEMENT) and _is_code(code) else ""


def of_statement(code: str) -> str:
    """Why a statement with this SQLSTATE could not be decided."""
    return _STATEMENTS.get(code, _NOT_THERE)


def _is_code(text: str) -> bool:
    return len(text) == 5 and text.isascii() and text.isalnum() and text == text.upper()
