"""The README of a bundle: what is in it, and how to check it without dbguard's configuration."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from dbguard import __version__
from dbguard.report.wording import plain, range_text

if TYPE_CHECKING:
    from dbguard.report.evidence.bundle import Evidence

_WHAT = (
    ("report.html", "the report for people: open it in a browser; it needs no network"),
    ("report.json", "the same for programs"),
    ("csv/", "the same as tables for spreadsheets"),
    ("controls.html", "what all this shows for HIPAA and SOC 2, and what it does not"),
    ("controls.json", "the same for programs"),
    ("verification.txt", "the check of the whole trail, not only of the report's time range"),
    ("verification.json", "the same for programs"),
    ("segments.csv", "every file of the trail with its SHA-256 when the bundle was made"),
    ("checkpoints/", "the latest signed checkpoints of each chain"),
    ("public-keys.txt", "the public keys that sign them"),
    ("policy/", "the policy files as they were when the bundle was made"),
    ("settings.json", "what the settings say where a control asks for it; no secrets"),
    ("SHA256SUMS", "the SHA-256 of every file of this bundle"),
)
_WIDTH = 78


def readme(evidence: Evidence, names: list[str]) -> str:
    """`names` are those of the bundle's other files."""
    result = evidence.verification
    parts = [
        "Evidence from dbguard's audit trail",
        "===================================",
        "",
        f"Trail:    {plain(evidence.trail)}",
        f"Range:    {range_text(evidence.report, evidence.view)}",
        f"Records:  {evidence.report.totals.records:,} in the range, {result.records:,} in the "
        "whole trail",
        "Check:    " + ("in order" if result.ok else "NOT in order: see verification.txt"),
        f"Made by:  dbguard {__version__}",
        "",
        "What is here",
        "------------",
        "",
    ]
    for name, what in _WHAT:
        present = name == "SHA256SUMS" or any(n == name or n.startswith(name) for n in names)
        if present:
            parts.append(f"  {name:<18}{what}")
    parts += ["", *_checking(evidence), *_limits()]
    return "\n".join(parts) + "\n"


def _checking(evidence: Evidence) -> list[str]:
    options = ""
    if evidence.public_keys:
        options += " --public-key public-keys.txt"
    if evidence.checkpoints:
        options += " --checkpoints checkpoints/"
    last = [
        f"  {chain.writer or '(top)'}: record {chain.last_sequence}, hash {chain.last_hash}"
        for chain in evidence.verification.chains
        if chain.last_hash
    ]
    return [
        "How to check it",
        "---------------",
        "",
        "1. That nothing in this bundle was changed since SHA256SUMS was written:",
        "",
        "     sha256sum --check SHA256SUMS",
        "",
        *_wrapped(
            "Keep the SHA-256 of SHA256SUMS itself, or of the zip file, where nobody who could "
            "change the bundle can write."
        ),
        "",
        "2. That the trail is the one that was written, and holds what was signed. Where the",
        "   trail's folder can be read, with nothing else of dbguard's configuration:",
        "",
        f"     dbguard audit verify TRAIL{options}",
        "",
        *_wrapped(
            "`python -m dbguard.verification` does the same. docs/audit.md describes the formats "
            "in full, so that the check can also be written anew."
        ),
        "",
        "3. That the trail still is what it was when this bundle was made: segments.csv has the",
        "   SHA-256 of its files (the last segment, head and checkpoints grow while dbguard runs),",
        "   and these were the last records:",
        "",
        *(last or ["  (no records)"]),
        "",
        "4. Single records: `dbguard audit show RECORD` shows one; `dbguard audit prove RECORD`",
        "   proves that it stood in the trail, to somebody who has only the public key.",
        "",
    ]


def _limits() -> list[str]:
    text = (
        "The bundle supports an audit; it does not say that anybody complies with anything. It "
        "shows what passed through dbguard and what its configuration says. It does not show what "
        "reached the database another way, beyond the sessions past dbguard that were seen. "
        "Checkpoints that lie beside the trail can be removed together with it: copies of them in "
        "a second place, compared with --checkpoints, show that. Statements stand here with their "
        "values taken out; names of tables, columns, users and rules are in clear."
    )
    return ["What it does not say", "--------------------", "", *textwrap.wrap(text, _WIDTH)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="   ", subsequent_indent="   ")
