"""What the databases behind dbguard hold, kept up to date.

*Loading* reads the catalog of one database in one statement and builds the `Snapshot` that
analysis resolves names against. *Saved* snapshots are files, for work without a server.
The *catalog* (`watching`) owns one *control connection* per database, hands out the current
snapshot, loads it again when DDL has gone through dbguard, and looks every second at a
*fingerprint* of the system catalogs for changes that went elsewhere. Each change starts a new
*epoch*; whatever was derived from an older one has to be made again.

The control role needs no privileges beyond LOGIN and CONNECT on each database: everything read
here is open to every role in PostgreSQL's system catalogs. It needs no rights on tables and
schemas, and should have none.
"""
