"""Rules files to decisions.

A *policy* is loaded from a folder of YAML files: *classification* (patterns that give *tags* to
columns and tables), *roles* (who), *masks* (profiles: tag to *mask*), *rules* (grants, denials,
requirements) and *defaults*. A text becomes a *tree* with the place of every key (`yaml_nodes`),
the tree a *document* of checked shape (`document`, `shaping`), all documents together a policy
(`linking`, `loading`); every *problem* on the way is named at its place.

*Bound* to a catalog snapshot (`binding`) the policy knows which column carries which tags, views
and partitions included. A principal's *standing* in an environment says how they may see it: raw,
masked or not at all. `decide()` (`deciding`) is pure and total: facts and principal in, a
*decision* with its rules and reasons out, found by checks that look at one thing each; anything
it cannot evaluate denies. *Cases* are policy tests; *findings* (`coverage`) are what a policy
misses in a catalog.

Grants add up, denials override, requirements accumulate, and classified data without a grant is
refused. The order of rules and files never matters.
"""
