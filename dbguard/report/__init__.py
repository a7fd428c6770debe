"""What was blocked and what was masked, over a time range, from the audit trail.

`build` makes a *report* out of stored records: *totals*, and for refused and for masked
statements a *section* with counts by rule, principal, table and column, and the *shapes*:
statements that differ in their values only, with why they were refused and what would get them
allowed. `terminal` shows it to people, `document` gives it to programs; both only present what
`model` holds.
"""

from dbguard.report.building import build
from dbguard.report.model import Report

__all__ = ["Report", "build"]
