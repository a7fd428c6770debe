"""Backups that other tools made, as evidence.

Each module is one *kind* of provider: it reads what its tool says of its backups (the
*inventory*) and gives it back as `Evidence`, entry by entry. It judges what only it can judge, and
puts that into the entry's *flaw*: another server, a failed backup, WAL that has not reached the
archive. Age, proof and coverage are judged by `requirement`, alike for all. An inventory that
cannot be had or makes no sense raises `NoInventory`, whose reason is one line for the client, and
none of its backups counts.

What a tool says is not trusted to be short, well formed, or to end: `running` bounds programs,
`fields` reads JSON strictly, and `limited` puts a time limit, a cache and the tool's name around
all of it. Nothing that a tool writes to stderr is shown or kept: it may hold connection strings.

`pgbackrest`, `barman`, `walg` and `basebackup` know physical backups of whole servers, which count
only where the system identifier is the server's. `stated` reads entries that somebody else's `sql`,
`command` or `http` answer states; `rds` asks AWS. `proving` runs the tools' own long checks behind
the statements that wait. `making` makes all of it from the settings.
"""
