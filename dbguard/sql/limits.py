"""How large and how deep a text may be before analysis refuses it.

Each limit protects a parser from input that would make it fail slowly or by exhausting its
stack; none of them is meant to be met by honest work.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one text (a Query or Parse message) may hold."""

    max_text_bytes: int = 1_000_000
    """UTF-8 bytes outside of constants in quotes. Multi-row INSERTs of loaders stay below 200 kB;
    every byte costs both parsers about 2 µs."""
    max_tokens: int = 100_000
    """Tokens without comments and without long runs of constants. An INSERT of 1,000 rows of 40
    columns, each with a function call in it, has 80,000."""
    max_statements: int = 1_000
    """Statements of one text. Migration tools send some hundreds; each costs a decision and an
    audit record."""
    max_nesting: int = 100
    """Open parentheses, brackets and CASEs at one place. ORMs reach about 20; both parsers recurse
    once or more for each, and PostgreSQL's parser gives up at a stack of 10,000 symbols."""
    max_brackets: int = 8
    """Open square brackets at one place. PostgreSQL's arrays have at most 6 dimensions (MAXDIM in
    c.h), and sqlglot takes thrice as long for each further level."""
    max_chain: int = 2_000
    """Operators in one expression, enclosing ones included; AND, OR and commas begin a new one.
    A chain becomes a tree as deep as it is long, of which each level costs the walks over it a few
    Python frames. Scripts that join their rows by UNION ALL reach a thousand."""


DEFAULT_LIMITS = Limits()
