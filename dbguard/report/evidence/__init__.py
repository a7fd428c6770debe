"""What an auditor wants to have in hand: one bundle of files about a trail and a time range.

It holds the *report* in all its forms, the result of *verifying* the whole trail with its last
hashes, the latest signed *checkpoints* and the public keys, an *inventory* of the trail's files
with their SHA-256, the *policy* in force, and the *controls*: what all this shows for sections of
45 CFR 164 and for criteria of SOC 2, and what it does not show. A README tells how to check it
without dbguard's configuration, and SHA256SUMS covers every file.

`deployment` is what the settings say of it; `hipaa` and `soc2` write the controls; `bundle` puts
everything together, so that the same trail, settings and range give the same bytes.
"""

from dbguard.report.evidence.bundle import Evidence, files, write

__all__ = ["Evidence", "files", "write"]
