"""Is the audit trail what was written? Checked by code that shares nothing with the writer.

A *trail* is a directory; it holds one *chain* of records at its top and others in subfolders, one
for each writer. `trail` checks all of them: `segment_files` gives the lines of a segment, plain or
sealed; `fast_scan` reads a segment in which everything is in order (in processes of its own, one a
core), and `careful_walk` one in which it is not, and says at which record; `chain` puts the
segments together. `checkpoints` and `coverage` hold what was read against what was signed: a
*checkpoint* is a `signed_note` on the root of a Merkle tree (`tree`) over the hashes of all records
so far; copies of checkpoints from a second place show what somebody did who could write to the
whole directory. `proving` makes the proof that a single record stood in the trail, and
`proof_check` checks it with nothing but the proof and a public key.

A *finding* is evidence of tampering, or of a disk that lost data; a *note* is what a crash or a
running writer leaves behind. Nothing here imports another part of dbguard, reads its configuration
or writes a file: `python -m dbguard.verification DIR` works wherever the files can be read.
"""
