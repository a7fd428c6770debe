"""Rules files to decisions.

A *policy* is loaded from a folder of YAML files: *classification* (patterns that give *tags* to
columns and tables), *roles* (who), *masks* (profiles: tag to *mask*), *rules* (grants, denials,
requirements) and *defaults*. Bound to a catalog snapshot it knows which column carries which
tags, views and partitions included. `decide()` is pure and total: facts and principal in, a
*decision* with its rules and reasons out; anything it cannot evaluate denies.

Grants add up, denials override, requirements accumulate, and classified data without a grant is
refused. The order of rules and files never matters.
"""
