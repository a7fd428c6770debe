"""Every protected value of the clinic, and a search for them in received bytes."""

from __future__ import annotations

import datetime
import json
from typing import Any

PROTECTED = {
    "clinic.patients": (
        "mrn ssn first_name last_name dob phone email address zip insurance_id contact external_id"
    ),
    "clinic.notes": "body",
    "clinic.claims": "policy_number",
    "clinic.encounters": "reason",
}
SHORTEST = 6
"""Shorter values (a city, a first name) stand in honest text by chance."""


def canaries(database: Any) -> frozenset[bytes]:
    """Distinctive protected values of a test database, as text."""
    found: set[str] = set()
    for table, columns in PROTECTED.items():
        for column in columns.split():
            for (value,) in database.execute(f"SELECT DISTINCT {column} FROM {table}"):
                found.update(_texts(value))
    return frozenset(v.encode() for v in found if len(v) >= SHORTEST)


def _texts(value: object) -> list[str]:
    if isinstance(value, datetime.date):
        return [] if (value.month, value.day) == (1, 1) else [value.isoformat()]
    if isinstance(value, dict | list):
        return [json.dumps(value)] + [t for v in _leaves(value) for t in _texts(v)]
    return [] if value is None else [str(value)]


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in _leaves(v)]
    if isinstance(value, list):
        return [leaf for v in value for leaf in _leaves(v)]
    return [value]


def leaks(received: bytes, values: frozenset[bytes]) -> list[bytes]:
    return sorted(value for value in values if value in received)
