"""Sockets: everything that waits for bytes.

A *listener* accepts clients; a *connection* drives one client's `engine.Session`: its *relay* reads
both sockets, hands frames over, performs what the session asks for, and writes what the session has
put out, in tasks that begin with what comes and end when nothing is left to do. The *hub* holds
what connections share: catalog, rules, plan cache, analysis workers, audit log, backup guard,
cancel keys. *Serving* starts and stops all of it.

Bytes come and go through *channels*, sockets that never wait; a *stream* is a channel that
coroutines read from, or that tells when there is something to take. The *poll* calls channels
between two turns of asyncio's loop.
"""
