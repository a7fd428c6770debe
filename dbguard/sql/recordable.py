"""Which of a client's words may stand in a record.

A client chooses names as freely as values: an alias, a cursor, an application's name can be a
patient's number. What the catalog or the policy knows is the deployment's own; of everything else
only what has the shape of an ordinary name is kept. A word that happens to be somebody's name
cannot be told from `total` or `report`, and stays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

QUOTED_DIGITS = 4
"""Digits that a name in double quotes may hold, none of them in a run of four."""
BARE_DIGITS = 6
"""The same of names without quotes, which programs make more often; runs of four and more only
where they are a year, or year and month (`claims_2024`, `claims_202401`)."""
HIDDEN_NAME = '"?"'
_RUN = 4
_FREE_LENGTH = 64
"""Characters of an application's name: PostgreSQL itself cuts them at 63 bytes."""


def is_plain(name: str, *, bare: bool) -> bool:
    """Whether a name that nobody knows has the shape of an ordinary one."""
    if name.isascii() and name.isidentifier() and name.replace("_", "").isalpha():
        return True
    if not name or name[0].isdigit():
        return False
    for character in name:
        if character not in "_$" and unicodedata.category(character)[0] not in "LMN":
            return False
    runs = _digit_runs(name)
    if sum(map(len, runs)) > (BARE_DIGITS if bare else QUOTED_DIGITS):
        return False
    return all(len(run) < _RUN or (bare and _is_period(run)) for run in runs)


def _digit_runs(text: str) -> list[str]:
    spaced = "".join(c if unicodedata.category(c)[0] == "N" else " " for c in text)
    return spaced.split()


def _is_period(run: str) -> bool:
    if not run.isascii() or run[:2] not in ("19", "20"):
        return False
    return len(run) == 4 or (len(run) == 6 and run[:2] == "20" and "01" <= run[4:] <= "12")


def is_free_name(text: str) -> bool:
    """Whether a name with spaces (an application's) cannot be a value: no mail address, no number
    of four digits or more, also not in groups."""
    if len(text) > _FREE_LENGTH or "@" in text or not text.isprintable():
        return False
    runs = _digit_runs(text)
    return sum(map(len, runs)) <= BARE_DIGITS and all(len(run) < _RUN for run in runs)


def without(text: str, hidden: Iterable[str]) -> str:
    """`text` with the hidden names taken out of it, where they stand as words."""
    for name in hidden:
        if name.strip() and name in text:
            word = rf"(?<!\w){re.escape(name)}(?!\w)"
            text = re.sub(rf'"{word}"|{word}', lambda _: HIDDEN_NAME, text)
    return text
