"""Evidence: what was decided, on disk before it happened.

A *record* (`records`, `rendering`) is one JSON line: decision, outcome, connection event, policy
load … Lines stand in *segments*, append-only files; each carries the SHA-256 of its predecessor,
so that one
*chain* (`chain`, and for many at a time `linking`) runs through all of them. The *writer* commits
in groups: `append` gives a record its sequence number, `wait` returns when it is *kept*, and
`asyncio_front` is the same for coroutines. `ledger` knows which numbers were given out and what
became of each; `commits` is what the writer's thread and those who commit by themselves share.
Under them the *journal* owns the open files, `opening` finds where a trail ends after whatever
happened, and `storage` is the handful of file operations that durability hangs on. The *head* file
remembers how far the chain had come, so that a cut tail shows. `checkpointing` signs how far the
chain has come (`merkle`, `notes`) with a key (`keys`, `signing`), `resuming` takes its tree up
again, `stamping` holds times against a clock that nobody can set, and `own_chain` opens chains as
the settings say. `dbguard.verification` reads all of it on its own.

A directory may hold several chains (`trails`). `sealing` compresses segments that have ended, in
frames (`compression`) with an `index` of the `terms` that records can be found by. `blocks` gives
the lines of a segment back, sealed or not, `lines` what one holds; on them stand `reading` (all in
order), `finding` (one by its number), `searching` (what fits, newest first) and `querying` (SQL).
`pruning` removes what is older than it must be kept, but for what `holding` says to keep.

No record holds a literal, a bind parameter or a row value.
"""
