"""What was blocked, masked and shown, over a time range, from the audit trail.

`build_from` makes a *report* out of a trail's files, `build` one out of records: *totals*, a
*timeline*, for refused and for masked statements a *section* with counts by rule, principal, table
and column, and the *shapes*: statements that differ in their values only, with why they were
refused and what would get them allowed. Beside them who saw classified values unmasked
(*disclosures*), *bulk reads*, changes of structure, logins, and *events*.

On the way there: `trail` finds the files, `scanning` reads one of them fast, `plans` knows what the
uses of one statement have in common, and a `tally` counts; tallies add up, so that several
processes can share the work, and each of its counters holds only so much. `verdict` says whether a
person has to look. `terminal`, `html`, `csv` and `document` present what `model` holds, in words
of `wording`; `evidence` bundles it all for an auditor.
"""

from dbguard.report.building import build, build_from
from dbguard.report.model import Report

__all__ = ["Report", "build", "build_from"]
