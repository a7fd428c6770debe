"""Masks as SQL.

A *mask* (kind and options, from the policy) put on a *column* (name, type, collation, from the
catalog snapshot) gives a *mask expression*: SQL text over one *reference* such as `t."ssn"` that
the server evaluates inside a masked relation. Its type, typmod and collation are the column's
own, so that nothing a client sees of the result's shape changes; everything it names is qualified
with `pg_catalog`, so that nobody's functions or operators can stand in for PostgreSQL's.

A combination of mask and type that has no safe expression is NULL, never the raw value.
"""
