"""Sockets: everything that waits for bytes.

A *listener* accepts clients; a *connection* drives one client's `engine.Session`: it reads both
sockets, hands frames over, performs what the session asks for, and writes what the session has
put out. The *hub* holds what connections share: catalog, rules, plan cache, analysis workers,
audit log, backup guard, cancel keys. *Serving* starts and stops all of it.

Bytes come and go through *channels*, sockets that never wait; a *stream* is a channel that
coroutines read from. The *poll* calls channels between two turns of asyncio's loop.
"""
