"""The policy enforcement point: one client connection's state machine, without any I/O.

A *session* takes *frames* from the client and from the server and says what is to be sent to
each. A client message that carries a statement needs a *plan* (what is sent instead, what was
decided, what to check on the way back); plans come from `planning`, run in a worker process, and
are kept in a bounded *cache*. Whatever the session cannot do by itself it *asks* for: handlers of
client messages are generators that yield an *ask* (analyse this text, make that record durable,
wait for the server) and are sent the answer. Nothing is forwarded before its decision record is
durable: messages are *staged*, then released together.

What was decided once and comes again unchanged takes the *lane* past all this, and is handed over
to it where anything is unusual.

Prepared statements and portals stand in a table of *names* as *changes* that can be taken back;
what they were decided under is their *basis*, and a stale one is *refreshed* before it runs.

What the server owes for each forwarded message stands in the *pending* queue; server messages are
matched against its head, so that dbguard's own questions (*probes*, injected Describe) are
answered unseen, row descriptions are checked (the *tripwire*), and an error in a pipeline drops
what the server skips. A refusal is either answered here or put in place of the refused message
as one that must fail (`refusal`), so that client and server agree on the transaction state.
"""
