"""Copies of the audit trail in other places, and checkpoints in a second one.

The trail on disk is the buffer: nothing else is kept for those who are behind. A *destination* is
a place that copies go to; each has a *delivery* of its own, which follows all *chains* of the
trail (`following`), sends *batches* of lines in order, and remembers in a *cursor* how far it has
come, after the destination has acknowledged it. So every record arrives at least once, in order
within its chain, and a copy sent twice is known by writer, sequence number and hash. A destination
that is away, slow or full holds up neither the others nor statements.

What retention has removed before it was shipped is a *gap*: the destination is told of it. What a
destination will never take is *rejected*; what contradicts what it has already is a *fork*.

`dbguard serve` runs all of it in one subprocess of low priority (`worker`, started and watched by
`supervising`); `dbguard audit ship` does the same by hand.
"""
