"""Evidence: what was decided, on disk before it happened.

A *record* is one JSON line: decision, outcome, connection event, policy load … Records stand in
*segments* (append-only files); each carries the SHA-256 of its predecessor, so that a *chain*
runs through all of them. The *writer* is one thread with group commit: `append` gives a record
its sequence number, `wait` returns when it is durable. The *head* file remembers how far the
chain had come, so that a cut tail shows. `verify` reads all of it on a separate code path.

No record holds a literal, a bind parameter or a row value.
"""
