"""Queries made at random from a grammar: typed, so that most are valid, and the same for a seed.

A *world* is what a snapshot holds, by kinds of types. A *scope* is what a place in a query may
refer to: *sources* by name, plain columns by themselves, outer levels behind them. The *generator*
writes SQL text for such places and keeps the scopes while it does; it does not parse anything.
"""

from __future__ import annotations

from .queries import QueryGenerator
from .world import World, world_of

__all__ = ["QueryGenerator", "World", "world_of"]
