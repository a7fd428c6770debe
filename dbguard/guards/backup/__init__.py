"""Backups that are proven, and the guard that asks for them.

A *backup* is one `pg_dump` of one database. *Taking* one means: export a *snapshot*, count and sum
the rows of every table in it, dump exactly that snapshot, restore the dump into a *scratch
database* on the same server, count and sum again, compare that and what the catalogs say, and only
then enter it in the *registry* (SQLite) as verified. Whatever goes wrong on the way, the scratch
database and the file are removed and the registry holds a failed attempt with its reason, which
never counts. A backup of a part has the definitions of everything, and the rows of some tables.

The *requirement* of a policy rule ("a verified backup, at most an hour old") is *evaluated*
against the registry; its age is that of the snapshot, not of the moment the dump was finished.

`context` is what it all needs, `binaries` finds the programs, `access` reaches the server,
`program` runs a PostgreSQL program without leaking what it says, `snapshots` exports them,
`counting` and `definitions` say what is there, `dumping` and `restoring` run the programs,
`sealing` encrypts, `scratch` makes and drops scratch databases, `proving` compares, `taking` tells
the story above, `guard` is what the proxy asks.

A proven dump stays in the directory, or goes to a *location* (`store`, `objects`, `uploading`: a
bucket), where `presence` looks for it. `giving_back` and `table_copy` restore. `observing`
remembers since when each object of a catalog is what it is, look by look.

Messages of pg_dump and pg_restore can quote rows, so they are never passed on as they are.
"""

from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.requirement import BackupVerdict

__all__ = ["BackupGuard", "BackupVerdict"]
