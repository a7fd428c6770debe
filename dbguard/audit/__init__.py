"""Evidence: what was decided, on disk before it happened.

A *record* (`records`) is one JSON line: decision, outcome, connection event, policy load … Lines
stand in *segments*, append-only files; each carries the SHA-256 of its predecessor, so that one
*chain* (`chain`) runs through all of them. The *writer* is one thread with group commit:
`append` gives a record its sequence number, `wait` returns when it is *kept*, and
`asyncio_front` is the same for coroutines. Under it the *journal* owns the open files,
`opening` finds where a trail ends after whatever happened, and `storage` is the handful of file
operations that durability hangs on. The *head* file remembers how far the chain had come, so
that a cut tail shows. `checkpointing` signs how far the chain has come (`merkle`, `notes`) with a
key (`keys`, `signing`), `resuming` takes its tree up again, `stamping` holds times against a clock
that nobody can set, and `own_chain` opens chains as the settings say. `dbguard.verification` reads
all of it on its own; `reading` gives the records back.

No record holds a literal, a bind parameter or a row value.
"""
