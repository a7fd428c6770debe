"""The referee's tree to names: PostgreSQL's parse analysis, without types.

A statement's *scopes* hold *items*, what FROM brings in; each item has columns, and looking one up
gives a *value*: which columns of which *site* (one mention of one relation) it carries. What the
walk sees is written into the *ledger*: sites, uses, functions, flows, and everything that it
could not see through. The ledger's books, closed, are the *facts*.

Modelled on PostgreSQL's parse_clause.c, parse_relation.c, parse_expr.c, parse_func.c,
parse_target.c and analyze.c. A column that a subquery puts out is not used until an outer query
uses it, so uses are noted when a value is consumed, not when it is named.
"""

from __future__ import annotations

from .earlier import DOUBT, Names
from .statements import resolve_statement

__all__ = ["DOUBT", "Names", "resolve_statement"]
